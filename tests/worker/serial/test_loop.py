"""The serial loop, with a real server and a job that changes the worker as the test requires."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskq import Queue
from taskq.clock import monotonic
from taskq.driver.contract import Blame, Command, Rescue, StoredEnding
from taskq.driver.load import load_driver
from taskq.scoreboard.slot import Scoreboard
from taskq.supervisor.processes.fork import make_lock
from taskq.wire.message import Message
from taskq.worker.execute.verdict import ACKED, Action, Verdict
from taskq.worker.serial.loop import Loop
from tests.support.hand import HandWorker
from tests.support.servers import ServerProcess

LEASE = 2.0


class StubWait:
    """Never waits; stops the loop when the test requires it, or when it would sleep."""

    def __init__(self) -> None:
        self.stopping = False
        self.pauses = 0

    def pause(self, seconds: float) -> None:
        self.pauses += 1
        self.stopping = True

    def wait(self, fileno: int | None, timeout: float) -> bool:
        self.stopping = True
        return False

    def descriptors(self) -> list[int]:
        return []

    def install(self) -> None: ...

    def check(self) -> None: ...


class StubRunner:
    """Notes what runs, and does what the test requires meanwhile."""

    def __init__(self) -> None:
        self.ran: list[int] = []
        self.cancelled: dict[bytes, str] = {}
        self.during: Callable[[int], object] = lambda number: None
        #: Of the next runs; then all are acks.
        self.verdicts: list[Verdict] = []

    def run(self, message: Message, started: float, since_ms: int) -> Verdict:
        self.ran.append(len(self.ran))
        self.during(len(self.ran))
        return self.verdicts.pop(0) if self.verdicts else ACKED


class Doubling:
    """Batches of 1, 2, 4 and so on, however long the jobs take."""

    def __init__(self) -> None:
        self.size = 1

    def learn(self, jobs: int, seconds: float) -> None:
        self.size *= 2


class Scene:
    """A loop, and everything it touches."""

    def __init__(self, url: str, prefix: str) -> None:
        self.queue = Queue(url, channels={prefix: {"lease": LEASE}})
        self.job = self.queue.job(channel=prefix)(lambda: None)
        self.hand = HandWorker(self.queue, prefix)
        self.slot = Scoreboard([make_lock()])[0]
        self.signals = StubWait()
        self.runner = StubRunner()
        settings = self.queue.channel(prefix)
        self.link: Any = load_driver(url, settings).link(5.0)
        stubs: Any = (self.runner, self.signals)
        self.loop = Loop(
            *(self.hand.driver, self.link, stubs[0], self.slot),
            worker=self.hand.name,
            channel=settings,
            signals=stubs[1],
            poke=lambda: None,
        )

    def heartbeat(self) -> None:
        """Send a heartbeat, as a supervisor does."""
        self.hand.beat()
        self.slot.set_beat(monotonic())

    def close(self) -> None:
        self.link.close()
        self.queue.close()


@pytest.fixture
def scene(url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr("taskq.worker.serial.loop.Prefetch", Doubling)
    scene = Scene(url, prefix)
    yield scene
    scene.close()


def test_it_takes_nothing_while_heartbeats_do_not_get_through(scene: Scene, server: ServerProcess) -> None:
    """Given a waiting message, if the last heartbeat is older than half the lease, then the message stays where it is."""
    scene.job.push()
    scene.heartbeat()
    scene.slot.set_beat(monotonic() - 0.6 * LEASE)
    scene.loop.run()
    assert (scene.runner.ran, scene.signals.pauses) == ([], 1)
    assert server.admin.llen(scene.hand.driver.keys.waiting) == 1


def test_what_is_not_started_within_the_lease_is_not_started(scene: Scene, server: ServerProcess) -> None:
    """Given a batch of four, if the machine sleeps for longer than the lease in the first job, then the other three run elsewhere."""
    keys = scene.hand.driver.keys
    scene.job.push_many([()] * 7)  # reserved as 1, 2 and 4
    scene.heartbeat()

    def sleep(number: int) -> None:
        if number == 4:
            server.admin.zadd(keys.workers, {scene.hand.name: 1})
            scene.hand.sender.call(scene.hand.driver.rescue(Rescue(scene.hand.name, b"1", (Blame("head"),))))
            scene.slot.set_beat(monotonic() - 1.1 * LEASE)

    scene.runner.during = sleep
    scene.loop.run()
    assert len(scene.runner.ran) == 4
    assert (server.admin.llen(keys.waiting), server.admin.exists(keys.reserved(scene.hand.name))) == (4, 0)


def test_messages_that_it_still_holds_after_a_sleep_are_released(scene: Scene, server: ServerProcess) -> None:
    """Given the same sleep, if the worker's messages were not rescued, then the unstarted ones wait again and the one that ran is done."""
    keys = scene.hand.driver.keys
    scene.job.push_many([()] * 7)
    scene.heartbeat()
    scene.runner.during = lambda number: scene.slot.set_beat(monotonic() - 1.1 * LEASE) if number == 4 else None
    scene.loop.run()
    assert len(scene.runner.ran) == 4
    assert (server.admin.llen(keys.waiting), server.admin.exists(keys.reserved(scene.hand.name))) == (3, 0)


