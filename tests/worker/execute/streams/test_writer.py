"""Items of generator jobs: none waits for the next one, few commands carry many, and none is lost or doubled."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import pytest

from taskq import context as contexts
from taskq.driver.contract import Command
from taskq.errors import JobTimeout, ServerUnavailable
from taskq.wire.codec import check_serializer
from taskq.worker.execute.results import CannotStore, ResultPacker
from taskq.worker.execute.streams import writer as writer_module
from taskq.worker.execute.streams.generators import Generators
from taskq.worker.execute.streams.writer import BATCH_ITEMS, UNREAD_LIMIT, GivenUp, PartsLost, StreamThread, StreamWriter, Unread
from tests.driver.store import Store, id_of, message
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until, when

pytestmark = pytest.mark.one_python
W = "worker-1"
PICKLE = check_serializer("pickle")


class _Run(NamedTuple):
    """What the generator's run knows of itself."""

    id: bytes
    ttl: float
    is_last_if_lost: bool = False

    def stream_of(self) -> tuple[bytes, float, bool]:
        return self


class Stage:
    """A reserved message of a generator job on a real server. Notes the size of each command with items, and may break them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.driver: Any = store.driver
        self.raw = message()
        self.sizes: list[int] = []
        #: Called with each command that has items, before and after it is sent.
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self.generators = Generators(lambda: self, ResultPacker(None, 1_000_000))
        self.generators.worker = W
        self.ttl, self.is_last_if_lost = 60.0, False
        store.register(W)
        store.reserved_by(W, self.raw)

    def call(self, command: Command) -> Any:
        is_part = command.move == "part"
        if is_part:
            self.sizes.append(len(command.words) - 10)
            self.before()
        with closing(self.driver.link()) as link:
            reply = link.call(command)
        if is_part:
            self.after()
        return reply

    async def acall(self, command: Command) -> Any:
        return self.call(command)

    def run(self, generator: Callable[[], Any]) -> Any:
        """Run a generator job, and return what it returns."""
        token = contexts.enter(_Run(id_of(self.raw), self.ttl, self.is_last_if_lost))  # type: ignore[arg-type]
        try:
            result = self.generators.function_of(generator, PICKLE)()
            return asyncio.run(result) if asyncio.iscoroutine(result) else result
        finally:
            contexts._current.reset(token)

    def begin(self, generator: Callable[[], Any]) -> threading.Thread:
        """Run a generator job in a thread."""
        thread = threading.Thread(target=self.run, args=(generator,), daemon=True)
        thread.start()
        return thread

    def entries(self, after: int = 0) -> list[tuple[int, bytes]]:
        _, entries = self.store.do(self.driver.read(id_of(self.raw).hex(), after, 5000))
        return [(int(number.partition(b"-")[0]), kind) for number, (kind, _) in entries]

    def stored(self) -> list[int]:
        """The numbers of the stored items. No reader's position is stored."""
        return [int(one.partition(b"-")[0]) for one, _ in self.store.client.xrange(self.store.keys.parts(id_of(self.raw).hex()))]


@pytest.fixture
def stage(server: ServerProcess, prefix: str) -> Iterator[Stage]:
    with closing(Store(server, prefix)) as store:
        yield Stage(store)


def test_no_item_waits_for_the_next_one(stage: Stage) -> None:
    """Given generators that yield three items and then block, sync, async, and blocking the event loop, then all are stored meanwhile."""
    go = threading.Event()

    def silent() -> Iterator[int]:
        yield from (1, 2, 3)
        go.wait(30)
        yield 4

    async def asilent() -> AsyncIterator[int]:
        for number in (1, 2, 3):
            yield number
        while not go.is_set():
            await asyncio.sleep(0.01)
        yield 4

    async def blocks_the_loop() -> AsyncIterator[int]:
        for number in (1, 2, 3):
            yield number
        go.wait(30)
        yield 4

    for last, generator in ((3, silent), (8, asilent), (13, blocks_the_loop)):  # with the mark of a new run, and a fourth item
        go.clear()
        thread = stage.begin(generator)
        wait_until(lambda last=last: stage.stored() == list(range(1, last + 1)))
        go.set()
        thread.join(30)
        assert stage.stored() == list(range(1, last + 2))


