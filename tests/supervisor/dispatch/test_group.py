"""Channels that share a wake-up connection and a poll."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskq.clock import monotonic
from taskq.polling import wait_for
from taskq.supervisor.dispatch.group import Group
from taskq.supervisor.duties import Duties
from taskq.worker_id import machine_name, machine_tag, new_worker_id
from tests.supervisor.conftest import Channel
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until

pytestmark = pytest.mark.one_python
NOW = 1000.0


class Scene:
    """Three channels in a group. `changed` are the indexes of those whose services got a new time."""

    def __init__(self, server: ServerProcess, prefix: str) -> None:
        self.places = [Channel(server, f"{prefix}{letter}") for letter in "abc"]
        self.members = [Duties(place.channel, "box", lambda name, event: None) for place in self.places]
        self.changed: list[int] = []
        self.group = Group(lambda one: self.changed.append(self.members.index(one)))
        for one in self.members:
            self.group.add(one)

    def rest(self, seconds: float = 50.0) -> None:
        """Nothing is due in any channel for some seconds."""
        for one in self.members:
            for service in one.services:
                service.due = NOW + seconds
        self.changed.clear()

    def woken(self) -> list[int]:
        """Wait for a token, and return the channels that were woken."""
        self.changed.clear()
        wakers = self.group.wakers()
        for fd in wait_for(list(wakers), 30.0):
            wakers[fd].woken()
        return self.changed

    def close(self) -> None:
        self.group.close()
        for place in self.places:
            place.close()


@pytest.fixture
def scene(server: ServerProcess, prefix: str) -> Iterator[Scene]:
    scene = Scene(server, prefix)
    yield scene
    scene.close()


def test_one_command_asks_for_all_channels(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given three channels whose own checks are due, if one has a delayed message, then one command sets the due times of all."""
    first, second, third = scene.members
    scene.places[1].job.options(delay=0.5).push()
    moves: list[str] = []
    for place in scene.places:
        call = place.channel.link.call
        monkeypatch.setattr(place.channel.link, "call", lambda command, call=call: moves.append(command.script.name) or call(command))
    scene.rest()
    for one in scene.members:
        one.promote.due = one.cancels.due = NOW
    scene.group.tick(NOW)
    assert moves == ["poll"]
    assert first.promote.due == third.promote.due == NOW + 1.0
    assert NOW < second.promote.due <= NOW + 0.5
    assert min(one.cancels.due for one in scene.members) > NOW + 2.0
    assert scene.changed == [0, 1, 2]


def test_a_stored_cancel_request_leaves_its_check_due(scene: Scene, server: ServerProcess) -> None:
    """Given a channel with a cancel request, then a shared poll puts off the checks of the other channels only."""
    server.admin.hset(scene.places[2].store.keys.cancels, "0" * 16, "a request")
    for one in scene.members:
        one.cancels.due = NOW
    scene.group.tick(NOW)
    assert [one.cancels.due == NOW for one in scene.members] == [False, False, True]


def test_a_channel_with_an_unreadable_key_asks_for_itself(scene: Scene, server: ServerProcess) -> None:
    """Given a channel whose delayed messages are a key of another type, then its services stay due, and the others are put off."""
    server.admin.set(scene.places[0].store.keys.delayed, "of another program")
    for one in scene.members:
        one.promote.due = one.cancels.due = NOW
    scene.group.tick(NOW)
    assert [one.promote.due == NOW for one in scene.members] == [True, False, False]
    assert [one.cancels.due == NOW for one in scene.members] == [True, False, False]
    assert not any(place.channel.is_down for place in scene.places)


def test_without_an_answer_each_channel_asks_for_itself(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a server that doesn't answer, then a shared poll puts nothing off."""
    monkeypatch.setattr(scene.places[0].channel, "ask", lambda *_: None)
    for one in scene.members:
        one.promote.due = NOW
    scene.group.tick(NOW)
    assert {one.promote.due for one in scene.members} == {NOW}
    assert scene.changed == []


def test_a_token_wakes_its_channel(scene: Scene, server: ServerProcess) -> None:
    """Given one wait for three channels, then a token wakes the service that it is for, of its channel, and the wait goes on."""
    scene.group.tick(monotonic())
    assert len(scene.group.wakers()) == 1
    scene.rest()
    worker = new_worker_id(machine_name(), machine_tag())
    server.admin.lpush(scene.places[1].store.keys.wake, "1")
    assert scene.woken() == [1]
    assert [one.promote.due for one in scene.members] == [NOW + 50, 0.0, NOW + 50]
    scene.group.tick(monotonic())
    server.admin.lpush(scene.places[2].store.keys.cancel_wake(worker), "1")
    assert scene.woken() == [2]
    assert [one.cancels.due for one in scene.members] == [NOW + 50, NOW + 50, 0.0]


def test_a_busy_channel_hides_no_token_of_another(scene: Scene, server: ServerProcess) -> None:
    """Given a channel that gets a token all the time, then those of the other channels arrive nevertheless."""
    for place in scene.places:
        server.admin.lpush(place.store.keys.wake, "1")
    found = []
    for _ in range(3):
        scene.group.tick(monotonic())
        found += scene.woken()
        server.admin.lpush(scene.places[0].store.keys.wake, "1")
    assert found == [0, 1, 2]


def test_a_channel_that_is_added_wakes_at_once(scene: Scene, server: ServerProcess) -> None:
    """Given an open wait, if a channel is added and another removed, then the wait starts over with the channels of now."""
    scene.group.remove(scene.members[0])
    scene.group.tick(monotonic())
    assert [len(scene.group.wakers()), len(scene.group.members)] == [1, 2]
    scene.group.remove(scene.members[1])
    wait_until(lambda: int(server.admin.info("clients")["blocked_clients"]) > 0)
    scene.group.add(scene.members[0])
    assert scene.woken() == []
    scene.group.tick(monotonic())
    server.admin.lpush(scene.places[1].store.keys.wake, "1")
    server.admin.lpush(scene.places[0].store.keys.wake, "1")
    assert scene.woken() == [0]


def test_a_wait_that_is_rejected_is_made_for_each_channel(scene: Scene, server: ServerProcess) -> None:
    """Given a channel whose wake-up key has another type, then the other channels soon wait alone, and get their tokens."""
    server.admin.set(scene.places[1].store.keys.wake, "of another program")
    scene.group.tick(monotonic())
    assert scene.woken() == []
    scene.group.tick(monotonic())
    assert len(scene.group.wakers()) == 3
    scene.rest()
    server.admin.lpush(scene.places[2].store.keys.wake, "1")
    wait_until(lambda: 2 in scene.woken())
    scene.group.remove(scene.members[2])
    assert len(scene.group.members) == 2
