"""The signals of the supervisor: noted by a handler, and read by the loop."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from taskq.supervisor.signals import SignalInbox

INT, TERM, HUP, MORE = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTIN


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, set by the test."""
    now = [100.0]
    monkeypatch.setattr("taskq.supervisor.signals.monotonic", lambda: now[0])
    return now


@pytest.fixture
def inbox(clock: list[float]) -> Iterator[SignalInbox]:
    inbox = SignalInbox()
    yield inbox
    inbox.close()


def test_signals_are_read_in_their_order(inbox: SignalInbox) -> None:
    """Given signals of every kind, then each is read once, in the order of their arrival."""
    for number in (HUP, MORE, MORE, TERM):
        signal.raise_signal(number)
    assert inbox.take() == [HUP, MORE, MORE, TERM]
    assert inbox.take() == []


@pytest.mark.parametrize(("first", "second"), [(INT, TERM), (TERM, INT), (TERM, TERM)])
@pytest.mark.parametrize(("later", "read"), [(0.03, 1), (0.49, 1), (0.5, 2), (60.0, 2)])
def test_stop_signals_within_half_a_second_are_one_request(
    inbox: SignalInbox, clock: list[float], first: signal.Signals, second: signal.Signals, later: float, read: int
) -> None:
    """Given two stop signals, then the second counts only half a second after the first; when they are read doesn't matter."""
    signal.raise_signal(first)
    clock[0] += later
    signal.raise_signal(second)
    clock[0] += 60.0
    assert inbox.take() == [first, second][:read]


def test_a_persistent_user_is_heard(inbox: SignalInbox, clock: list[float]) -> None:
    """Given signals every 0.2 s, then the time counts from the first, so the fourth is the second request."""
    read = []
    for _ in range(5):
        signal.raise_signal(INT)
        read.append(inbox.take())
        clock[0] += 0.2
    assert read == [[INT], [], [], [INT], [INT]]


def test_other_signals_are_never_merged(inbox: SignalInbox) -> None:
    """Given the same signal twice that asks for one process more, then both count."""
    signal.raise_signal(MORE)
    assert inbox.take() == [MORE]
    signal.raise_signal(MORE)
    assert inbox.take() == [MORE]


def test_the_earlier_handlers_are_restored(clock: list[float]) -> None:
    """Given handlers of the program, then a closed inbox has restored them."""
    received: list[int] = []
    old = signal.signal(HUP, lambda number, frame: received.append(number))
    try:
        SignalInbox().close()
        signal.raise_signal(HUP)
        assert received == [HUP]
    finally:
        signal.signal(HUP, old)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The controlling terminal of this process, set by the test."""
    has = [True]
    monkeypatch.setattr("taskq.supervisor.signals._has_terminal", lambda: has[0])
    return has


@pytest.mark.parametrize("number", [TERM, INT, HUP, MORE])
def test_a_blocked_signal_arrives(clock: list[float], number: signal.Signals) -> None:
    """Given a program that blocks signals, if it starts a worker, then they arrive, also an earlier one; then they are blocked again."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number, signal.SIGUSR2])
    try:
        signal.raise_signal(number)
        inbox = SignalInbox()
        assert inbox.take() == [number]
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before - {number, signal.SIGUSR2}
        inbox.close()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before | {number, signal.SIGUSR2}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_closed_terminal_is_noticed(clock: list[float], terminal: list[bool]) -> None:
    """Given a worker in a terminal, then it is known when that is closed; without one, or below nohup, that never happens."""
    inbox = SignalInbox()
    assert not inbox.has_lost_terminal()
    terminal[0] = False
    assert inbox.has_lost_terminal()
    inbox.close()
    inbox = SignalInbox()
    assert not inbox.has_lost_terminal()
    inbox.close()
    terminal[0] = True
    old = signal.signal(HUP, signal.SIG_IGN)
    try:
        inbox = SignalInbox()
        terminal[0] = False
        assert not inbox.has_lost_terminal()
        inbox.close()
    finally:
        signal.signal(HUP, old)
