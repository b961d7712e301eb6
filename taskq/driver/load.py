"""From the settings to a driver: the one for Redis, or the user's class."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from taskq.config import ChannelSettings, Settings
from taskq.driver.contract import Driver
from taskq.driver.peer import FOLDER
from taskq.errors import ConfigError, TaskqError
from taskq.shadowing import hidden_modules

if TYPE_CHECKING:
    from taskq.driver.embedded.server import EmbeddedServer

__all__ = [
    "DEFAULT_URL",
    "chosen_embedded",
    "driver_class",
    "first_use",
    "is_unstarted",
    "load_driver",
    "may_start",
    "reviver",
    "running_url",
    "server_url",
]

DEFAULT_URL = "redis://localhost:6379/0"
#: The threads that import redis-py, and those that did so in the parent at the fork: that import never completes in this process.
_importers: set[int] = set()
_orphaned: set[int] = set()
_FORKED = "this process was forked while another thread imported the server's client: push once, or import redis, before you fork"
os.register_at_fork(after_in_child=lambda: _orphaned.update(_importers - {threading.get_ident()}))


def chosen_embedded(settings: Settings) -> EmbeddedServer | None:
    """Return the embedded server, running or not, if the settings select it. Return None if they select another server."""
    if settings.url is not None:
        return None
    from taskq.driver.embedded.server import EmbeddedServer, is_available  # slow to import, and not needed with a URL

    return EmbeddedServer(Path(settings.directory) / FOLDER) if is_available() else None


def server_url(settings: Settings) -> str:
    """Return the server's URL: the setting `url`, or the embedded server (started if necessary) if installed, or localhost.

    Raises:
        ServerUnavailable: the embedded server can't be started.
    """
    if settings.url is not None:
        return settings.url
    server = chosen_embedded(settings)
    return DEFAULT_URL if server is None else server.ensure()


def running_url(settings: Settings) -> str | None:
    """Return the server's URL as `server_url`, but never start the embedded server: None if it has never run."""
    if settings.url is not None:
        return settings.url
    server = chosen_embedded(settings)
    if server is None:
        return DEFAULT_URL
    return None if server.is_new else server.url


def is_unstarted(settings: Settings) -> bool:
    """Return True if the settings select the embedded server, and it neither runs nor has data: nothing was ever pushed."""
    server = chosen_embedded(settings)
    return server is not None and server.is_new


def may_start(settings: Settings) -> bool:
    """Return True if the embedded server could create its files here."""
    project = Path(settings.directory)
    place = project / ".taskq"
    return os.access(place if place.exists() else project, os.W_OK | os.X_OK)


def reviver(settings: Settings) -> Callable[[], object] | None:
    """Return a function that restarts the embedded server after a crash, or None for any other server."""
    return None if settings.url is not None else lambda: server_url(settings)


@contextmanager
def first_use() -> Iterator[None]:
    """Explain why the driver can't be loaded, or the server can't be started, in the block: the moment may be wrong for it.

    Raises:
        TaskqError: the main thread has ended, or the block has interrupted the same import.
    """
    try:
        yield
    except (ImportError, RuntimeError) as error:
        if sys.is_finalizing():
            why, remedy = "Python loads no modules while it exits", "push once before that"
        elif not threading.main_thread().is_alive():
            why, remedy = "Python can't load its client after the main thread has ended", "push once or `import redis` before that"
        elif "partially initialized" in str(error):
            why, remedy = "this call, as in a signal handler, has interrupted the import of its client", "push once before that can happen"
        else:
            raise
        raise TaskqError(f"the server can't be used for the first time now: {why}; {remedy}") from error


def load_driver(url: str, channel: ChannelSettings) -> Driver:
    """Create the driver of a channel.

    Raises:
        ConfigError: the settings name a class that can't be imported.
    """
    return driver_class(channel)(url, channel)


def driver_class(channel: ChannelSettings) -> Callable[[str, ChannelSettings], Driver]:
    """Import the driver of a channel. redis-py is slow to import, so a process that forks others calls this once for all.

    Raises:
        ConfigError: the settings name a class that can't be imported.
        TaskqError: this process was forked while another thread imported the driver, or a file hides a module that the driver imports.
    """
    if channel.driver == "redis":
        if _orphaned:
            raise TaskqError(_FORKED)
        _importers.add(threading.get_ident())
        try:
            from taskq.driver.redis.driver import RedisDriver
        except (ImportError, AttributeError) as error:
            if not (text := hidden_modules()):
                raise
            raise TaskqError(f"the server's client can't be imported: {error}. {text}") from error
        finally:
            _importers.discard(threading.get_ident())
        return RedisDriver
    module, _, name = channel.driver.partition(":")
    try:
        factory: Callable[[str, ChannelSettings], Driver] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        setting = f"driver = {channel.driver!r} of channel {channel.name!r}"
        raise ConfigError(f"{setting} can't be imported: {error}; use 'redis' or 'package.module:Class'") from None
    return factory
