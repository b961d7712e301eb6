"""States of a message, the moves between them, and all Redis key names.

The drawing in the docs and the tests of the driver are made from `MOVES`. No other file builds or parses the name of a key.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from taskq.errors import ConfigError

__all__ = ["MOVES", "STATES", "Keys", "Move", "Outcome", "State", "check_channel_name", "check_channel_pattern", "is_channel_pattern"]


class State(str, Enum):
    """State of a message. A stored message is always in exactly one state."""

    WAITING = "waiting"
    RESERVED = "reserved"
    DELAYED = "delayed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    PARKED = "parked"


STATES = tuple(State)


class Outcome(str, Enum):
    """Return values that decide what happens to a job's message."""

    ACK = "ack"
    RETRY = "retry"
    REQUEUE = "requeue"
    DROP = "drop"


class Move(NamedTuple):
    """A state transition. None means not stored: before the push or after the message is settled."""

    name: str
    sources: tuple[State | None, ...]
    targets: tuple[State | None, ...]
    who: str


_WAITING, _RESERVED, _DELAYED = State.WAITING, State.RESERVED, State.DELAYED
_FAILED, _TIMEOUT, _PARKED = State.FAILED, State.TIMEOUT, State.PARKED

#: All moves. Each is one atomic script or one atomic command.
MOVES = (
    Move("push", (None,), (_WAITING, _DELAYED), "application"),
    Move("promote", (_DELAYED,), (_WAITING,), "supervisor"),
    Move("reserve", (_WAITING,), (_RESERVED,), "worker"),
    Move("ack", (_RESERVED,), (None,), "worker"),
    Move("drop", (_RESERVED,), (None,), "worker"),
    Move("finish", (_RESERVED,), (None,), "worker"),
    Move("retry", (_RESERVED,), (_DELAYED,), "worker"),
    Move("requeue", (_RESERVED,), (_WAITING, _DELAYED), "worker, supervisor"),
    Move("fail", (_RESERVED,), (_FAILED, _TIMEOUT), "worker, supervisor"),
    Move("rescue", (_RESERVED,), (_WAITING, _DELAYED, _FAILED, _TIMEOUT), "supervisor"),
    Move("park", (_RESERVED,), (_PARKED,), "worker"),
    Move("unpark", (_PARKED,), (_WAITING,), "supervisor"),
    Move("reload", (_FAILED, _TIMEOUT, _PARKED), (_WAITING,), "operator"),
    Move("cancel", (_WAITING, _DELAYED, _PARKED), (None,), "application, operator"),
    Move("flush", (_WAITING, _DELAYED, _FAILED, _TIMEOUT, _PARKED), (None,), "operator"),
    Move("delete", (_WAITING, _DELAYED, _FAILED, _TIMEOUT, _PARKED), (None,), "application, operator"),
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")


def check_channel_name(name: object) -> str:
    """Return `name` if it can name a channel or a key prefix.

    Raises:
        ConfigError: `name` is not a text of 1 to 64 letters, digits, `_`, `-` and `.` that begins with a letter or digit.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ConfigError(f"{name!r} can't name a channel: use 1 to 64 letters, digits, '_', '-' or '.', beginning with a letter or digit")


def is_channel_pattern(name: str) -> bool:
    """Return True for a pattern of channel names, such as "tenant-*"."""
    return "*" in name


def check_channel_pattern(pattern: str) -> str:
    """Return a pattern of channel names.

    Raises:
        ConfigError: it is not like a channel name with a `*` for any characters, behind at least one letter or digit.
    """
    if _NAME.fullmatch(pattern.replace("*", "x")) and not pattern.startswith("*"):
        return pattern
    raise ConfigError(f"{pattern!r} can't be a pattern of channels: use a channel name with a * for any characters, such as tenant-*")


class Keys:
    """The keys of one channel. They share a hash tag, so a channel is in one Cluster slot."""

    __slots__ = (
        *("cancels", "channels", "delayed", "failed", "nothing", "parked", "prefix", "scanned", "tag", "timeout", "waiting", "wake"),
        "workers",
    )

    def __init__(self, prefix: str) -> None:
        tag = "{" + prefix + "}"
        self.prefix = prefix
        self.tag = tag
        self.waiting = f"{tag}:waiting"
        self.delayed = f"{tag}:delayed"
        self.failed = f"{tag}:failed"
        self.timeout = f"{tag}:timeout"
        self.parked = f"{tag}:parked"
        self.workers = f"{tag}:workers"
        self.wake = f"{tag}:wake"
        #: Cancel requests for running jobs, by message id.
        self.cancels = f"{tag}:cancels"
        #: The supervisor that last scanned for orphaned messages, and when.
        self.scanned = f"{tag}:scanned"
        #: The known channels of a pattern, if the prefix is one.
        self.channels = f"{tag}:channels"
        #: Never exists. A script whose first write deletes this key may continue to write at `maxmemory`.
        self.nothing = f"{tag}:nothing"

    def kinds(self) -> dict[str, str]:
        """Return the type of each key that all workers share."""
        lists, sets = (self.waiting, self.wake), (self.delayed, self.failed, self.timeout, self.parked, self.workers)
        return dict.fromkeys(lists, "list") | dict.fromkeys(sets, "zset") | {self.cancels: "hash"}

    def reserved(self, worker: str) -> str:
        """Return the key of the list of messages that one worker process has reserved and not settled."""
        return f"{self.tag}:reserved:{worker}"

    @staticmethod
    def worker_of(reserved_key: bytes) -> str:
        """Return the id of the worker process that a key of `reserved` belongs to."""
        return Keys.owner_of(reserved_key)[1]

    @staticmethod
    def owner_of(reserved_key: bytes) -> tuple[str, str]:
        """Return the prefix of the channel and the id of the worker process that a key of `reserved` belongs to."""
        tag, _, worker = reserved_key.decode(errors="replace").partition(":reserved:")
        return tag[1:-1], worker

    def worker(self, worker: str) -> str:
        """Return the key of the short-lived hash with the activity of one worker process."""
        return f"{self.tag}:worker:{worker}"

    def once(self, message_id: str) -> str:
        """Return the idempotency key of a push that is safe to repeat."""
        return f"{self.tag}:once:{message_id}"

    def result(self, message_id: str) -> str:
        """Return the key of the list whose only element is the result of one message."""
        return f"{self.tag}:result:{message_id}"

    def parts(self, message_id: str) -> str:
        """Return the key of the stream with the items of one generator job."""
        return f"{self.tag}:parts:{message_id}"

    def reading(self, message_id: str) -> str:
        """Return the key of the hash with the write and read positions of such a stream."""
        return f"{self.tag}:reading:{message_id}"

    def progress(self, message_id: str) -> str:
        """Return the key of the progress report of one running job."""
        return f"{self.tag}:progress:{message_id}"

    def cancel_wake(self, worker: str) -> str:
        """Return the key of the token that wakes the supervisor of a worker for a cancel request."""
        return f"{self.tag}:calls:{worker.rpartition(':')[0]}"

    def of(self, state: State) -> str:
        """Return the key of a state that all workers share (every state except `reserved`)."""
        if state is State.RESERVED:
            raise ValueError("each worker process has a separate reserved list: use reserved(worker)")
        return f"{self.tag}:{state.value}"