def test_an_old_loss_is_not_a_reason_to_restore(scene: Scene, server: ServerProcess) -> None:
    """Given a server that once lost everything, if the supervisor later releases the unstarted messages, then each runs once."""
    keys = scene.hand.driver.keys
    scene.heartbeat()
    server.admin.hset(keys.worker(scene.hand.name), "fate", "lost")
    scene.slot.ask_reconcile()
    scene.job.push_many([()] * 7)

    def take_back(number: int) -> None:
        if number == 4:
            with scene.slot.taken_back() as ids:
                assert scene.hand.sender.call(scene.hand.driver.requeue(scene.hand.name, "front", ids)) == 3
            scene.slot.ask_reconcile()

    scene.runner.during = take_back
    scene.loop.run()
    assert len(scene.runner.ran) == 7
    assert (server.admin.llen(keys.waiting), server.admin.exists(keys.reserved(scene.hand.name))) == (0, 0)


def test_more_than_a_batch_in_its_list_is_released(scene: Scene, server: ServerProcess) -> None:
    """Given a reserved list that holds more than a batch may, then the worker runs a batch, and the rest after it; each once."""
    keys = scene.hand.driver.keys
    scene.heartbeat()
    scene.job.push_many([()] * 300)
    for _ in range(300):
        server.admin.lmove(keys.waiting, keys.reserved(scene.hand.name), "RIGHT", "RIGHT")
    scene.slot.ask_reconcile()
    scene.loop.run()
    assert len(scene.runner.ran) == 300
    assert (server.admin.llen(keys.waiting), server.admin.exists(keys.reserved(scene.hand.name))) == (0, 0)


def test_results_of_a_batch_travel_together(scene: Scene, server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given batches with results, some too large for the shared memory, then all are stored, and only those are not sent together."""
    monkeypatch.setattr("taskq.worker.settler.ACK_SECONDS", 60.0)
    driver = scene.hand.driver
    commands: list[Command] = []
    call = scene.link.call
    scene.link.call = lambda command: commands.append(command) or call(command)
    handles = scene.job.push_many([()] * 15)  # reserved as 1, 2, 4 and 8
    scene.heartbeat()
    sizes = [70_000 if number in (5, 12) else 10 for number in range(15)]
    ends = [Verdict(action=Action.ACK, ending=StoredEnding(b"%02d" % number + b"x" * size, 60_000)) for number, size in enumerate(sizes)]
    scene.runner.verdicts = list(ends)
    scene.loop.run()
    assert [scene.link.call(driver.result(handle.id)) for handle in handles] == [end.ending and end.ending.data for end in ends]
    assert [command.script.name for command in commands if command.script] == ["reserve"] * 3 + ["ack", "reserve", "ack", "reserve"]
    assert server.admin.exists(driver.keys.reserved(scene.hand.name)) == 0
    assert (scene.slot.counts, scene.slot.has_endings) == ((15, 0), False)


def test_results_that_something_follows_are_settled_at_once(scene: Scene) -> None:
    """Given a result with a listener, or of a stream, then it is settled before the next job starts."""
    settled: list[str] = []
    call = scene.link.call
    scene.link.call = lambda command: settled.append(command.move) or call(command)
    scene.job.push_many([()] * 3)  # reserved as 1 and 2
    scene.heartbeat()
    heard: list[int] = []
    listened = Verdict(action=Action.ACK, ending=StoredEnding(b"x", 60_000), announce=lambda: heard.append(len(settled)))
    scene.runner.verdicts = [ACKED, listened, Verdict(action=Action.ACK, ending=StoredEnding(b"x", 60_000, is_stream=True))]
    scene.loop.run()
    assert settled[:4] == ["reserve", "reserve", "finish", "finish"]
    assert heard == [3]
