"""A cancel request in a worker process that runs one job at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from taskq import Queue, events
from taskq.channel import State
from taskq.clock import monotonic
from taskq.driver.contract import Command
from taskq.events import JobEvent
from taskq.scoreboard.cancel_notice import Notice
from taskq.scoreboard.poke import Poke
from taskq.scoreboard.slot import Scoreboard, Slot
from taskq.supervisor.processes.fork import make_lock
from taskq.wire.message import Message
from taskq.worker.execute.executor import SyncExecutor
from taskq.worker.process.signals import SignalWait
from taskq.worker.serial.cancel import Canceller
from taskq.worker.serial.engine import SerialEngine
from tests.support.hand import HandWorker
from tests.worker.stage import Stage


@pytest.fixture
def slot() -> Slot:
    """The slot of a worker process that runs the message `aaaa...`."""
    slot = Scoreboard([multiprocessing.get_context("fork").Lock()])[0]
    slot.begin_batch([b"a" * 16])
    assert slot.start_next(monotonic(), 1)
    return slot


@pytest.fixture
def signals() -> Iterator[SignalWait]:
    """A wait whose handlers are removed afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2, signal.SIGALRM)}
    fd = signal.set_wakeup_fd(-1)
    signals = SignalWait()
    yield signals
    signals.close()
    for number, handler in before.items():
        signal.signal(number, handler)
    signal.set_wakeup_fd(fd)


def interrupt(slot: Slot, notice: Notice | None = None) -> None:
    """Cancel a run, the running one by default, as the supervisor does."""
    if notice is None:
        (running,) = slot.running()
        notice = Notice(running.id, running.started, "ops")
    slot.notice.put(notice)
    os.kill(os.getpid(), signal.SIGUSR2)


def test_only_the_run_that_is_meant_is_cancelled(slot: Slot, signals: SignalWait) -> None:
    """Given a cancel of another message, or of another run of the message, then the running job isn't interrupted; given its own, it is."""
    runner = Stage().runner
    Canceller(signals, slot, runner, SyncExecutor())
    (running,) = slot.running()
    for notice in (Notice(b"b" * 16, running.started, "ops"), Notice(running.id, running.started - 1, "ops")):
        interrupt(slot, notice)
        assert runner.cancelled == {}
    interrupt(slot)
    assert runner.cancelled == {b"a" * 16: "ops"}


class Scene:
    """A serial engine whose job fails in its first run, and what the test does at one moment of that."""

    def __init__(self, url: str, prefix: str, moment: str) -> None:
        self.queue = Queue(url, channels={prefix: {"max_messages": 2}})
        self.job = self.queue.job(channel=prefix, max_attempts=1, on_fail=self.on_fail)(self.work)
        self.moment = moment
        self.did: list[str] = []
        self.hand = HandWorker(self.queue, prefix)
        self.store_link: Any = self.hand.driver.link(5.0)
        self.link: Any = self.hand.driver.link(5.0)
        self.slot = Scoreboard([make_lock()])[0]
        channel = self.queue.channel(prefix)
        self.poke_fd = os.open(os.devnull, os.O_WRONLY)
        poke = Poke(self.poke_fd)
        self.engine = SerialEngine(self.queue, self.hand.driver, self, self.slot, worker=self.hand.name, channel=channel, poke=poke)
        self.hand.beat()
        self.slot.set_beat(monotonic())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.link, name)

    def reach(self, moment: str) -> None:
        if moment == self.moment:
            interrupt(self.slot)
            self.did.append(f"cancelled while {moment}")

    def work(self) -> None:
        self.did.append("run")
        if self.did.count("run") == 1:
            raise ValueError("the first run fails")

    def call(self, command: Command) -> Any:
        """Send a command of the engine; a failed message is reloaded at once."""
        if command.move != "fail":
            return self.link.call(command)
        self.reach("it is settled")
        reply = self.link.call(command)
        (raw, _) = self.store_link.call(self.hand.driver.page(State.FAILED, 0, 1))
        fresh = Message(raw).changed(attempts=0)
        assert self.store_link.call(self.hand.driver.restore(State.FAILED, [(raw, fresh)])) == 1
        return reply

    def on_fail(self, error: BaseException) -> None:
        self.reach("on_fail is called")
        self.did.append("on_fail")

    def on_failed(self, event: JobEvent) -> None:
        self.reach("listeners are called")

    def close(self) -> None:
        self.engine.close()
        self.engine._signals.close()
        os.close(self.poke_fd)
        self.link.close()
        self.store_link.close()
        self.queue.close()


@pytest.mark.parametrize("moment", ["it is settled", "on_fail is called", "listeners are called"])
@pytest.mark.usefixtures("signals")
def test_a_cancel_that_comes_too_late_changes_nothing_for_the_next_run(url: str, prefix: str, moment: str) -> None:
    """Given a cancel that arrives after a run has failed, when the message is reloaded, then on_fail was called once, and it runs again."""
    scene = Scene(url, prefix, moment)
    events.failed.connect(scene.on_failed)
    try:
        scene.job.push()
        scene.engine.run()
    finally:
        events.failed.disconnect(scene.on_failed)
        scene.close()
    assert [what for what in scene.did if what != f"cancelled while {moment}"] == ["run", "on_fail", "run"]
    assert f"cancelled while {moment}" in scene.did
