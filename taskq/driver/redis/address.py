"""From a URL to connections, and from redis-py's errors to taskq's.

redis-py's own retries are switched off (they double pushes): only the caller knows what may be repeated.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
from typing import Any

import redis.asyncio
from redis import exceptions as wire
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, Connection
from redis.retry import Retry

from taskq.config import check_url, mask_url
from taskq.driver.redis.locate import Cluster, Node, Single, locator
from taskq.driver.redis.owned import async_class
from taskq.errors import ConfigError

__all__ = ["Address"]

CONNECT_TIMEOUT = 5.0


class Address:
    """The address of a channel's server, and the options of connections to it."""

    def __init__(self, url: str) -> None:
        """Read a URL.

        Raises:
            ConfigError: it can't be parsed, or has an unknown option.
        """
        url = check_url(url)
        self.text = mask_url(url)
        common: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "protocol": 2, "socket_connect_timeout": CONNECT_TIMEOUT}
        # CLIENT SETINFO at every connect costs two round trips; the options' names changed with redis-py 7.
        known = inspect.signature(AbstractConnection.__init__).parameters
        common |= {"driver_info": None} if "driver_info" in known else {"lib_name": None, "lib_version": None}
        if not url.startswith("unix:"):
            common |= {"socket_keepalive": True, "socket_keepalive_options": _keepalive()}
        try:
            self.locator, self._class, self._options = locator(url, common)
            if database := self._options.get("db"):
                self._options["db"] = str(database)  # redis-py sends it: see `contract.Word`
            self._class(**self._options)
        except (TypeError, ValueError, wire.RedisError) as error:  # an unknown query option, or one of a wrong type
            raise self._invalid(error) from None

    @property
    def is_cluster(self) -> bool:
        """True if the keys of different channels may be on different nodes."""
        return isinstance(self.locator, Cluster)

    def connection(self, key: str, timeout: float) -> Connection:
        """Return a connection to the node of a key. It opens at first use.

        Raises:
            redis.exceptions.ConnectionError: the node can't be found.
        """
        options: dict[str, Any] = {**self._options, **self.locator.options(key), "socket_timeout": timeout}
        return self._class(**options)

    def connection_to(self, host: str, port: int, timeout: float) -> Connection:
        """Return a connection to the node that another node named."""
        options: dict[str, Any] = {**self._options, "host": host, "port": port, "socket_timeout": timeout}
        return self._class(**options)

    def invalidate(self, key: str, error: Exception) -> None:
        """Invalidate the cached node of a key: learn the new one from a MOVED reply, or ask for it at the next connect."""
        if isinstance(error, wire.MovedError):
            self.locator.learn(key, Node(error.host, error.port))
        else:
            self.locator.forget()

    async def async_connection(self, key: str, timeout: float) -> redis.asyncio.Connection:
        """Return a connection for asyncio; see `connection`. Finding the node may block, so it runs in a thread."""
        place = self.locator.options(key) if isinstance(self.locator, Single) else await asyncio.to_thread(self.locator.options, key)
        return self._async(place, timeout)

    def async_connection_to(self, host: str, port: int, timeout: float) -> redis.asyncio.Connection:
        """Return a connection for asyncio; see `connection_to`."""
        return self._async({"host": host, "port": port}, timeout)

    def _async(self, place: dict[str, Any], timeout: float) -> redis.asyncio.Connection:
        kind = async_class(self._class)
        options = self._options | place | {"socket_timeout": timeout, "retry": _no_async_retry()}
        try:
            connection: redis.asyncio.Connection = kind(**options)
        except TypeError as error:  # an option that redis-py has for other connections only
            raise self._invalid(error) from None
        return connection

    def _invalid(self, error: Exception) -> ConfigError:
        return ConfigError(f"url {self.text}: invalid query option: {str(error).rpartition('got an ')[2]}")


def _no_async_retry() -> Any:
    from redis.asyncio.retry import Retry as AsyncRetry

    return AsyncRetry(NoBackoff(), 0)


def _keepalive() -> dict[int, int]:
    # Detects a lost peer: after 5 s of silence 3 probes, 2 s apart. Sent data must be acknowledged within 10 s.
    wanted = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}
