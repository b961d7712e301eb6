"""See that each key of a channel is of the type that it should be: a server may be shared, and somebody else may use the name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from taskq.driver.base import Command, Driver
from taskq.errors import ServerRefused

__all__ = ["REMEDY", "WrongKey", "check_kinds", "wrong_keys"]

REMEDY = "something else uses this name, and every move to it is refused: rename that key, or give the channel another prefix"


class WrongKey(NamedTuple):
    """A key that is something else."""

    key: str
    #: "": this user may not ask.
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"the key {self.key} should be a {self.wanted}, and is {f'a {self.found}' if self.found else 'something else'}"


def wrong_keys(call: Callable[[Command], Any], driver: Driver) -> list[WrongKey]:
    """Return the keys of a channel that are of another type than they should be.

    Raises:
        ServerUnavailable, ServerRefused: the server can't be asked.
    """
    words = [word.decode(errors="replace") for word in call(driver.kinds())]
    return [WrongKey(*words[start : start + 3]) for start in range(0, len(words), 3)]


def check_kinds(call: Callable[[Command], Any], driver: Driver, channel: str) -> None:
    """See that all are as they should be.

    Raises:
        ServerRefused: one isn't; the text names the channel, the key, and what to do.
        ServerUnavailable: the server can't be asked.
    """
    wrong = wrong_keys(call, driver)
    if wrong:
        raise ServerRefused(f"channel {channel}: {'; '.join(map(str, wrong))}. {REMEDY[0].upper()}{REMEDY[1:]}")