def test_the_first_item_is_sent_at_once_and_the_others_together(stage: Stage) -> None:
    """Given a fast generator, then its first item travels alone, and the others in batches, limited in number and in bytes."""
    assert stage.run(lambda: (yield from range(1 + 5 * BATCH_ITEMS))) is None
    assert stage.stored() == list(range(1, 502))
    assert stage.sizes[0] == 1
    assert max(stage.sizes) <= BATCH_ITEMS
    stage.sizes.clear()
    stage.run(lambda: (yield from [b"x" * 30_000] * 10))
    assert stage.sizes[0] == 1
    assert 2 <= max(stage.sizes) <= 3


def test_a_slow_generator_sends_each_item_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a generator whose items come one by one, then its own thread sends each, and no other thread is needed."""
    monkeypatch.setattr(writer_module, "_TOGETHER", 0.0)
    monkeypatch.setattr(StreamThread, "note", None)
    stage.run(lambda: (yield from range(5)))
    assert stage.sizes == [1] * 5


def test_no_item_waits_if_its_run_is_the_last(stage: Stage) -> None:
    """Given a message that doesn't run again after a crash, then each item is stored before the generator continues."""
    stored: list[int] = []

    def generator() -> Iterator[int]:
        for number in range(5):
            yield number
            stored.append(len(stage.stored()))

    stage.is_last_if_lost = True
    stage.run(generator)
    assert stored == [1, 2, 3, 4, 5]


def _fails_with(error: BaseException) -> Callable[[], Iterator[int]]:
    def generator() -> Iterator[int]:
        yield from range(5)
        raise error

    return generator


def test_the_items_before_an_error_are_stored(stage: Stage) -> None:
    """Given generators that fail, are interrupted, or yield what can't be stored, then the items before are stored."""
    for error in (ValueError("failed"), JobTimeout("too long"), SystemExit(3)):
        count = len(stage.stored())
        with pytest.raises(type(error)):
            stage.run(_fails_with(error))
        assert len(stage.stored()) == count + 5 + (count > 0)  # and a mark of the new run
    count = len(stage.stored())

    async def yields_a_lock() -> AsyncIterator[object]:
        for number in range(3):
            yield number
        yield threading.Lock()

    with pytest.raises(CannotStore, match="lock"):
        stage.run(yields_a_lock)
    assert len(stage.stored()) == count + 4


