"""The driver contract: how a channel's moves are made on a store.

A driver builds commands without doing any I/O; a link (blocking) or an async link (for asyncio) sends them. So each move is
written once. `driver = "package.module:Class"` in the settings names another class that meets `Driver`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from taskq.channel import Keys, State

__all__ = ["AsyncLink", "Blame", "Command", "Driver", "Fault", "Link", "Part", "Rescue", "Script", "StoredEnding", "Where", "Word"]

Word = bytes | str | int | float
Where = Literal["front", "back", "later"]
#: "neighbour": it ran when its worker was ended for another message's sake. It isn't counted, and on_lost decides.
Fault = Literal["crash", "timeout", "neighbour"]


class Command(NamedTuple):
    """One request to the store. Of a script, `words` begin with the number of keys (as EVALSHA wants them)."""

    move: str
    words: tuple[Word, ...]
    script: Script | None = None


class Blame(NamedTuple):
    """A message that was running when its worker ended."""

    #: Its id; "head" for the first of the list, when only the order is known; "all" when every one may have been running.
    who: bytes | Literal["head", "all"]
    fault: Fault = "crash"
    #: A packed history record.
    record: bytes = b""
    #: After a timeout: milliseconds until the next run, -1 when no attempt is left.
    retry_ms: int = -1


class StoredEnding(NamedTuple):
    """How a message ended, as it is stored for those who ask."""

    data: bytes
    ttl_ms: int
    #: Whether the job has yielded parts, whose stream ends with it.
    is_stream: bool = False


class Part(NamedTuple):
    """What a generator job has yielded."""

    number: int
    data: bytes
    ttl_ms: int
    #: How many may be unread: more are refused.
    limit: int


class Rescue(NamedTuple):
    """What a supervisor knows of a worker that is no more."""

    worker: str
    #: Milliseconds; a younger heartbeat stops the rescue. 0: the worker is known to be dead.
    lease_ms: int = 0
    #: What was running. All else goes back uncounted.
    blamed: tuple[Blame, ...] = ()


class Link(Protocol):
    """One connection that blocks. Not for use by two threads at once."""

    #: True while a reply is awaited.
    is_busy: bool

    @property
    def where(self) -> str:
        """The server, as it may be shown: without its password."""
        ...

    def call(self, command: Command) -> Any:
        """Send a command and return the server's reply.

        Raises:
            ServerUnavailable: no answer; its `sent` says whether the command may have been carried out.
            ServerRefused: the answer is no, and will be no again.
            QueueFull: the server is at its memory limit, and carried nothing out.
        """

    def confirm(self, command: Command) -> int:
        """Return how many replicas have what was sent last, by `Driver.confirm`. Raises as `call`."""
        ...

    def send(self, command: Command) -> None:
        """Send a plain command without waiting for its reply."""

    def receive(self) -> Any:
        """Return the reply to what was sent."""

    def fileno(self) -> int:
        """The socket, to be waited for."""
        ...

    def unblock(self) -> None:
        """Make the server answer a blocked command at once, through a connection of its own. Best effort."""

    def is_stale(self) -> bool:
        """True when the server has closed the connection since its last use."""
        ...

    def close(self) -> None:
        """Drop the connection; the next call opens another."""


class AsyncLink(Protocol):
    """The same for asyncio. Not for use by two tasks at once."""

    @property
    def where(self) -> str: ...

    async def call(self, command: Command) -> Any: ...

    async def confirm(self, command: Command) -> int: ...

    async def is_stale(self) -> bool: ...

    async def close(self) -> None: ...


class Driver(Protocol):
    """The moves of one channel as commands. The comment tells what the reply holds."""

    keys: Keys

    def link(self, timeout: float = 5.0) -> Link: ...

    def async_link(self, timeout: float = 5.0) -> AsyncLink: ...

    def version(self) -> Command: ...  # what check_version reads

    def check_version(self, reply: Any) -> str:
        """Return the server's name and version.

        Raises:
            ServerTooOld: the moves need a newer one.
        """
        ...

    def confirm(self, replicas: int, timeout_ms: int) -> Command: ...  # how many replicas have what this connection wrote

    def rights(self) -> Command: ...  # names of the commands that a worker needs and may not run

    def trials(self) -> dict[str, Command]: ...  # right -> what a worker sends by itself, in a form that does nothing

    def kinds(self) -> Command: ...  # [key, its type or "", the right one, ...] of those that are wrong

    def push(self, messages: Sequence[bytes]) -> Command: ...  # anything

    def push_later(self, messages: Sequence[bytes], *, delay_ms: int | None = None, at_ms: int | None = None) -> Command: ...  # count

    def push_once(self, message: bytes, message_id: str, *, delay_ms: int | None = None, at_ms: int | None = None) -> Command: ...  # 0 or 1

    def withdraw(self, message: bytes) -> Command: ...  # 0 or 1

    def reserve(self, worker: str, count: int, done: Sequence[bytes]) -> Command: ...  # [settled, known, messages]

    def reserve_one(self, worker: str, timeout: float) -> Command: ...  # the message, or None

    def ack(self, worker: str, ids: Sequence[bytes]) -> Command: ...  # settled

    def retry(self, worker: str, message_id: bytes, delay_ms: int, message: bytes) -> Command: ...  # 0 or 1

    def requeue(self, worker: str, where: Where, ids: Sequence[bytes], delay_ms: int = 0) -> Command: ...  # count

    def finish(self, worker: str, message_id: bytes, kept: StoredEnding) -> Command: ...  # 0 or 1

    def fail(self, worker: str, state: State, message_id: bytes, message: bytes, kept: StoredEnding | None = None) -> Command: ...  # 0 or 1

    def park(self, worker: str, message_id: bytes, message: bytes) -> Command: ...  # 0 or 1

    def stamp(self, worker: str, pairs: Sequence[tuple[bytes, bytes]]) -> Command: ...  # [0 or 1, ...]

    def holdings(self, worker: str) -> Command: ...  # messages

    def standing(self, worker: str) -> Command: ...  # 1, 0 or -1

    def forget_fate(self, worker: str) -> Command: ...  # anything

    def adopt(self, worker: str, messages: Sequence[bytes]) -> Command: ...  # how many were missing

    def cancel(self, state: State, message: bytes, kept: StoredEnding) -> Command: ...  # 0 or 1

    def order(self, worker: str, message_id: str, order: bytes) -> Command: ...  # 0 or 1

    def orders(self) -> Command: ...  # [id, order, ...]

    def forget_order(self, message_id: bytes) -> Command: ...  # anything

    def promote(self, limit: int = 500) -> Command: ...  # [moved, ms until the next]

    def wait_for_wake(self, timeout: float, worker: str = "") -> Command: ...  # [key, anything], or None; `worker`: one of this supervisor

    def heartbeat(self, worker: str, fields: dict[str, Word], *, lease_ms: int, register: bool) -> Command: ...  # [standing, held, time]

    def expired(self, before_ms: int) -> Command: ...  # [id, last heartbeat, ...], the longest silent first

    def dismiss(self, entry: bytes) -> Command: ...  # forgets what stands among the workers and is none

    def rescue(self, rescue: Rescue) -> Command: ...  # -1 or count

    def scan_reserved(self, cursor: Word) -> Command: ...  # [next cursor, keys]

    def look(self, workers: Sequence[str]) -> Command: ...  # [waiting, due, reserved, not due yet, ms until the next]

    def restore(self, state: State, pairs: Sequence[tuple[bytes, bytes]]) -> Command: ...  # count

    def result(self, message_id: str) -> Command: ...  # the result, or None

    def wait_for_result(self, message_id: str, timeout: float) -> Command: ...  # the same

    def begin(self, worker: str, message_id: bytes, ttl_ms: int) -> Command: ...  # the last number, or -1

    def part(self, worker: str, message_id: bytes, part: Part) -> Command: ...  # 1, 0 or -1

    def read(self, message_id: str, after: int, count: int) -> Command: ...  # [start, [[id, [field, data]], ...]]

    def wait_for_parts(self, message_id: str, after: int, count: int, timeout: float) -> Command: ...  # [[key, entries]], or None

    def position(self, state: State, message: bytes) -> Command: ...  # None when these bytes are not in waiting or delayed

    def find(self, place: State | str, message_id: str, start: int, count: int) -> Command: ...  # [looked at, the message?]

    def report_progress(self, message_id: str, data: bytes, ttl_ms: int) -> Command: ...  # anything

    def progress(self, message_ids: Sequence[str]) -> Command: ...  # [data or None, ...]

    def page(self, state: State, start: int, count: int) -> Command: ...  # messages; of a set-aside state with scores

    def count(self, state: State) -> Command: ...  # a number

    def remove(self, state: State, message: bytes) -> Command: ...  # how many were there

    def flush(self, state: State, count: int) -> Command: ...  # how many were removed

    def workers(self) -> Command: ...  # [id, last heartbeat, ...]

    def describe(self, worker: str) -> Command: ...  # [field, value, ...]

    def held(self, worker: str) -> Command: ...  # a number

    def time(self) -> Command: ...  # [seconds, microseconds] of the server's clock


class Script(NamedTuple):
    """A script as it is sent, and the SHA-1 by which the server knows it (EVALSHA)."""

    name: str
    text: str
    sha: str
