"""A channel's line to the server: what is asked, what is insisted on, and what is said when nobody answers."""

from __future__ import annotations

import logging

import pytest

from taskq.errors import QueueFull, ServerRefused, ServerUnavailable
from taskq.supervisor.channel import Team
from tests.supervisor.conftest import Office


class BrokenLink:
    """Answers as the test says."""

    def __init__(self) -> None:
        self.error: Exception | None = ServerUnavailable("nobody there")
        self.calls = 0

    def call(self, command: object) -> int:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return 1

    def close(self) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by the test."""
    now = [100.0]
    monkeypatch.setattr("taskq.supervisor.channel.monotonic", lambda: now[0])
    return now


@pytest.fixture
def team(office: Office) -> Team:
    office.team.link.close()
    link = BrokenLink()
    office.team.link = link  # type: ignore[assignment]
    # In trouble it makes another, of less patience: here it is the same.
    office.team.driver.link = lambda timeout=5.0: link  # type: ignore[method-assign,assignment]
    return office.team


@pytest.mark.parametrize("error", [ServerUnavailable("away"), ServerRefused("no"), QueueFull("full")])
def test_trouble_is_said_once_and_its_end_too(team: Team, clock: list[float], caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    """Given a server in trouble for a while, then the log says so once, and once that it is back; it is asked ever less."""
    link: BrokenLink = team.link  # type: ignore[assignment]
    link.error = error
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            assert team.ask(team.driver.time()) is None
            assert team.is_down
            clock[0] += 0.02
        asked = link.calls
        link.error = None
        clock[0] += 10
        assert team.ask(team.driver.time()) == 1
    assert not team.is_down
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "the server answers again after 30.0 s" in caplog.text
    assert 3 < asked < 200


def test_what_is_insisted_on_comes_later_in_order(team: Team, clock: list[float]) -> None:
    """Given a server that is away, then what must be told is kept in order, and told when it is back."""
    link: BrokenLink = team.link  # type: ignore[assignment]
    team.insist(team.driver.ack("w1", [b"1"]))
    team.insist(team.driver.ack("w1", [b"2"]))
    assert len(team.pending) == 2
    link.error = None
    clock[0] += 60
    team.send_pending()
    assert not team.pending


def test_counts_outlive_the_children(office: Office) -> None:
    """Given living children and those that are no more, then all their jobs are counted."""
    child = office.child()
    child.record.begin_batch([b"1" * 16])
    child.record.start_next(1.0, 1)
    child.record.end_job(0, acked=False, failed=True)
    office.team.past_counts = [10, 2]
    assert office.team.counts() == (11, 3)


def test_old_crashes_are_forgotten(office: Office) -> None:
    """Given crashes over a long time, then only those of the last minute are kept."""
    for at in (0.0, 50.0, 100.0, 105.0):
        office.team.note_crash(at)
    assert office.team.crashes == [50.0, 100.0, 105.0]
