"""The channels that an iteration of the supervisor's loop checks."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest

from taskq.clock import monotonic
from taskq.supervisor.dispatch.dispatcher import Dispatcher
from taskq.supervisor.dispatch.group import MEMBERS
from taskq.supervisor.duties import Duties
from tests.supervisor.conftest import Channel
from tests.support.servers import ServerProcess

pytestmark = pytest.mark.one_python


class Scene:
    """Some channels of a worker, and one iteration of the supervisor's loop at a time."""

    def __init__(self, server: ServerProcess, prefix: str, count: int) -> None:
        self.places = [Channel(server, f"{prefix}{number}") for number in range(count)]
        self.channels = {place.prefix: Duties(place.channel, "box", lambda name, event: None) for place in self.places}
        self.dispatcher = Dispatcher()

    def start(self) -> None:
        """Make the first iteration: every service is due."""
        self.dispatcher.update(self.channels.values())
        self.iterate(everything=True)

    def iterate(self, now: float | None = None, *, everything: bool = False) -> list[str]:
        """Make an iteration, and return the channels that were checked."""
        looked_at = self.dispatcher.tick(monotonic() if now is None else now, everything=everything)
        self.dispatcher.plan(looked_at, self.channels)
        return [one.channel.name for one in looked_at]

    def close(self) -> None:
        self.dispatcher.close()
        for place in self.places:
            place.close()


@pytest.fixture
def scene(server: ServerProcess, prefix: str) -> Iterator[Scene]:
    scene = Scene(server, prefix, 3)
    scene.start()
    yield scene
    scene.close()


def test_only_channels_with_work_are_looked_at(scene: Scene) -> None:
    """Given three channels that were just checked, if one is poked, then the next iteration is for that one, and a full one for all."""
    assert scene.iterate() == []
    assert scene.dispatcher.next_due() > monotonic()
    second = scene.places[1]
    second.reserve(second.child(), 2)
    scene.dispatcher.poked()
    assert scene.dispatcher.next_due() == 0.0
    assert scene.iterate() == [second.prefix]
    assert scene.iterate(everything=True) == list(scene.channels)


def test_a_full_iteration_runs_each_service_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a service that has more work to do, then an iteration for all channels runs it once: a page, and the other services."""
    now = monotonic() + 60.0
    ticks: list[float] = []
    duties = next(iter(scene.channels.values()))
    monkeypatch.setattr(duties.unpark, "tick", ticks.append)  # which leaves it due
    duties.unpark.due = 0.0
    scene.iterate(now, everything=True)
    assert ticks == [now]


def test_a_channel_that_is_gone_is_not_looked_at(scene: Scene) -> None:
    """Given a channel that the worker no longer has, and a new one, then iterations check those of now."""
    gone = scene.places[0].prefix
    del scene.channels[gone]
    scene.iterate(everything=True)
    assert gone not in scene.iterate(monotonic() + 60.0)
    assert scene.iterate(everything=True) == list(scene.channels)


def test_a_child_that_must_be_killed_is_due(scene: Scene) -> None:
    """Given a child that was asked to stop and a pause before the next start, then the channel is due at both times.

    A child that has no process yet can't be killed, so it makes nothing due.
    """
    place = scene.places[0]
    now = monotonic()
    duties = scene.channels[place.prefix]
    for service in duties.services:
        service.due = now + 100.0
    child = place.child()
    child.kill_at = now + 30.0
    assert duties.next_due(now) > now + 90.0
    child.pid = 2**30
    assert now + 30.0 <= duties.next_due(now) < now + 30.03
    place.channel.spawn_after = now + 20.0
    assert now + 20.0 <= duties.next_due(now) < now + 20.03


def test_a_delayed_message_is_due_to_the_millisecond(scene: Scene) -> None:
    """Given work that is due at odd times, then a delayed message counts exactly, and the rest is rounded up by 20 ms at most."""
    duties = next(iter(scene.channels.values()))
    for service in duties.services:
        service.due = 5000.0013
    assert duties.next_due(0.0) == 5000.0013
    duties.promote.due = 6000.0
    assert duties.next_due(0.0) == pytest.approx(5000.02)
    duties.watchdog.due = 0.025
    assert duties.next_due(0.0) == 0.025


def test_the_next_wait_begins_right_after_a_token(scene: Scene) -> None:
    """Given several tokens, one after the other, then each arrives in the next iteration: the wait for the next one begins at once."""
    for place in (scene.places[1], scene.places[1], scene.places[2]):
        (fd,) = scene.dispatcher.wakers()
        place.store.client.lpush(place.store.keys.wake, "1")
        assert select.select([fd], [], [], 30)[0] == [fd]
        scene.dispatcher.woken(fd)
        assert scene.dispatcher.next_due() == 0.0
        assert place.prefix in scene.iterate()


def test_many_channels_have_few_connections(server: ServerProcess, prefix: str) -> None:
    """Given more channels than fit into a group, then there are two waits and one walk over the keys."""
    scene = Scene(server, prefix, MEMBERS + 1)
    try:
        scene.dispatcher.update(scene.channels.values())
        now = monotonic()
        for one in scene.channels.values():
            for service in one.services:
                service.due = now + 100.0
        scene.iterate()
        assert len(scene.dispatcher.wakers()) == 2
        assert len(scene.dispatcher._servers) == 1
    finally:
        scene.close()
