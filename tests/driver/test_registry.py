"""A push to a channel of a pattern announces the channel to the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from taskq import Queue, ServerUnavailable
from taskq.channel import State
from taskq.driver import registry
from taskq.driver.registry import known_channels
from tests.support.servers import ServerProcess

pytestmark = pytest.mark.one_python


@pytest.fixture
def queue(url: str, prefix: str, server: ServerProcess) -> Iterator[Queue]:
    """A producer with a pattern, and a channel with its own settings."""
    made = Queue(url, channels={f"{prefix}-*": {}, f"{prefix}-vip": {}, prefix: {}})
    yield made
    made.close()
    server.admin.delete(f"{{{prefix}-*}}:channels")


def _known(queue: Queue) -> list[str]:
    return [name.partition("-")[2] for name in sorted(known_channels(queue.settings, queue.url()))]


def test_every_way_to_push_announces_the_channel(queue: Queue, prefix: str) -> None:
    """Given pushes of every kind, then the channels that match the pattern are known, and no other; a question makes none known."""
    queue.push_name("f", channel=f"{prefix}-sync")
    queue.push_name("f", channel=f"{prefix}-once", once=True)
    queue.push_name("f", channel=f"{prefix}-later", delay=60)
    with queue.buffer():
        queue.push_name("f", channel=f"{prefix}-buffer")
    asyncio.run(_apush(queue, f"{prefix}-async"))
    queue.push_name("f", channel=f"{prefix}-vip")
    queue.push_name("f", channel=prefix)
    assert queue.handle("0" * 32, f"{prefix}-asked").status().state == "unknown"
    assert _known(queue) == ["async", "buffer", "later", "once", "sync"]


async def _apush(queue: Queue, channel: str) -> None:
    await queue.apush_name("f", channel=channel)
    await queue.aclose()


def test_a_channel_is_announced_again_after_a_minute(
    queue: Queue, prefix: str, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a channel that workers have forgotten, then a program that still pushes announces it a minute after the last time."""
    now = 1000.0
    monkeypatch.setattr(registry, "monotonic", lambda: now)
    queue.push_name("f", channel=f"{prefix}-a")
    server.admin.delete(f"{{{prefix}-*}}:channels")
    now = 1059.0
    queue.push_name("f", channel=f"{prefix}-a")
    assert _known(queue) == []
    now = 1060.0
    queue.push_name("f", channel=f"{prefix}-a")
    assert _known(queue) == ["a"]


def test_a_failed_announcement_is_a_push_that_was_not_sent(queue: Queue, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a connection that breaks in the announcement, then the push raises ServerUnavailable: nothing was stored."""
    sender = queue.sender(f"{prefix}-a")
    assert isinstance(sender, registry.AnnouncingPool)

    def broken(*_args: object) -> None:
        raise ServerUnavailable("broken", sent=True)

    async def abroken(*_args: object) -> None:
        broken()

    monkeypatch.setattr(sender._registry, "call", broken)
    monkeypatch.setattr(sender._registry, "acall", abroken)
    with pytest.raises(ServerUnavailable) as caught:
        queue.push_name("f", channel=f"{prefix}-a")
    assert caught.value.sent is False
    with pytest.raises(ServerUnavailable):
        asyncio.run(_apush(queue, f"{prefix}-a"))
    assert queue.sender(f"{prefix}-a").call(sender.driver.count(State.WAITING)) == 0
