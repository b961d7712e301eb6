"""A driver whose commands act on a store in memory, and the connections that execute them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import sleep
from typing import Any, cast

from taskq.channel import Keys, State
from taskq.driver.contract import AsyncLink, Command, Driver, Ended, Link, Parts, SharedLink, StoredEnding, Where
from taskq.errors import NoResult, ResultTimeout, TaskqError
from taskq.testing.store import WORKER, ChannelStore, Store, Stream
from taskq.wire.message import message_id as id_of

__all__ = ["MemoryDriver", "MemoryLink"]


class MemoryCommand(Command):
    """A command that carries its own execution."""

    act: Callable[[], Any]


def _act(move: str, function: Callable[..., Any], *args: Any, words: Sequence[bytes] = ()) -> Command:
    command = MemoryCommand(move, tuple(words))
    command.act = partial(function, *args)
    return command


class MemoryLink:
    """Executes the commands of a `MemoryDriver`, one at a time."""

    where = "the memory of the test"

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def call(self, command: Command) -> Any:
        with self._lock:
            return cast(MemoryCommand, command).act()

    def close(self) -> None:
        """There is nothing to close."""


class MemoryDriver:
    """The moves of one channel, for one worker that runs one message at a time. See `taskq.driver.contract.Driver`."""

    def __init__(self, store: Store, place: ChannelStore, prefix: str, advice: Callable[[str, str], str]) -> None:
        """`advice` describes, by id and state, why a message has no result yet, and what the test can do."""
        self.keys = Keys(prefix)
        self._store = store
        self._place = place
        self._advice = advice
        #: Called when the running job is asked to cancel itself.
        self.on_cancel: Callable[[bytes], None] = lambda request: None

    def __getattr__(self, name: str) -> Any:
        raise TaskqError(f"{name} needs a server: use the mode worker in this test")

    def as_driver(self) -> Driver:
        """Return this as a driver: the moves of other workers and of supervisors are missing."""
        return cast(Driver, self)

    def reserved(self) -> list[bytes]:
        """Return the id of the running message, if there is one."""
        return list(self._place.reserved)

    def link(self, timeout: float = 5.0, *, fenced: bool = False) -> Link:
        return cast(Link, MemoryLink(self._store.lock))

    def async_link(self, timeout: float = 5.0) -> AsyncLink:
        raise TaskqError("a recording has no connections")

    def shared_link(self, timeout: float = 5.0) -> SharedLink:
        raise TaskqError("a recording has no connections")

    # ---- the application's moves

    def push(self, messages: Sequence[bytes]) -> Command:
        return _act("push", self._store.add, self._place, messages, words=messages)

    def push_later(self, messages: Sequence[bytes], *, delay_ms: int | None = None, at_ms: int | None = None) -> Command:
        return _act("push", self._push_later, messages, delay_ms, at_ms, words=messages)

    def push_once(self, message: bytes, message_id: str, *, delay_ms: int | None = None, at_ms: int | None = None) -> Command:
        return _act("push", self._push_later, (message,), delay_ms, at_ms, words=(message,))

    def _push_later(self, messages: Sequence[bytes], delay_ms: int | None, at_ms: int | None) -> None:
        if not delay_ms and at_ms is None:
            self._store.add(self._place, messages)
            return
        due = self._store.now_ms() + (delay_ms or 0) if at_ms is None else at_ms
        for raw in messages:
            self._store.add_later(self._place, due, raw)

    def withdraw(self, message: bytes, start: int = -1) -> Command:
        return _act("delete", lambda: int(any(self._place.remove(state, message) for state in (State.DELAYED, State.WAITING))))

    # ---- the worker's moves

    def retry(self, worker: str, message_id: bytes, delay_ms: int, message: bytes) -> Command:
        return _act("retry", self._move, message_id, lambda raw: self._add_later(message, delay_ms))

    def requeue(self, worker: str, where: Where, ids: Sequence[bytes], delay_ms: int = 0) -> Command:
        back = partial(self._add_later, delay_ms=delay_ms) if where == "later" else lambda raw: self._store.add(self._place, (raw,))
        return _act("requeue", lambda: sum(self._move(one, back) for one in ids))

    def finish(self, worker: str, message_id: bytes, ending: StoredEnding) -> Command:
        return _act("finish", self._move, message_id, lambda raw: self._end(message_id, ending))

    def fail(self, worker: str, state: State, message_id: bytes, message: bytes, ending: StoredEnding | None = None) -> Command:
        return _act("fail", self._move, message_id, lambda raw: self._add_inactive(state, message, ending))

    def park(self, worker: str, message_id: bytes, message: bytes) -> Command:
        return _act("park", self._move, message_id, lambda raw: self._add_inactive(State.PARKED, message, None))

    def ack(self, worker: str, ids: Sequence[bytes], *, ordered: bool = False, endings: Sequence[Ended] = ()) -> Command:
        kept = {one: partial(self._end, one, ending) for one, ending in endings}
        return _act("ack", lambda: sum(self._move(one, lambda raw: kept.get(id_of(raw), lambda: None)()) for one in ids))

    def holdings(self, worker: str) -> Command:
        return _act("reserve", lambda: list(self._place.reserved.values()))

    def standing(self, worker: str) -> Command:
        return _act("standing", lambda: 1)

    def _move(self, message_id: bytes, to: Callable[[bytes], None]) -> int:
        raw = self._place.reserved.pop(message_id, None)
        if raw is None:
            return 0
        to(raw)
        return 1

    def _add_later(self, raw: bytes, delay_ms: int) -> None:
        self._store.add_later(self._place, self._store.now_ms() + delay_ms, raw)

    def _add_inactive(self, state: State, raw: bytes, ending: StoredEnding | None) -> None:
        self._place.inactive[state].append((self._store.now_ms(), raw))
        if ending is not None:
            self._end(id_of(raw), ending)

    def _end(self, message_id: bytes, ending: StoredEnding) -> None:
        name = message_id.hex()
        self._store.keep("result", name, ending.data, ending.ttl_ms)
        if ending.is_stream:
            stream = self._stream(name)
            stream.add(b"end")
            self._store.keep("stream", name, stream, ending.ttl_ms)

    # ---- cancelling

    def cancel(self, state: State, message: bytes, ending: StoredEnding, start: int = -1) -> Command:
        def act() -> int:
            if not self._place.remove(state, message):
                return 0
            self._end(id_of(message), ending)
            return 1

        return _act("cancel", act)

    def request_cancel(self, worker: str, message: bytes, request: bytes) -> Command:
        def act() -> int:
            if message not in self._place.reserved.values():
                return 0
            self.on_cancel(request)
            return 1

        return _act("cancel", act)

    # ---- streams

    def begin(self, worker: str, message_id: bytes, ttl_ms: int, run: bytes, previous: bytes = b"") -> Command:
        return _act("begin", self._begin, message_id.hex(), ttl_ms, run)

    def _begin(self, name: str, ttl_ms: int, run: bytes) -> list[Any]:
        stream = self._stream(name)
        stream.run = run
        if stream.wrote:
            stream.add(b"begin")
            stream.start = stream.wrote
        self._store.keep("stream", name, stream, ttl_ms)
        return [stream.wrote, run]

    def part(self, worker: str, message_id: bytes, parts: Parts) -> Command:
        return _act("part", self._part, message_id.hex(), parts)  # no limit of unread items: no reader can run meanwhile

    def _part(self, name: str, parts: Parts) -> int:
        stream = self._stream(name)
        for data in parts.items[max(0, stream.wrote + 1 - parts.number) :]:
            stream.add(b"part", data)
        self._store.keep("stream", name, stream, parts.ttl_ms)
        return stream.wrote

    def read(self, message_id: str, after: int, count: int) -> Command:
        return _act("read", lambda: [(stream := self._stream(message_id)).start, stream.read(after, count)])

    def wait_for_parts(self, message_id: str, after: int, count: int, timeout: float) -> Command:
        def act() -> Any:
            entries = self._stream(message_id).read(after, count)
            return [[b"", entries]] if entries else self._refuse_wait(message_id, timeout)

        return _act("wait", act)

    def _stream(self, name: str) -> Stream:
        return self._store.kept("stream", name) or Stream()

    # ---- queries

    def result(self, message_id: str) -> Command:
        return _act("look", self._store.kept, "result", message_id)

    def wait_for_result(self, message_id: str, timeout: float) -> Command:
        return _act("wait", lambda: self._store.kept("result", message_id) or self._refuse_wait(message_id, timeout))

    def _refuse_wait(self, message_id: str, timeout: float) -> Any:
        """Raise an error instead of a wait that nothing would end.

        Raises:
            ResultTimeout: the message has not finished.
            NoResult: the message does not exist.
        """
        if self._store.kept("result", message_id) is not None:
            return
        state = self._state_of(bytes.fromhex(message_id))
        if state in (State.FAILED, State.TIMEOUT):  # the caller looks there after some seconds
            sleep(min(timeout, 0.05))
            return
        if state is None:
            raise NoResult(f"message {message_id} has no result: it was deleted or cleared, or its result expired (result_ttl)")
        raise ResultTimeout(self._advice(message_id, state.value))

    def _state_of(self, identity: bytes) -> State | None:
        if identity in self._place.reserved:
            return State.RESERVED
        states = (State.WAITING, State.DELAYED, *self._place.inactive)
        return next((state for state in states if any(id_of(raw) == identity for _, raw in self._place.messages(state))), None)

    def position(self, state: State, message: bytes) -> Command:
        return _act("look", lambda: 0 if any(raw == message for _, raw in self._place.messages(state)) else None)

    def find(self, place: State | str, message_id: str, start: int, count: int) -> Command:
        def act() -> list[Any]:
            raws = [raw for _, raw in self._place.messages(place)] if isinstance(place, State) else [*self._place.reserved.values()]
            page = raws[::-1] if start < 0 else raws[::-1][start : start + count]
            return [len(page), *(raw for raw in page if id_of(raw).hex() == message_id)]

        return _act("look", act)

    def report_progress(self, message_id: str, data: bytes, ttl_ms: int) -> Command:
        return _act("progress", self._store.keep, "progress", message_id, data, ttl_ms)

    def progress(self, message_ids: Sequence[str]) -> Command:
        return _act("look", lambda: [self._store.kept("progress", one) for one in message_ids])

    def workers(self) -> Command:
        return _act("workers", lambda: [WORKER.encode(), b"%d" % self._store.now_ms()])

    def describe(self, worker: str) -> Command:
        return _act("workers", lambda: [word for one in self._place.reserved for word in (b"message", one.hex().encode())][:2])

    def held(self, worker: str) -> Command:
        return _act("count", lambda: len(self._place.reserved))

    def scan_reserved(self, cursor: Any) -> Command:
        return _act("rescue", lambda: [b"0", []])

    # ---- the operator's moves

    def page(self, state: State, start: int, count: int) -> Command:
        def act() -> list[Any]:
            page = self._place.messages(state)[start : start + count]
            if state is State.WAITING:
                return [raw for _, raw in reversed(page)]
            return [word for score, raw in page for word in (raw, b"%d" % score)]

        return _act("list", act)

    def count(self, state: State) -> Command:
        return _act("count", lambda: len(self._place.messages(state)))

    def remove(self, state: State, message: bytes) -> Command:
        return _act("delete", lambda: int(self._place.remove(state, message)))

    def flush(self, state: State, count: int, until_ms: int = 0) -> Command:
        return _act("flush", lambda: sum(self._place.remove(state, raw) for _, raw in self._place.messages(state)[:count]))

    def restore(self, state: State, pairs: Sequence[tuple[bytes, bytes]]) -> Command:
        def act() -> int:
            found = [new for old, new in pairs if self._place.remove(state, old)]
            for kind in ("result", "stream"):
                for raw in found:
                    self._store.forget(kind, id_of(raw).hex())
            self._store.add(self._place, found)
            return len(found)

        return _act("restore", act)

    def time(self) -> Command:
        return _act("time", lambda: [(now := self._store.now_ms()) // 1000, now % 1000 * 1000])
