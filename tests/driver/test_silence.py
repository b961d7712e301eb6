"""Learning how long a connection may be silent."""

from __future__ import annotations

import pytest

from taskq.driver.silence import Silence


class Connection:
    """A blocking connection, in a time that the test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("taskq.driver.silence.monotonic", lambda: self.now)
        self.silence = Silence(5.0)

    def breaks_after(self, seconds: float, *, is_given_up: bool = False) -> float | None:
        self.silence.begin()
        self.now += seconds
        return self.silence.broke(is_given_up=is_given_up)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    return Connection(monkeypatch)


def test_the_same_end_twice_is_a_proxy_s(connection: Connection) -> None:
    """Given a proxy that closes connections after 3 s, then the second time it is known, and commands block for half as long."""
    assert connection.breaks_after(3.0) is None
    assert connection.silence.seconds == 5.0
    assert connection.breaks_after(3.1) == pytest.approx(3.1)
    assert connection.silence.seconds == pytest.approx(1.55)


def test_replies_that_never_come_shorten_the_wait(connection: Connection) -> None:
    """Given a proxy that only drops what is silent, then the wait that was given up is halved, and halved again if that doesn't help."""
    for expected in (2.5, 1.25, 0.625, 0.625):
        assert connection.breaks_after(7.0, is_given_up=True) is None
        assert connection.breaks_after(12.0, is_given_up=True) is not None
        assert connection.silence.seconds == expected


@pytest.mark.parametrize("times", [(3.0, 4.0), (4.0, 3.0), (0.01, 0.01), (3.0, 0.01, 3.0)])
def test_a_server_that_restarts_is_no_proxy(connection: Connection, times: tuple[float, ...]) -> None:
    """Given connections that break after different times, or at once, then nothing changes."""
    assert [connection.breaks_after(seconds) for seconds in times] == [None] * len(times)
    assert connection.silence.seconds == 5.0


def test_an_answer_between_them_changes_nothing(connection: Connection) -> None:
    """Given a wait that the server ends between two breaks, then they have nothing to do with each other."""
    assert connection.breaks_after(3.0) is None
    connection.silence.ended()
    assert connection.breaks_after(3.0) is None
    assert connection.silence.seconds == 5.0
