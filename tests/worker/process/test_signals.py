"""Waiting for the server and for signals at once."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from taskq.worker.process.signals import SignalWait

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture
def signals() -> Iterator[SignalWait]:
    """A wait; afterwards the handlers and the wake-up descriptor are as before."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    fd = signal.set_wakeup_fd(-1)
    signals = SignalWait()
    yield signals
    signals.close()
    for number, handler in before.items():
        signal.signal(number, handler)
    signal.set_wakeup_fd(fd)


def later(seconds: float, number: int) -> threading.Timer:
    """Send this process a signal in a moment."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
    timer.start()
    return timer


def test_a_readable_socket_ends_the_wait(signals: SignalWait) -> None:
    """Given a socket on which something arrives, then the wait ends at once and returns True."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        assert signals.wait(ours.fileno(), 5) is True


def test_silence_ends_the_wait_after_its_time(signals: SignalWait) -> None:
    """Given a silent socket, then the wait lasts for its timeout and returns False."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        began = time.monotonic()
        assert signals.wait(ours.fileno(), 0.05) is False
        assert 0.04 < time.monotonic() - began < 30
    assert not signals.stopping


def test_sigterm_ends_this_wait_and_all_later_ones(signals: SignalWait) -> None:
    """Given SIGTERM during a wait, then it ends, the stop is noted, and no later wait sleeps."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        timer = later(0.05, signal.SIGTERM)
        began = time.monotonic()
        assert signals.wait(ours.fileno(), 10) is False
        assert signals.stopping
        assert signals.wait(ours.fileno(), 10) is False
        signals.pause(10)
        assert time.monotonic() - began < 9
        timer.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
def test_other_signals_do_not_shorten_the_wait(signals: SignalWait, number: signal.Signals) -> None:
    """Given a signal that doesn't request a stop, then the wait continues: an early end would look like a server that doesn't answer."""
    if number is signal.SIGUSR1:
        signal.signal(number, lambda *_: None)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        timer = later(0.05, number)
        began = time.monotonic()
        assert signals.wait(ours.fileno(), 0.3) is False
        assert time.monotonic() - began >= 0.29
        assert not signals.stopping
        timer.join()


def test_a_message_after_such_a_signal_still_ends_the_wait(signals: SignalWait) -> None:
    """Given a signal that doesn't request a stop and then something on the socket, then the wait ends with that."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        timers = [later(0.03, signal.SIGINT), threading.Timer(0.15, theirs.send, (b"x",))]
        timers[1].start()
        readable = signals.wait(ours.fileno(), 10)
        for timer in timers:
            timer.join()
        assert readable is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
def test_each_handler_of_a_job_is_replaced(signals: SignalWait, number: signal.Signals) -> None:
    """Given a job that has set a handler, then after a check it is the worker's again: the next job can be cancelled."""
    received: list[int] = []
    signals.on_cancel = lambda number, frame: received.append(number)
    before = signal.getsignal(number)
    signal.signal(number, signal.SIG_IGN)
    signals.check()
    assert signal.getsignal(number) == before
    os.kill(os.getpid(), signal.SIGUSR2)
    assert received == [signal.SIGUSR2]


def test_handlers_of_a_job_are_replaced(signals: SignalWait) -> None:
    """Given a job that has set handlers and a wake-up descriptor, then after a check SIGTERM stops the worker again."""
    signals.check()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    signals.check()
    timer = later(0.05, signal.SIGTERM)
    began = time.monotonic()
    signals.pause(10)
    assert signals.stopping
    assert time.monotonic() - began < 9
    timer.join()


def test_a_wait_ends_when_a_job_has_taken_the_wake_up_pipe(signals: SignalWait) -> None:
    """Given a job that has taken the wake-up descriptor, then the handler of SIGTERM ends the sleep of another thread."""
    signal.set_wakeup_fd(-1)
    sleeping = threading.Thread(target=signals.pause, args=(10,))
    began = time.monotonic()
    sleeping.start()
    os.kill(os.getpid(), signal.SIGTERM)
    sleeping.join()
    assert signals.stopping
    assert time.monotonic() - began < 9


def test_a_signal_that_was_blocked_is_noted(signals: SignalWait) -> None:
    """Given SIGTERM that arrived while it was blocked, if a wait is created, then it notes the stop."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    other = SignalWait()
    assert other.stopping
    other.close()
