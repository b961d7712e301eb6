"""The commands that several channels share: heartbeats, and the check of those of other workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec
import pytest

from taskq.clock import monotonic
from taskq.supervisor.dispatch.shared_poll import SharedPoll
from taskq.supervisor.duties import Duties
from tests.supervisor.conftest import Channel
from tests.support.servers import ServerProcess

pytestmark = pytest.mark.one_python


class Scene:
    """Three channels with two children each, whose own heartbeats are due now. `moves` are the scripts that are sent."""

    def __init__(self, server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.places = [Channel(server, f"{prefix}{letter}") for letter in "abc"]
        self.members = [Duties(place.channel, "box", lambda name, event: None) for place in self.places]
        self.children = [[place.child(f"{letter}{number}") for number in "12"] for place, letter in zip(self.places, "abc", strict=True)]
        self.poll = SharedPoll(self.members, lambda one: None)
        self.moves: list[str] = []
        for place in self.places:
            call = place.channel.link.call
            monkeypatch.setattr(place.channel.link, "call", lambda command, call=call: self._note(command) or call(command))

    def _note(self, command: object) -> None:
        self.moves.append(command.script.name)  # type: ignore[attr-defined]

    def beat_of(self, index: int, name: str) -> float:
        place = self.places[index]
        return float(place.store.client.zscore(place.store.keys.workers, name) or 0)

    def tick(self) -> float:
        now = monotonic()
        self.poll.tick(now)
        return now


@pytest.fixture
def scene(server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    scene = Scene(server, prefix, monkeypatch)
    yield scene
    for place in scene.places:
        place.close()


def test_one_command_sends_the_heartbeats_of_all_channels(scene: Scene) -> None:
    """Given three channels with two children each, then one command sends six heartbeats, and one reads those of all workers."""
    before = [scene.beat_of(index, child.worker) for index, children in enumerate(scene.children) for child in children]
    now = scene.tick()
    assert scene.moves == ["poll", "heartbeat_all", "heartbeats"]
    after = [scene.beat_of(index, child.worker) for index, children in enumerate(scene.children) for child in children]
    assert all(late > early for early, late in zip(before, after, strict=True))
    assert all(child.last_beat == now for children in scene.children for child in children)
    assert min(one.heartbeat.due for one in scene.members) > now + 2.0
    assert min(one.rescue.due for one in scene.members) > now + 0.9
    scene.moves.clear()
    scene.tick()
    assert scene.moves == ["poll"]


def test_channels_with_another_lease_have_their_own_command(scene: Scene) -> None:
    """Given a channel with a shorter lease, then its heartbeats are sent and read apart."""
    channel = scene.places[1].channel
    channel.settings = msgspec.structs.replace(channel.settings, lease=5.0)
    scene.tick()
    assert scene.moves == ["poll", "heartbeat_all", "heartbeat_all", "heartbeats", "heartbeats"]


def test_an_unregistered_child_is_left_to_its_channel(scene: Scene, server: ServerProcess) -> None:
    """Given a child whose registration the server has lost, then its channel's own heartbeat stays due, and registers it again."""
    lost = scene.children[1][0]
    server.admin.zrem(scene.places[1].store.keys.workers, lost.worker)
    now = scene.tick()
    assert [one.heartbeat.due > now for one in scene.members] == [True, False, True]
    assert scene.beat_of(1, lost.worker) == 0
    scene.members[1].heartbeat.tick(now)
    assert scene.beat_of(1, lost.worker) > 0


def test_a_channel_with_a_command_of_its_own_sends_it_first(scene: Scene) -> None:
    """Given channels with a pending command and with a move whose outcome is unknown, then they don't take part."""
    first, second, _ = scene.places
    first.channel.pending["w"] = deque([first.channel.driver.ack("w", [b"0" * 16])])
    second.channel._uncertain.append(scene.children[1][0].slot)
    scene.tick()
    assert scene.moves == []
    first.channel.send_pending()
    scene.moves.clear()
    now = scene.tick()
    assert scene.moves == ["poll", "heartbeat_all", "heartbeats"]
    assert [one.heartbeat.due > now for one in scene.members] == [True, False, True]


def test_a_lost_worker_is_rescued(scene: Scene, server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a worker of another machine without heartbeats, then the shared check finds it after its lease, as a channel's own does."""
    clock = [monotonic()]
    monkeypatch.setattr("taskq.supervisor.services.rescue.monotonic", lambda: clock[0])
    monkeypatch.setattr("taskq.supervisor.dispatch.shared_poll.monotonic", lambda: clock[0])
    place = scene.places[2]
    server.admin.zadd(place.store.keys.workers, {"lost": 5})
    server.admin.lpush(place.store.keys.reserved("lost"), "a message")
    for _ in range(12):
        scene.poll.tick(clock[0])
        clock[0] += 1.5
    assert place.store.client.llen(place.store.keys.waiting) == 1
    assert place.store.client.zscore(place.store.keys.workers, "lost") is None
    assert {child.worker for child in scene.children[2]} == {
        name.decode() for name in place.store.client.zrange(place.store.keys.workers, 0, -1)
    }


def test_a_rejected_command_is_not_repeated_at_once(scene: Scene, server: ServerProcess) -> None:
    """Given a channel whose workers are a key of another type, then each channel sends its own heartbeats for a minute."""
    server.admin.delete(scene.places[1].store.keys.workers)
    server.admin.set(scene.places[1].store.keys.workers, "of another program")
    now = scene.tick()
    assert scene.poll.due > now + 50
    assert min(one.heartbeat.due for one in scene.members) <= now
    assert not any(place.channel.is_down for place in scene.places)
