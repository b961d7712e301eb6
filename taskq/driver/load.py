"""From the settings to a driver: by name, or a class of the user's."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from taskq.config import ChannelSettings, Settings
from taskq.driver.contract import Driver
from taskq.errors import ConfigError

__all__ = ["DEFAULT_URL", "driver_class", "is_unstarted", "load_driver", "reviver", "server_url"]

DEFAULT_URL = "redis://localhost:6379/0"


def server_url(settings: Settings) -> str:
    """Return the server's URL: the one of the settings; else the embedded server, started if need be; else localhost.

    Raises:
        ServerUnavailable: the embedded server can't be started.
    """
    if settings.url is not None:
        return settings.url
    from taskq.driver.embedded.server import EmbeddedServer, is_available

    if is_available():
        return EmbeddedServer(Path(settings.directory) / ".taskq").ensure()
    return DEFAULT_URL


def is_unstarted(settings: Settings) -> bool:
    """Return whether the settings mean the embedded server, and that neither runs nor has any data: nothing was ever pushed."""
    if settings.url is not None:
        return False
    from taskq.driver.embedded.server import EmbeddedServer, is_available

    return is_available() and EmbeddedServer(Path(settings.directory) / ".taskq").is_new


def reviver(settings: Settings) -> Callable[[], object] | None:
    """Return what starts the embedded server again after it was killed; None when the server isn't ours."""
    return None if settings.url is not None else lambda: server_url(settings)


def load_driver(url: str, channel: ChannelSettings) -> Driver:
    """Make the driver of a channel.

    Raises:
        ConfigError: the settings name a class that can't be imported.
    """
    return driver_class(channel)(url, channel)


def driver_class(channel: ChannelSettings) -> Callable[[str, ChannelSettings], Driver]:
    """Import the driver of a channel. A process that forks others does it for all of them: redis-py is slow to import.

    Raises:
        ConfigError: the settings name a class that can't be imported.
    """
    if channel.driver == "redis":
        from taskq.driver.redis.driver import RedisDriver

        return RedisDriver
    module, _, name = channel.driver.partition(":")
    try:
        factory: Callable[[str, ChannelSettings], Driver] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        told = f"driver = {channel.driver!r} of channel {channel.name!r}: {error}"
        raise ConfigError(f"{told}; write 'redis' or 'package.module:Class'") from None
    return factory
