"""A channel's words: its states, the moves between them, and the name of every key.

Everything that says where a message can be lives in this file. The drawing in the docs and the tests of the driver are made
from `MOVES`; no other file spells a key.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from taskq.errors import ConfigError

__all__ = ["MOVES", "STATES", "Keys", "Move", "Outcome", "State", "check_channel_name"]


class State(str, Enum):
    """Where a message is. It is always in exactly one of these."""

    WAITING = "waiting"
    RESERVED = "reserved"
    DELAYED = "delayed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    PARKED = "parked"


STATES = tuple(State)


class Outcome(str, Enum):
    """What a job may return to say what happens to its message."""

    ACK = "ack"
    RETRY = "retry"
    REQUEUE = "requeue"
    DROP = "drop"


class Move(NamedTuple):
    """One way from state to state. `None` is outside: not stored yet, or no more."""

    name: str
    sources: tuple[State | None, ...]
    targets: tuple[State | None, ...]
    who: str


_WAITING, _RESERVED, _DELAYED = State.WAITING, State.RESERVED, State.DELAYED
_FAILED, _TIMEOUT, _PARKED = State.FAILED, State.TIMEOUT, State.PARKED

#: Every move there is. Each is one atomic script or one atomic command.
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
        ConfigError: it is no text of 1 to 64 letters, digits, `_`, `-` and `.`, beginning with a letter or digit.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ConfigError(f"{name!r} can't name a channel: use 1 to 64 letters, digits, '_', '-' or '.', beginning with a letter or digit")


class Keys:
    """The keys of one channel. They share a hash tag, so a channel lives in one Cluster slot."""

    __slots__ = ("cancels", "delayed", "failed", "nothing", "parked", "prefix", "tag", "timeout", "waiting", "wake", "workers")

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
        #: Orders to cancel what runs, by the ids of the messages.
        self.cancels = f"{tag}:cancels"
        #: Never exists. A script whose first write deletes it may write on when the server is at `maxmemory`.
        self.nothing = f"{tag}:nothing"

    def kinds(self) -> dict[str, str]:
        """The type of each key that is one for all."""
        lists, sets = (self.waiting, self.wake), (self.delayed, self.failed, self.timeout, self.parked, self.workers)
        return dict.fromkeys(lists, "list") | dict.fromkeys(sets, "zset") | {self.cancels: "hash"}

    def reserved(self, worker: str) -> str:
        """The list of what one worker has taken and not settled."""
        return f"{self.tag}:reserved:{worker}"

    def worker(self, worker: str) -> str:
        """The short-lived hash that tells what one worker is doing."""
        return f"{self.tag}:worker:{worker}"

    def once(self, message_id: str) -> str:
        """The short-lived marker of a push that may be repeated."""
        return f"{self.tag}:once:{message_id}"

    def result(self, message_id: str) -> str:
        """The list whose only element tells how one message ended."""
        return f"{self.tag}:result:{message_id}"

    def parts(self, message_id: str) -> str:
        """The stream of what one generator job has yielded."""
        return f"{self.tag}:parts:{message_id}"

    def reading(self, message_id: str) -> str:
        """The hash that tells how far such a stream is written and read."""
        return f"{self.tag}:reading:{message_id}"

    def progress(self, message_id: str) -> str:
        """How far one running job says that it is; ends by itself."""
        return f"{self.tag}:progress:{message_id}"

    def calls(self, worker: str) -> str:
        """The token that tells the supervisor of a worker that one of its jobs is cancelled."""
        return f"{self.tag}:calls:{worker.rpartition(':')[0]}"

    def of(self, state: State) -> str:
        """The key of a state that has one key for all (every state but `reserved`)."""
        if state is State.RESERVED:
            raise ValueError("each worker has a reserved list of its own: use reserved(worker)")
        return f"{self.tag}:{state.value}"