def test_an_interrupted_run_gives_up_on_its_items(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a server that became unreachable, when the run reaches its limit, then it ends; an error of the job waits for the server."""
    monkeypatch.setattr(writer_module, "_PATIENCE", 0.05)
    is_down = threading.Event()

    def fail() -> None:
        if is_down.is_set():
            raise ServerUnavailable("gone")

    stage.before = fail

    def generator(error: BaseException) -> Iterator[int]:
        yield 1
        is_down.set()
        yield 2
        raise error

    with pytest.raises(JobTimeout):
        stage.run(lambda: generator(JobTimeout("too long")))
    is_down.clear()
    when(is_down.is_set, threading.Timer(0.3, is_down.clear).start)
    with pytest.raises(ValueError, match="failed"):
        stage.run(lambda: generator(ValueError("failed")))
    assert stage.stored() == [1, 2, 3, 4]  # of the second run: 3 and 4, after the mark


def test_readers_hold_the_generator_up(stage: Stage) -> None:
    """Given no reader, then the generator pauses near the limit; with a reader it continues; without one for result_ttl, it fails."""
    made: list[int] = []

    def generator() -> Iterator[int]:
        for number in range(UNREAD_LIMIT + 500):
            made.append(number)
            yield number

    thread = stage.begin(generator)
    wait_until(lambda: len(stage.stored()) == UNREAD_LIMIT)
    wait_until(lambda: len(made) > UNREAD_LIMIT)
    assert len(made) <= UNREAD_LIMIT + BATCH_ITEMS
    stage.entries(UNREAD_LIMIT)
    thread.join(30)
    assert stage.stored() == list(range(1, UNREAD_LIMIT + 501))
    stage.ttl = 0.05
    with pytest.raises(Unread, match="1000 unread items"):
        stage.run(generator)


def test_refused_items_arrive_while_the_generator_is_silent(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a generator that blocks while its last items are refused, when a reader reads, then they arrive without another item."""
    monkeypatch.setattr(writer_module, "UNREAD_LIMIT", 5)
    go = threading.Event()

    def generator() -> Iterator[int]:
        yield from range(8)
        go.wait(30)
        yield 8

    thread = stage.begin(generator)
    wait_until(lambda: stage.stored() == [1, 2, 3, 4, 5])
    stage.entries(5)
    wait_until(lambda: len(stage.stored()) == 8)
    go.set()
    thread.join(30)
    assert stage.stored() == list(range(1, 10))


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_or_doubled_over_broken_connections(stage: Stage, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Given connections that break before and after a command, in both threads, then each item is stored once, and in order."""
    rng = random.Random(seed)
    monkeypatch.setattr(writer_module.Backoff, "pause", lambda _: 0.001)

    def fail() -> None:
        if rng.random() < 0.4:
            raise ServerUnavailable("cut", sent=True)

    stage.before = stage.after = fail

    def generator() -> Iterator[int]:
        for number in range(150):
            yield number
            if number % 10 == 0:
                time.sleep(rng.random() * 0.01)

    stage.run(generator)
    assert stage.stored() == list(range(1, 151))


def test_a_run_that_lost_its_message_ends_at_its_next_item(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a message that was reassigned, or lost with all data, while the generator was silent, then it ends at its next item."""
    noticed = threading.Event()
    send = StreamWriter.send_from_thread

    def send_and_note(writer: StreamWriter) -> bool:
        is_done = send(writer)
        if writer._sender is stage:  # not a thread of an earlier test
            noticed.set()
        return is_done

    monkeypatch.setattr(StreamWriter, "send_from_thread", send_and_note)

    def generator(lose: Callable[[], object]) -> Iterator[int]:
        yield 1
        lose()
        noticed.clear()
        yield 2
        assert noticed.wait(30)
        yield 3
        raise AssertionError("it was resumed")

    for lose, expected in (
        (lambda: stage.store.client.delete(stage.store.keys.reserved(W)), GivenUp),
        (stage.store.client.flushall, PartsLost),
    ):
        with pytest.raises(expected):
            stage.run(partial(generator, lose))
        stage.store.reserved_by(W, stage.raw)


def test_without_a_thread_each_item_is_sent_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a process that a job forked, or a system that allows no further thread, then no item waits."""
    thread = stage.generators.thread
    assert thread is not None
    thread._pid = 1  # that of the parent
    stage.run(lambda: (yield from range(5)))
    stage.generators.thread = StreamThread()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    stage.run(lambda: (yield from range(5)))
    assert stage.sizes == [1] * 10


def test_an_interrupted_run_gives_up_on_readers(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a server that has lost what readers have read, when a run with many items is interrupted, then it ends."""
    monkeypatch.setattr(writer_module, "_PATIENCE", 0.05)

    def generator() -> Iterator[int]:
        for number in range(2 * UNREAD_LIMIT):
            yield number
            if number % BATCH_ITEMS == 0:
                stage.entries(number)
        yield -1
        stage.store.client.delete(stage.store.keys.reading(id_of(stage.raw).hex()))
        yield -2
        raise JobTimeout("too long")

    with pytest.raises(JobTimeout):
        stage.run(generator)
