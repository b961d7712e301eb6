"""NEW FILE"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

from taskq.driver.contract import Driver
from taskq.driver.steps import Steps
from taskq.wire.ending import Ending, read_ending
from taskq.wire.signing import Signer

__all__ = ["Queries", "Subject", "ask_ending", "read_stored"]


T = TypeVar("T")


class Subject(NamedTuple):
    """The message that is asked about."""

    id: str
    channel: str
    signer: Signer | None
    #: Its bytes as they were pushed, and whether its result is kept: None when this handle was made from an id.
    payload: bytes | None = None
    keeps: bool | None = None


class Queries(Protocol):
    """The queries that a handle needs; a queue's outbox answers them."""

    def withdraw(self, channel: str, payload: bytes) -> bool: ...

    def take_back(self, message_id: str) -> bool: ...

    def check_sent(self, message_id: str) -> None: ...

    def subject(self, channel: str, message_id: str, payload: bytes | None, keeps: bool | None) -> Subject: ...

    def ask(self, channel: str, question: Callable[[Driver], Steps[T]]) -> T: ...

    async def aask(self, channel: str, question: Callable[[Driver], Steps[T]]) -> T: ...


def read_stored(raw: bytes | None, subject: Subject) -> Ending | None:
    """Return the stored result that the bytes hold; None for no bytes."""
    return None if raw is None else read_ending(raw, bytes.fromhex(subject.id), subject.signer)


def ask_ending(driver: Driver, subject: Subject) -> Steps[Ending | None]:
    """Return how the message ended, when that is kept."""
    return read_stored((yield driver.result(subject.id)), subject)
