"""Telling listeners how long a channel's states are."""

from __future__ import annotations

from typing import Any

from taskq.channel import State
from taskq.supervisor.services.lengths import EVERY_MESSAGES, EVERY_SECONDS, Lengths
from tests.supervisor.conftest import Office


def listening(office: Office) -> tuple[Lengths, list[Any]]:
    """Return the duty, and what it tells."""
    told: list[Any] = []
    lengths = Lengths(office.team, lambda name, event: told.append((name, event)))
    lengths.listened = True
    return lengths, told


def test_every_state_is_counted(office: Office) -> None:
    """Given messages in every state, then listeners are told how many are in each."""
    hand = office.hand()
    for state in (State.FAILED, State.FAILED, State.TIMEOUT, State.PARKED):
        office.job.push()
        hand.set_aside(hand.reserve(1)[0], state)
    office.job.push()
    hand.reserve(1)
    office.job.push_many([()] * 3)
    office.job.push(delay=60)
    lengths, told = listening(office)
    lengths.tick(100.0)
    ((name, event),) = told
    assert (name, event.channel) == ("queue_length", office.prefix)
    assert event.counts == {
        State.WAITING: 3,
        State.RESERVED: 1,
        State.DELAYED: 1,
        State.FAILED: 2,
        State.TIMEOUT: 1,
        State.PARKED: 1,
    }


def test_it_tells_after_ten_seconds_or_500_messages(office: Office) -> None:
    """Given looks at a busy channel, then listeners are told after ten seconds, and earlier when 500 jobs have ended."""
    lengths, told = listening(office)
    lengths.tick(100.0)
    lengths.tick(100.0 + EVERY_SECONDS - 0.1)
    assert len(told) == 1
    office.team.past_counts = [EVERY_MESSAGES - 1, 0]
    lengths.tick(100.0 + EVERY_SECONDS - 0.1)
    assert len(told) == 1
    office.team.past_counts = [EVERY_MESSAGES, 0]
    lengths.tick(100.0 + EVERY_SECONDS - 0.1)
    assert len(told) == 2
    lengths.tick(100.0 + 2 * EVERY_SECONDS)
    assert len(told) == 3


def test_without_listeners_nobody_is_asked(office: Office) -> None:
    """Given no listeners, then nothing is counted and nothing told."""
    lengths, told = listening(office)
    lengths.listened = False
    office.team._ask_after = float("inf")  # any question would make the team believe the server is away
    lengths.tick(100.0)
    assert told == []
    assert lengths.due == 100.0 + EVERY_SECONDS


def test_a_server_that_is_away_is_not_told_as_empty(office: Office) -> None:
    """Given a server that doesn't answer, then listeners aren't told of zeros."""
    lengths, told = listening(office)
    office.team._down_since = 1.0
    office.team._ask_after = float("inf")
    lengths.tick(100.0)
    assert told == []
