"""A cancel request in a worker process that runs one job at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator

import pytest

from taskq.clock import monotonic
from taskq.scoreboard.slot import Scoreboard, Slot
from taskq.worker.execute.executor import SyncExecutor
from taskq.worker.process.signals import SignalWait
from taskq.worker.serial.cancel import Canceller
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


def test_only_the_job_that_is_meant_is_cancelled(slot: Slot, signals: SignalWait) -> None:
    """Given a cancel request for another message, then the running job isn't interrupted; given one for its message, it is."""
    runner = Stage().runner
    Canceller(signals, slot, runner, SyncExecutor())
    assert slot.notice.put(b"b" * 16, "ops")
    os.kill(os.getpid(), signal.SIGUSR2)
    assert runner.cancelled == {}
    assert slot.notice.put(b"a" * 16, "ops")
    os.kill(os.getpid(), signal.SIGUSR2)
    assert runner.cancelled == {b"a" * 16: "ops"}
