"""See that each key of a channel is of the type that it should be: a server may be shared, and somebody else may use the name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from taskq.driver.contract import Command, Driver, Link
from taskq.errors import QueueFull, ServerRefused, ServerTooOld

__all__ = ["REMEDY", "VERSION", "WrongKey", "ask_eviction", "check_kinds", "check_rights", "check_server", "read_version", "wrong_keys"]

REMEDY = "another program uses this key: rename it, or set a different key prefix for the channel"


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


#: What `read_version` reads.
VERSION = Command("tell its version", ("INFO", "server"))


def read_version(reply: bytes, where: str) -> str:
    """Return the server's version text, such as "Valkey 9.1.2", from its answer to `VERSION`.

    Raises:
        ServerTooOld: it is older than Redis 6.2, whose commands the scripts need.
    """
    fields = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    name, version = "Redis", fields.get("redis_version", "0")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < (6, 2):
        raise ServerTooOld(f"the server at {where} is Redis {version}; taskq needs Redis 6.2 or later, or Valkey")
    if "valkey_version" in fields:
        name, version = "Valkey", fields["valkey_version"]
    return f"{name} {version}"


def check_server(link: Link) -> str:
    """Ask the server for its version and return that, such as "Valkey 9.1.2".

    Raises:
        ServerTooOld: it is older than Redis 6.2.
        ServerUnavailable, ServerRefused: it can't be asked.
    """
    try:
        reply = link.call(VERSION)
    except ServerRefused as error:
        if _lacks_right(error):
            return "a server of unknown version"
        raise
    return read_version(reply, link.where)


def _lacks_right(error: ServerRefused) -> bool:
    return "NOPERM" in str(error) or "no permissions" in str(error)


def ask_eviction(link: Link) -> str:
    """Return the policy by which the server drops keys when its memory is full, such as "allkeys-lru"; "" when it drops none.

    Raises:
        ServerUnavailable: it can't be asked.
    """
    try:
        reply = link.call(Command("tell its memory", ("INFO", "memory")))
    except ServerRefused:  # it needn't tell everybody
        return ""
    fields = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    policy = fields.get("maxmemory_policy", "noeviction")
    return "" if policy == "noeviction" or fields.get("maxmemory") == "0" else policy


def check_rights(driver: Driver, link: Link) -> None:
    """See that this user may do all that a worker does.

    Raises:
        ServerRefused: it may not; with the names of the commands that are missing.
        ServerUnavailable: it can't be asked.
    """
    missing = [name.decode().lower() for name in link.call(driver.rights())]
    for name, command in driver.trials().items():
        try:
            link.call(command)
        except ServerRefused as error:  # that its words make no sense says that it may be sent
            if _lacks_right(error):
                missing.append(name)
        except QueueFull:
            pass
    if missing:
        told = ", ".join(name.upper() for name in missing)
        rights = " ".join(f"+{name}" for name in missing)
        raise ServerRefused(
            f"the user at {link.where} lacks permissions that a worker needs: {told}. Grant them: ACL SETUSER <user> {rights}"
        )
