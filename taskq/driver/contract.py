"""The driver contract: the moves of a channel on a server.

A driver builds commands without I/O. A link (blocking) or an async link (asyncio) sends them, so each move is written once.
`driver = "package.module:Class"` in the settings names another class that implements `Driver`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from taskq.channel import Keys, State

__all__ = ["AsyncLink", "Blame", "Command", "Driver", "Fault", "Link", "Parts", "Rescue"]
__all__ += ["Script", "SharedLink", "StoredEnding", "Value", "Where", "Word"]

#: What is sent. No numbers: hiredis formats them in a call during which Python runs signal handlers, and a handler that raises there
#: (Ctrl-C, a job's time limit) crashes the process.
Word = bytes | str
#: What a move takes.
Value = Word | int | float
Where = Literal["front", "back", "later"]
#: "bystander": ran in a process that was killed because of another message. Not counted; `on_lost` decides.
Fault = Literal["crash", "timeout", "bystander"]


class Command(NamedTuple):
    """One request to the server. For a script, `words` begin with the number of keys, as EVALSHA expects."""

    move: str
    words: tuple[Word, ...]
    script: Script | None = None


class Blame(NamedTuple):
    """A message that was running when its worker process exited."""

    #: Its id; "head" for the first of the list, if only the order is known; "all" if any of them may have been running.
    who: bytes | Literal["head", "all"]
    fault: Fault = "crash"
    #: A packed history record.
    record: bytes = b""
    #: After a timeout: milliseconds until the next run; -1 if no attempt is left.
    retry_ms: int = -1


class StoredEnding(NamedTuple):
    """The final state of a message, as it is stored: an encoded `Ending`, and for how long."""

    data: bytes
    ttl_ms: int
    #: True if the job has yielded items: their stream ends with this.
    is_stream: bool = False


#: A finished message, and its final state.
Ended = tuple[bytes, StoredEnding]


class Parts(NamedTuple):
    """Items of a stream that follow each other, as they are stored."""

    #: The number of the first one.
    number: int
    items: tuple[bytes, ...]
    ttl_ms: int
    #: The maximum number of unread items; further ones are rejected.
    limit: int
    #: The run that yields them.
    run: bytes


class Rescue(NamedTuple):
    """A lost worker and its messages that were running, for the rescue script."""

    worker: str
    #: Its last heartbeat as `Driver.heartbeats` returned it: another one stops the rescue. Empty: it is not registered. None: it has
    #: surely exited.
    beat: bytes | None = None
    #: The messages that were running. All others return to waiting, with no attempt used.
    blamed: tuple[Blame, ...] = ()
    #: True for a worker that has exited, while the server may still serve its last blocking reserve. It stays registered: if this
    #: supervisor is killed before it checks again, another one rescues the worker after its lease.
    stays: bool = False


class Link(Protocol):
    """One blocking connection. Not thread-safe.

    A fenced link belongs to a worker process or a supervisor. Once it has given up a command without its reply, it makes sure that the
    command can no longer be executed before it sends the next one.
    """

    #: How many seconds to wait for a reply; a change applies from the next connection on.
    timeout: float

    #: True while a reply is awaited.
    is_busy: bool

    @property
    def where(self) -> str:
        """The server's URL, without its password."""
        ...

    def call(self, command: Command) -> Any:
        """Send a command and return the server's reply.

        Raises:
            ServerUnavailable: the server is unreachable. If `sent` is set, it may have executed the command.
            ServerRefused: the server rejects the command, and will reject it again.
            QueueFull: the server is at its memory limit and executed nothing.
        """

    def confirm(self, command: Command) -> int:
        """Send a command of `Driver.confirm`: return how many replicas have what was sent last. Raises as `call`."""
        ...

    def send(self, command: Command) -> None:
        """Send a plain command without waiting for its reply."""

    def receive(self) -> Any:
        """Return the reply to the command that was sent."""

    def fileno(self) -> int:
        """Return the file descriptor of the socket, to wait for."""
        ...

    def unblock(self) -> None:
        """Make the server answer a blocked command at once, over a separate connection. Best effort."""

    def is_stale(self) -> bool:
        """Return True if the server has closed the connection since its last use."""
        ...

    def close(self) -> None:
        """Close the connection; the next call opens another."""


