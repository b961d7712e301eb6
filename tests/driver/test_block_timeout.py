"""Learning how long a command may block."""

from __future__ import annotations

import pytest

from taskq.driver.block_timeout import BlockTimeout


class Connection:
    """A blocking connection, in a time that the test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("taskq.driver.block_timeout.monotonic", lambda: self.now)
        self.block_timeout = BlockTimeout(5.0)

    def breaks_after(self, seconds: float, *, is_given_up: bool = False) -> float | None:
        self.block_timeout.begin()
        self.now += seconds
        return self.block_timeout.broke(is_given_up=is_given_up)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    return Connection(monkeypatch)


def test_two_breaks_after_the_same_time_are_an_idle_timeout(connection: Connection) -> None:
    """Given a proxy that closes connections after 3 s, then after the second break, commands block for half of that time."""
    assert connection.breaks_after(3.0) is None
    assert connection.block_timeout.seconds == 5.0
    assert connection.breaks_after(3.1) == pytest.approx(3.1)
    assert connection.block_timeout.seconds == pytest.approx(1.55)


def test_replies_that_never_come_shorten_the_wait(connection: Connection) -> None:
    """Given a proxy that drops idle connections silently, then each wait that was given up twice is halved, down to a minimum."""
    for expected in (2.5, 1.25, 0.625, 0.625):
        assert connection.breaks_after(7.0, is_given_up=True) is None
        assert connection.breaks_after(12.0, is_given_up=True) is not None
        assert connection.block_timeout.seconds == expected


@pytest.mark.parametrize("times", [(3.0, 4.0), (4.0, 3.0), (0.01, 0.01), (3.0, 0.01, 3.0)])
def test_a_server_that_restarts_does_not_count_as_a_proxy(connection: Connection, times: tuple[float, ...]) -> None:
    """Given connections that break after different times, or at once, then nothing changes."""
    assert [connection.breaks_after(seconds) for seconds in times] == [None] * len(times)
    assert connection.block_timeout.seconds == 5.0


def test_an_answer_between_them_changes_nothing(connection: Connection) -> None:
    """Given a reply between two breaks after the same time, then the timeout stays as it is."""
    assert connection.breaks_after(3.0) is None
    connection.block_timeout.ended()
    assert connection.breaks_after(3.0) is None
    assert connection.block_timeout.seconds == 5.0
