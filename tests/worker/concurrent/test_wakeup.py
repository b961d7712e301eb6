"""The wait of the pump: ended by other threads, signals and the server."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from taskq.worker.concurrent.wakeup import WakeableWait


@pytest.fixture
def wakeup() -> Iterator[WakeableWait]:
    """A wait, with the signal handlers of this process restored at the end."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
    before = {number: signal.getsignal(number) for number in numbers}
    made = WakeableWait()
    yield made
    made.close()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_wake_before_the_wait_ends_it(wakeup: WakeableWait) -> None:
    """Given a wake between the preparation and the wait, then the wait returns, and the process isn't asked to stop."""
    wakeup.prepare()
    wakeup.wake()
    assert wakeup.wait(None, 60.0) is False
    assert not wakeup.stopping


def test_a_wait_leaves_the_signal_mask_alone(wakeup: WakeableWait) -> None:
    """Given a thread that holds SIGTERM back, when its wait is ended, then the signal is still held back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        wakeup.prepare()
        wakeup.wake()
        wakeup.wait(None, 60.0)
        assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_process_that_stops_still_waits_for_its_jobs(wakeup: WakeableWait) -> None:
    """Given a process that was asked to stop, then the pump sleeps until a job ends, and the pauses between two attempts are left out."""
    wakeup.stopping = True
    began = time.monotonic()
    wakeup.prepare()
    assert wakeup.wait(None, 0.05) is False
    assert time.monotonic() - began >= 0.05
    wakeup.prepare()
    wakeup.wake()
    wakeup.wait(None, 60.0)
    wakeup.pause(60.0)
    assert time.monotonic() - began < 30.0
