"""The subject of a query: the message that a handle asks about, and its stored result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from taskq.driver.contract import Driver
from taskq.driver.steps import Steps
from taskq.wire.ending import Ending, read_ending
from taskq.wire.signing import Signer

__all__ = ["Queries", "Subject", "ask_ending", "read_stored"]


T = TypeVar("T")


class Subject(NamedTuple):
    """The message that a query is about."""

    id: str
    channel: str
    signer: Signer | None
    #: The bytes of the message as pushed. None if the handle was recreated from an id.
    payload: bytes | None = None
    #: True if its result is stored. None if the handle was recreated from an id.
    stores_result: bool | None = None
    #: True if a stored result may be a pickle.
    pickles: bool = True
    #: Rebuilds the result, or an item of the stream, by the return hint of the job, if the handle knows its job.
    restore: Callable[[Any, Literal["result", "item"]], Any] = lambda value, _: value


class Queries(Protocol):
    """Protocol: the queries that a handle needs. A queue's outbox implements it."""

    def withdraw(self, channel: str, payload: bytes) -> bool: ...

    def take_back(self, message_id: str) -> bool: ...

    def check_sent(self, message_id: str) -> None: ...

    def subject(self, channel: str, message_id: str, payload: bytes | None, stores_result: bool | None) -> Subject: ...

    def ask(self, channel: str, question: Callable[[Driver], Steps[T]]) -> T: ...

    async def aask(self, channel: str, question: Callable[[Driver], Steps[T]]) -> T: ...


def read_stored(raw: bytes | None, subject: Subject) -> Ending | None:
    """Decode a stored result. Return None for None."""
    return None if raw is None else read_ending(raw, bytes.fromhex(subject.id), subject.signer)


def ask_ending(driver: Driver, subject: Subject) -> Steps[Ending | None]:
    """Return the stored final state of the message, or None."""
    return read_stored((yield driver.result(subject.id)), subject)