class SharedLink(Protocol):
    """One connection for all tasks of an event loop, for commands that don't block. A cancelled call doesn't disturb the others."""

    async def call(self, command: Command) -> Any: ...  # see `Link`

    async def close(self) -> None: ...  # waits for the replies to what was sent


class AsyncLink(SharedLink, Protocol):
    """One connection for asyncio. Not for use by two tasks at once."""

    @property
    def where(self) -> str: ...

    async def confirm(self, command: Command) -> int: ...

    async def is_stale(self) -> bool: ...


class Driver(Protocol):
    """The moves of one channel as commands. The comments describe the replies."""

    keys: Keys
    #: The server, if one command may have keys of several channels whose drivers name the same server; "" if it may not, as in a Cluster.
    shared: str

    def link(self, timeout: float = 5.0, *, fenced: bool = False) -> Link: ...

    def async_link(self, timeout: float = 5.0) -> AsyncLink: ...

    def shared_link(self, timeout: float = 5.0) -> SharedLink: ...

    def version(self) -> Command: ...  # the reply is for check_version

    def check_version(self, reply: Any) -> str:
        """Return the server's name and version.

        Raises:
            ServerTooOld: the moves need a newer server.
        """
        ...

    def confirm(self, replicas: int, timeout_ms: int) -> Command: ...  # how many replicas have the writes of this connection

    def permissions(self) -> Command: ...  # names of the commands that a worker needs and this user lacks

    def permission_trials(self) -> dict[str, Command]: ...  # permission -> a command outside scripts, in a form that does nothing

    def kinds(self) -> Command: ...  # [key, its type or "", the expected type, ...] of each wrong key

    def push(self, messages: Sequence[bytes]) -> Command: ...  # anything

    def push_later(self, messages: Sequence[bytes], *, delay_ms: int | None = None, at_ms: int | None = None) -> Command: ...  # count

    def push_once(self, message: bytes, message_id: str, *, delay_ms: int | None = None, at_ms: int | None = None) -> Command: ...  # 0 or 1

    def withdraw(self, message: bytes, start: int = -1) -> Command: ...  # 0 or 1; -n: not among n waiting ones (-1: around its id)

    def reserve(  # [settled, known, messages]; the rest as in `ack`
        self, worker: str, count: int, done: Sequence[bytes], *, ordered: bool = False, endings: Sequence[Ended] = ()
    ) -> Command: ...

    def reserve_one(self, worker: str, timeout: float) -> Command: ...  # the message, or None

    # Settled. `ordered`: different ids in the order of the list, and if the first is there, all are: only the ends are compared.
    # Never for a repeat. `endings`: of some of these messages, none with a stream; each is stored if its message was still reserved.
    def ack(self, worker: str, ids: Sequence[bytes], *, ordered: bool = False, endings: Sequence[Ended] = ()) -> Command: ...

    def retry(self, worker: str, message_id: bytes, delay_ms: int, message: bytes) -> Command: ...  # 0 or 1

    def requeue(self, worker: str, where: Where, ids: Sequence[bytes], delay_ms: int = 0) -> Command: ...  # count

    def finish(self, worker: str, message_id: bytes, ending: StoredEnding) -> Command: ...  # 0 or 1

    def fail(  # 0 or 1
        self, worker: str, state: State, message_id: bytes, message: bytes, ending: StoredEnding | None = None
    ) -> Command: ...

    def park(self, worker: str, message_id: bytes, message: bytes) -> Command: ...  # 0 or 1

    def stamp(self, worker: str, pairs: Sequence[tuple[bytes, bytes]]) -> Command: ...  # [0 or 1, ...]

    def holdings(self, worker: str) -> Command: ...  # messages

    def standing(self, worker: str) -> Command: ...  # 1, 0 or -1

    def forget_fate(self, worker: str) -> Command: ...  # anything

    def adopt(self, worker: str, messages: Sequence[bytes]) -> Command: ...  # how many were missing

    def cancel(self, state: State, message: bytes, ending: StoredEnding, start: int = -1) -> Command: ...  # as withdraw

    def request_cancel(self, worker: str, message: bytes, request: bytes) -> Command: ...  # 0 or 1

    def cancel_requests(self) -> Command: ...  # [id, request, ...]

    def forget_cancel_request(self, message_id: bytes) -> Command: ...  # anything

    def promote(self, limit: int = 500) -> Command: ...  # [moved, ms until the next]

    # [key, anything], or None; `worker`: any of this supervisor; `channels`: instead of this channel
    def wait_for_wake(self, timeout: float, worker: str = "", channels: Sequence[Keys] = ()) -> Command: ...

    def poll(self, channels: Sequence[Keys]) -> Command: ...  # [ms until the next (-1: none, -2: unreadable), 1 if any is cancelled, ...]
    def heartbeat(self, worker: str, fields: dict[str, Value], *, lease_ms: int, register: bool) -> Command: ...  # [standing, held]

    def heartbeat_all(  # [standing, held, ...] of each; registers none; `channels`: that of each worker, if it isn't this one
        self, beats: Sequence[tuple[str, dict[str, Value]]], *, lease_ms: int, channels: Sequence[Keys] = ()
    ) -> Command: ...

    # [[1 if overdue ones may follow, id, last heartbeat, ...], ...] of this channel, or of each of `channels`
    def heartbeats(self, skip: int, count: int, age_ms: int, channels: Sequence[Keys] = ()) -> Command: ...

    def dismiss(self, entries: Sequence[bytes]) -> Command: ...  # anything; removes invalid entries from the workers

    def unregistered(self, workers: Sequence[str]) -> Command: ...  # those that are not registered

    def rescue(self, rescue: Rescue) -> Command: ...  # [-1 or count, moved to timeout, moved to failed]

    def scan_reserved(self, cursor: Word, *, everywhere: bool = False) -> Command: ...  # [next cursor, keys]; of this or of all channels

    def claim_scan(self, channels: Sequence[Keys], supervisor: str, *, age_ms: int) -> Command: ...  # [0: another one has begun, 1, ...]

    def look(self, workers: Sequence[str]) -> Command: ...  # [waiting, due, reserved, not due yet, ms until the next]

    def restore(self, state: State, pairs: Sequence[tuple[bytes, bytes]]) -> Command: ...  # count

    def result(self, message_id: str) -> Command: ...  # the result, or None

    def wait_for_result(self, message_id: str, timeout: float) -> Command: ...  # the same

    def begin(  # [the last number, or -1; the run that the stream is of]
        self, worker: str, message_id: bytes, ttl_ms: int, run: bytes, previous: bytes = b""
    ) -> Command: ...

    def part(self, worker: str, message_id: bytes, parts: Parts) -> Command: ...  # the number of the last item that is stored, or -1

    def read(self, message_id: str, after: int, count: int) -> Command: ...  # [start, [[id, [field, data]], ...]]

    def wait_for_parts(self, message_id: str, after: int, count: int, timeout: float) -> Command: ...  # [[key, entries]], or None

    def position(self, state: State, message: bytes) -> Command: ...  # None if these bytes are not there; not for waiting

    # [number searched, the message if found]; fewer than `LAST_PAGE`: the last. Start -1: waiting around the id; negative: there are others
    def find(self, place: State | str, message_id: str, start: int, count: int) -> Command: ...

    def search(self, place: State | str, id_prefix: bytes, start: int, count: int) -> Command: ...  # [number searched, ids with the prefix]

    def scan_results(self, cursor: Word, id_prefix: str) -> Command: ...  # [next cursor, keys of results]; hexadecimal digits

    def report_progress(self, message_id: str, data: bytes, ttl_ms: int) -> Command: ...  # anything

    def progress(self, message_ids: Sequence[str]) -> Command: ...  # [data or None, ...]

    def page(self, state: State, start: int, count: int) -> Command: ...  # messages; with scores except in waiting

    def parked_since(self, time: bytes, skip: int, count: int) -> Command: ...  # messages with scores, from this score on

    def count(self, state: State) -> Command: ...  # a number

    def remove(self, state: State, message: bytes) -> Command: ...  # number removed; not for waiting: see withdraw

    def flush(self, state: State, count: int, until_ms: int = 0) -> Command: ...  # number removed; -1: too late (0: it never is)

    def workers(self) -> Command: ...  # [id, last heartbeat, ...]

    def describe(self, worker: str) -> Command: ...  # [field, value, ...]

    def held(self, worker: str) -> Command: ...  # a number

    def time(self) -> Command: ...  # [seconds, microseconds] of the server's clock


class Script(NamedTuple):
    """A script as it is sent, and the SHA-1 that identifies it on the server (EVALSHA)."""

    name: str
    text: str
    sha: str
