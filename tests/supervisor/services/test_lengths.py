"""Reporting the number of messages in each state to listeners."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.channel import State
from taskq.driver.contract import Command
from taskq.supervisor.services.lengths import EVERY_MESSAGES, EVERY_SECONDS, Lengths
from tests.supervisor.conftest import Channel


def listening(place: Channel) -> tuple[Lengths, list[Any]]:
    """Return the service, and the events that it emits."""
    names: list[Any] = []
    lengths = Lengths(place.channel, lambda name, event: names.append((name, event)))
    lengths.listened = True
    return lengths, names


def test_every_state_is_counted(place: Channel) -> None:
    """Given messages in every state, then listeners get the count of each."""
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


def test_it_emits_after_ten_seconds_or_500_messages(place: Channel) -> None:
    """Given checks of a busy channel, then an event is emitted after ten seconds, and earlier when 500 jobs have finished."""
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


def test_without_listeners_nothing_is_counted(place: Channel) -> None:
    """Given no listeners, then nothing is counted or emitted."""
    lengths, names = listening(place)
    lengths.listened = False
    place.channel._ask_after = float("inf")  # any question would make the team believe the server is away
    lengths.tick(100.0)
    assert names == []
    assert lengths.due == 100.0 + EVERY_SECONDS


def test_an_unreachable_server_is_not_reported_as_empty(place: Channel) -> None:
    """Given an unreachable server, then listeners don't get zeros."""
    lengths, names = listening(place)
    place.channel._down_since = 1.0
    place.channel._ask_after = float("inf")
    lengths.tick(100.0)
    assert names == []


def test_many_workers_are_counted_with_one_command(place: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given hundreds of workers, then the service doesn't ask for each: the heartbeats must not wait for it."""
    client, keys = place.store.client, place.store.keys
    for number in range(300):
        client.zadd(keys.workers, {f"w{number}": number})
        client.rpush(keys.reserved(f"w{number}"), "x")
    lengths, names = listening(place)
    asked: list[Command] = []
    call = place.channel.link.call
    monkeypatch.setattr(place.channel.link, "call", lambda command: asked.append(command) or call(command))
    lengths.tick(100.0)
    assert names[0][1].counts[State.RESERVED] == 300
    assert len(asked) < 10
