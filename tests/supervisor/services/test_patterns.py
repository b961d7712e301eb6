"""Finding the channels of patterns, their limit, and the ones that are forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import Queue
from taskq.config import Settings, load_settings
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.services import patterns
from taskq.supervisor.services.patterns import PatternChannels
from tests.support.servers import ServerProcess

pytestmark = pytest.mark.one_python


class Place:
    """A worker's search for the channels of one pattern, and its clock."""

    def __init__(self, url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self.pattern, self.now = url, f"{prefix}-*", 1000.0
        monkeypatch.setattr(patterns, "monotonic", lambda: self.now)
        self.queue = Queue(url, channels={self.pattern: {"processes": 2}})
        self.states: dict[str, ChannelState] = {}

    def open(self, settings: Settings | None = None, **options: Any) -> PatternChannels:
        found = PatternChannels(WorkerOptions(**options))
        found.open(settings or self.queue.settings, self.url, {})
        return found

    def look(self, found: PatternChannels, after: float = 1.0) -> bool:
        """Look as the worker does, which consumes what was found."""
        self.now += after
        has_changed = found.look({name: SimpleNamespace(channel=state) for name, state in self.states.items()})
        for name, one in found.merged(self.queue.settings).items():
            self.states.setdefault(name, ChannelState(one, self.url, 0))
        return has_changed


@pytest.fixture
def place(url: str, prefix: str, server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(url, prefix, monkeypatch)
    yield made
    made.queue.close()
    for state in made.states.values():
        state.link.close()
    server.admin.delete(f"{{{prefix}-*}}:channels")


def test_channels_are_found_after_a_push(place: Place, prefix: str, server: ServerProcess) -> None:
    """Given pushes to channels that match, and names that other programs wrote, then only the valid ones are consumed, with the options."""
    found = place.open(concurrency=3)
    assert not place.look(found)
    for name in ("b", "a", "a"):
        place.queue.push_name("f", channel=f"{prefix}-{name}")
    server.admin.sadd(f"{{{prefix}-*}}:channels", "other", f"{prefix}-\xff", f"{prefix}-{'x' * 90}", f"{prefix}-a b")
    assert not place.look(found, after=0.5)  # not due yet
    assert place.look(found)
    channels = found.merged(place.queue.settings)
    assert sorted(channels) == [f"{prefix}-a", f"{prefix}-b"]
    assert {(one.processes, one.concurrency, one.channel) for one in channels.values()} == {(2, 3, name) for name in channels}
    assert not place.look(found)
    found.open(load_settings({"url": place.url}), place.url, {})  # a reloaded app without the pattern
    assert found.found == []
    found.close()


def test_the_options_choose_patterns(place: Place, prefix: str) -> None:
    """Given --channel, then only the channels of a named pattern are found, and none without one."""
    place.queue.push_name("f", channel=f"{prefix}-a")
    for channels, count in (((f"{prefix}-*",), 1), (("default",), 0)):
        found = place.open(channels=channels)
        place.look(found)
        assert len(found.found) == count
        found.close()


def test_the_number_of_channels_is_limited(place: Place, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """Given more channels than the limit, then the worker keeps those that it has, and one warning names the others."""
    settings = load_settings({"url": place.url, "channels": {place.pattern: {}}, "max_pattern_channels": 2})
    found = place.open(settings)
    for names in (("c", "d"), ("a", "b")):
        for name in names:
            place.queue.push_name("f", channel=f"{prefix}-{name}")
        place.look(found)
    place.look(found)
    assert found.found == [f"{prefix}-c", f"{prefix}-d"]
    (warning,) = caplog.messages
    assert warning.startswith(f"max_pattern_channels = 2 reached: not consuming 2 channels ({prefix}-a, {prefix}-b). Raise the limit")
    found.close()


def test_an_empty_channel_is_forgotten(place: Place, prefix: str, server: ServerProcess) -> None:
    """Given a channel without messages for an hour, then it is forgotten, and consumed for a while longer; a message keeps it."""
    key, name = f"{{{prefix}-*}}:channels", f"{prefix}-a"
    found = place.open()
    handle = place.queue.push_name("f", channel=name, delay=5000)
    place.look(found)
    for _ in range(3):
        assert not place.look(found, after=3600)
    assert handle.delete()
    place.look(found, after=60)
    place.look(found, after=3600)
    assert server.admin.smembers(key) == set()
    assert not place.look(found)
    assert found.found == [name]
    # A program that had announced it just before has pushed meanwhile: the worker announces it again.
    server.admin.lpush(f"{{{name}}}:waiting", b"message")
    assert not place.look(found, after=120)
    assert server.admin.smembers(key) == {name.encode()}
    server.admin.delete(f"{{{name}}}:waiting")
    place.look(found)
    place.look(found, after=60)
    place.look(found, after=3600)
    place.look(found)
    assert place.look(found, after=120)
    assert found.found == []
    found.close()


def test_an_outage_keeps_the_channels(place: Place, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an unreachable server, then the worker keeps the channels that it has."""
    place.queue.push_name("f", channel=f"{prefix}-a")
    found = place.open()
    assert place.look(found)
    monkeypatch.setattr(ChannelState, "ask", lambda *args: None)
    assert not place.look(found)
    assert found.found == [f"{prefix}-a"]
    found.close()
