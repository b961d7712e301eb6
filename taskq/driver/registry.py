"""The known channels of a pattern such as "tenant-*": pushes add their names to a set in the server, and workers read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from taskq.channel import Keys, check_channel_name
from taskq.clock import monotonic
from taskq.config import ChannelSettings, Settings
from taskq.driver.contract import Command, Driver
from taskq.driver.load import load_driver, reviver
from taskq.driver.pool import LinkPool
from taskq.errors import ConfigError, ServerUnavailable

__all__ = ["ANNOUNCE_SECONDS", "AnnouncingPool", "announcement", "channels_of", "forget", "known_channels", "make_pool", "registered"]

#: A process that pushes to a channel announces it again after this time: a worker may have forgotten it.
ANNOUNCE_SECONDS = 60.0


class AnnouncingPool(LinkPool):
    """The connections of one channel of a pattern. Announces the channel before the first push, and then from time to time."""

    def __init__(
        self, url: str, channel: ChannelSettings, pattern: ChannelSettings, revive: Callable[[], object] | None, *, replicas: int
    ) -> None:
        super().__init__(load_driver(url, channel), revive, replicas=replicas)
        # A separate pool: in a Cluster, the set of the pattern and the channel may be on different nodes.
        self._registry = LinkPool(load_driver(url, pattern), revive)
        self._announcement = announcement(Keys(pattern.channel), channel.name)
        self._announce_at = 0.0

    def call(self, command: Command, *, replicas: int = 0) -> Any:
        if command.move == "push" and monotonic() >= self._announce_at:
            with self._announcing():
                self._registry.call(self._announcement)
        return super().call(command, replicas=replicas)

    async def acall(self, command: Command, *, replicas: int = 0) -> Any:
        if command.move == "push" and monotonic() >= self._announce_at:
            with self._announcing():
                await self._registry.acall(self._announcement)
        return await super().acall(command, replicas=replicas)

    @contextmanager
    def _announcing(self) -> Iterator[None]:
        """Note when the announcement in the block has to be repeated, or that the push itself was not sent."""
        try:
            yield
        except ServerUnavailable as error:
            error.sent = False
            raise
        self._announce_at = monotonic() + ANNOUNCE_SECONDS

    def close(self) -> None:
        self._registry.close()
        super().close()

    async def aclose(self) -> None:
        await self._registry.aclose()
        await super().aclose()


def make_pool(settings: Settings, url: str, channel: ChannelSettings) -> LinkPool:
    """Return the pool of connections through which a program sends commands to a channel."""
    revive, pattern = reviver(settings), settings.pattern_of(channel.name)
    if pattern is not None:
        return AnnouncingPool(url, channel, settings.patterns[pattern], revive, replicas=settings.wait_replicas)
    return LinkPool(load_driver(url, channel), revive, replicas=settings.wait_replicas)


def announcement(keys: Keys, name: str) -> Command:
    """Return the command that adds a channel to those of a pattern, which has these keys."""
    return Command("announce", ("SADD", keys.channels, name))


def registered(driver: Driver) -> Command:
    """Return the command that reads the known channels of a pattern."""
    return Command("channels", ("SMEMBERS", driver.keys.channels))


def forget(keys: Keys, name: str) -> Command:
    """Return the command that removes a channel from those of a pattern, which has these keys."""
    return Command("forget", ("SREM", keys.channels, name))


def channels_of(settings: Settings, pattern: str, reply: Iterable[bytes]) -> dict[str, ChannelSettings]:
    """Return the valid channels in a reply to `registered`. Other programs may have added names."""
    found = {}
    for raw in sorted(reply):
        name = raw.decode(errors="replace")
        try:
            if settings.pattern_of(check_channel_name(name)) == pattern:
                found[name] = settings.channel_or_default(name)
        except ConfigError:  # such as the key prefix of another channel, to which no push is possible either
            continue
    return found


def known_channels(settings: Settings, url: str, timeout: float = 5.0) -> dict[str, ChannelSettings]:
    """Ask the server for the channels of all patterns. `timeout`: seconds for each connection, and for each reply.

    Raises:
        ServerUnavailable, ServerRefused: the server is unreachable, or rejects the command.
    """
    found: dict[str, ChannelSettings] = {}
    for name, pattern in settings.patterns.items():
        driver = load_driver(url, pattern)
        link = driver.link(timeout)
        try:
            found |= channels_of(settings, name, link.call(registered(driver)))
        finally:
            link.close()
    return found
