"""The decision about a message after its run, or instead of one."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import msgspec

from taskq.channel import State
from taskq.driver.contract import StoredEnding

__all__ = ["ACKED", "Action", "Verdict", "can_wait"]


class Action(Enum):
    """The move that follows."""

    ACK = "ack"
    RETRY = "retry"
    REQUEUE = "requeue"
    FAIL = "fail"
    PARK = "park"
    #: Back to the head of waiting, no attempt used: the worker must end.
    RELEASE = "release"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A move, and what it needs. `announce` is called after the move, when the message was still this worker's."""

    action: Action
    #: The message with its new counts and history (retry, fail, park).
    message: bytes = b""
    delay_ms: int = 0
    #: failed or timeout (fail only).
    state: State = State.FAILED
    #: The final state to store (ack, fail).
    ending: StoredEnding | None = None
    announce: Callable[[], None] | None = None
    #: The exception of the run. Its frames must be freed once the verdict is carried out.
    error: BaseException | None = None

    def caused_by(self, error: BaseException) -> Verdict:
        """Return the same verdict, with the exception of its run."""
        return msgspec.structs.replace(self, error=error)


#: The verdict of nearly every run.
ACKED = Verdict(action=Action.ACK)


def can_wait(verdict: Verdict) -> bool:
    """Return True if a verdict has only a result to store, which may travel with the acks: nothing follows it, and it ends no stream."""
    ending = verdict.ending
    return (
        verdict.action is Action.ACK and ending is not None and not ending.is_stream and verdict.announce is None and verdict.error is None
    )
