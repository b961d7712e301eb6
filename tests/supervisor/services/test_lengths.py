"""Telling listeners how long a channel's states are."""

from __future__ import annotations

from typing import Any

from taskq.channel import State
from taskq.supervisor.services.lengths import EVERY_MESSAGES, EVERY_SECONDS, Lengths
from tests.supervisor.conftest import Channel


def listening(place: Channel) -> tuple[Lengths, list[Any]]:
    """Return the duty, and what it tells."""
    names: list[Any] = []
    lengths = Lengths(place.channel, lambda name, event: names.append((name, event)))
    lengths.listened = True
    return lengths, names


def test_every_state_is_counted(place: Channel) -> None:
    """Given messages in every state, then listeners are told how many are in each."""
    hand = place.hand()
    for state in (State.FAILED, State.FAILED, State.TIMEOUT, State.PARKED):
        place.job.push()
        hand.set_aside(hand.reserve(1)[0], state)
    place.job.push()
    hand.reserve(1)
    place.job.push_many([()] * 3)
    place.job.push(delay=60)
    lengths, names = listening(place)
    lengths.tick(100.0)
    ((name, event),) = names
    assert (name, event.channel) == ("queue_length", place.prefix)
    assert event.counts == {
        State.WAITING: 3,
        State.RESERVED: 1,
        State.DELAYED: 1,
        State.FAILED: 2,
        State.TIMEOUT: 1,
        State.PARKED: 1,
    }


def test_it_tells_after_ten_seconds_or_500_messages(place: Channel) -> None:
    """Given looks at a busy channel, then listeners are told after ten seconds, and earlier when 500 jobs have ended."""
    lengths, names = listening(place)
    lengths.tick(100.0)
    lengths.tick(100.0 + EVERY_SECONDS - 0.1)
    assert len(names) == 1
    place.channel.past_counts = [EVERY_MESSAGES - 1, 0]
    lengths.tick(100.0 + EVERY_SECONDS - 0.1)
    assert len(names) == 1
    place.channel.past_counts = [EVERY_MESSAGES, 0]
    lengths.tick(100.0 + EVERY_SECONDS - 0.1)
    assert len(names) == 2
    lengths.tick(100.0 + 2 * EVERY_SECONDS)
    assert len(names) == 3


def test_without_listeners_nobody_is_asked(place: Channel) -> None:
    """Given no listeners, then nothing is counted and nothing told."""
    lengths, names = listening(place)
    lengths.listened = False
    place.channel._ask_after = float("inf")  # any question would make the team believe the server is away
    lengths.tick(100.0)
    assert names == []
    assert lengths.due == 100.0 + EVERY_SECONDS


def test_a_server_that_is_away_is_not_told_as_empty(place: Channel) -> None:
    """Given a server that doesn't answer, then listeners aren't told of zeros."""
    lengths, names = listening(place)
    place.channel._down_since = 1.0
    place.channel._ask_after = float("inf")
    lengths.tick(100.0)
    assert names == []
