"""Connections: from a URL to a link that sends commands, and from redis-py's errors to taskq's.

redis-py's own retries are switched off (they double pushes): only the caller knows what may be repeated.
"""

from __future__ import annotations

import inspect
import socket
from typing import Any

import redis
import redis.asyncio
from redis import exceptions as wire
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from taskq.config import check_url, mask_url
from taskq.driver.base import Command, Link
from taskq.errors import ConfigError, QueueFull, ServerRefused, ServerTooOld, ServerUnavailable

__all__ = ["Address", "RedisAsyncLink", "RedisLink", "check_server"]

CONNECT_TIMEOUT = 5.0
#: The server answers with one of these when it can't serve now but will: connect anew and ask again.
_PASSING = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED", "MOVED", "ASK", "BUSY", "NOREPLICAS", "MISCONF")
_PASSING_TYPES = (wire.BusyLoadingError, wire.ReadOnlyError, wire.TryAgainError, wire.ClusterDownError, wire.MovedError, wire.AskError)
_REFUSING = ("NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE")
_REFUSING_TYPES = (wire.AuthenticationError, wire.AuthorizationError, wire.NoPermissionError)


class Address:
    """Where the server is, and how connections to it are made."""

    def __init__(self, url: str) -> None:
        """Read a URL.

        Raises:
            ConfigError: it doesn't parse, or names a kind of server that can't be used.
        """
        self.text = mask_url(check_url(url))
        scheme = url.split("://", 1)[0]
        if "+" in scheme:
            raise ConfigError(f"url {self.text}: {scheme}:// isn't supported by this version; use redis://, rediss:// or unix://")
        options: dict[str, Any] = dict(parse_url(url))
        self._class = options.pop("connection_class", redis.Connection)
        asked = {"retry": Retry(NoBackoff(), 0), "protocol": 2, "socket_connect_timeout": CONNECT_TIMEOUT}
        # CLIENT SETINFO at every connect costs two round trips; the option's name changed with redis-py 7.
        known = inspect.signature(redis.connection.AbstractConnection.__init__).parameters
        asked["driver_info" if "driver_info" in known else "lib_name"] = None
        if not issubclass(self._class, redis.UnixDomainSocketConnection):
            asked |= {"socket_keepalive": True, "socket_keepalive_options": _keepalive()}
        self._options = asked | options

    def connection(self, timeout: float) -> redis.Connection:
        """Make a connection; it opens at first use."""
        connection: redis.Connection = self._class(**(self._options | {"socket_timeout": timeout}))
        return connection

    def async_connection(self, timeout: float) -> redis.asyncio.Connection:
        """The same for asyncio."""
        twin = getattr(redis.asyncio, self._class.__name__)
        connection: redis.asyncio.Connection = twin(**(self._options | {"socket_timeout": timeout, "retry": _no_async_retry()}))
        return connection


def _no_async_retry() -> Any:
    from redis.asyncio.retry import Retry as AsyncRetry

    return AsyncRetry(NoBackoff(), 0)


def _keepalive() -> dict[int, int]:
    # Finds a peer that is gone without a word: after 5 s of silence 3 probes, 2 s apart; what was sent must be answered within 10 s.
    wanted = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}


def _translate(error: Exception, address: Address, move: str, *, sent: bool) -> Exception:
    """From redis-py's error to taskq's."""
    text = str(error)
    first = text.split(" ", 1)[0]
    if isinstance(error, _REFUSING_TYPES) or first in _REFUSING:
        return ServerRefused(f"the server at {address.text} refuses to {move}: {text}{_advice(text)}")
    if isinstance(error, wire.OutOfMemoryError) or first == "OOM":
        return QueueFull(f"the server at {address.text} has reached its maxmemory and stored nothing: work off the queue or raise maxmemory")
    if isinstance(error, _PASSING_TYPES) or first in _PASSING:
        return ServerUnavailable(f"the server at {address.text} can't serve now: {text}")
    if isinstance(error, wire.ResponseError):
        return ServerRefused(f"the server at {address.text} refuses to {move}: {text}")
    return ServerUnavailable(f"the server at {address.text} doesn't answer: {text}", sent=sent)


def _advice(text: str) -> str:
    if "NOAUTH" in text or "Authentication required" in text or "without any password" in text or "invalid" in text:
        return ". Write the password into the URL: redis://user:password@host:6379/0"
    if "NOPERM" in text or "no permissions" in text:
        return ". Give the user that permission (ACL SETUSER)"
    return ""


class RedisLink:
    """One blocking connection to the node that holds a channel."""

    def __init__(self, address: Address, key: str, timeout: float) -> None:
        self.address = address
        self._key = key
        self._connection = address.connection(timeout)
        self._id: int | None = None

    def call(self, command: Command) -> Any:
        script = command.script
        if script is None:
            return self._request(command.move, command.words)
        try:
            return self._request(command.move, ("EVALSHA", script.sha, *command.words))
        except wire.NoScriptError:
            return self._request(command.move, ("EVAL", script.text, *command.words))

    def send(self, command: Command) -> None:
        if self._id is None:
            self._id = int(self.call(Command(command.move, ("CLIENT", "ID"))))  # `unblock` needs it
        self._send(command.move, command.words)

    def receive(self) -> Any:
        try:
            return self._connection.read_response()
        except (wire.RedisError, OSError) as error:
            raise self._failed(error, "answer", sent=True) from error

    def fileno(self) -> int:
        # redis-py tells the socket nowhere in public; the worker must wait for it together with signals.
        return int(self._connection._sock.fileno())

    def unblock(self) -> None:
        if self._id is None:
            return
        other = RedisLink(self.address, self._key, 1.0)
        try:
            other.call(Command("unblock", ("CLIENT", "UNBLOCK", self._id)))
        except (ServerUnavailable, ServerRefused):
            pass  # then the blocked command ends by its own timeout
        finally:
            other.close()

    @property
    def where(self) -> str:
        """The server's URL, without its password."""
        return self.address.text

    @property
    def is_open(self) -> bool:
        return self._connection._sock is not None

    def is_stale(self) -> bool:
        """True when the server has closed the connection since its last use: the next command would be lost in it."""
        if not self.is_open:
            return False
        try:
            return bool(self._connection.can_read(timeout=0))
        except (wire.RedisError, OSError):
            return True

    def close(self) -> None:
        self._id = None
        self._connection.disconnect()

    def _request(self, move: str, words: tuple[Any, ...]) -> Any:
        self._send(move, words)
        try:
            return self._connection.read_response()
        except wire.NoScriptError:
            raise
        except (wire.RedisError, OSError) as error:
            raise self._failed(error, move, sent=True) from error

    def _send(self, move: str, words: tuple[Any, ...]) -> None:
        connection = self._connection
        try:
            if connection._sock is None:
                self._id = None
                connection.connect()
            packed = connection.pack_command(*words)
        except (wire.RedisError, OSError) as error:
            raise self._failed(error, move, sent=False) from error
        try:
            connection.send_packed_command(packed, check_health=False)
        except (wire.RedisError, OSError) as error:
            # Not all of it was taken from us, so the server can't have the whole command, and carries out no half ones.
            raise self._failed(error, move, sent=False) from error

    def _failed(self, error: Exception, move: str, *, sent: bool) -> Exception:
        translated = _translate(error, self.address, move, sent=sent)
        if isinstance(translated, ServerUnavailable):
            self.close()
        return translated


class RedisAsyncLink:
    """One connection for asyncio."""

    def __init__(self, address: Address, key: str, timeout: float) -> None:
        self.address = address
        self._connection = address.async_connection(timeout)

    async def call(self, command: Command) -> Any:
        script = command.script
        if script is None:
            return await self._request(command.move, command.words)
        try:
            return await self._request(command.move, ("EVALSHA", script.sha, *command.words))
        except wire.NoScriptError:
            return await self._request(command.move, ("EVAL", script.text, *command.words))

    async def close(self) -> None:
        await self._connection.disconnect()

    async def is_stale(self) -> bool:
        """True when the server has closed the connection since its last use."""
        if not self._connection.is_connected:
            return False
        try:
            return bool(await self._connection.can_read_destructive())
        except (wire.RedisError, OSError):
            return True

    async def _request(self, move: str, words: tuple[Any, ...]) -> Any:
        connection = self._connection
        sent = False
        try:
            await connection.connect()
            packed = connection.pack_command(*words)
            sent = True
            await connection.send_packed_command(packed, check_health=False)
            return await connection.read_response()
        except wire.NoScriptError:
            raise
        except (wire.RedisError, OSError) as error:
            translated = _translate(error, self.address, move, sent=sent)
            if isinstance(translated, ServerUnavailable):
                await connection.disconnect()
            raise translated from error
        except BaseException:
            # Cancelled between request and reply: the connection would give this reply to the next caller.
            await connection.disconnect()
            raise


def check_server(link: Link) -> str:
    """Return the server's version text, such as "Valkey 9.1.2".

    Raises:
        ServerTooOld: it is older than Redis 6.2, whose commands the scripts need.
        ServerUnavailable, ServerRefused: it can't be asked.
    """
    try:
        reply = link.call(Command("tell its version", ("INFO", "server")))
    except ServerRefused as error:
        if "NOPERM" in str(error) or "no permissions" in str(error):
            return "a server that doesn't tell its version"
        raise
    fields = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    name, version = "Redis", fields.get("redis_version", "0")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < (6, 2):
        raise ServerTooOld(f"the server at {link.where} is Redis {version}; taskq needs Redis 6.2 or later, or Valkey")
    if "valkey_version" in fields:
        name, version = "Valkey", fields["valkey_version"]
    return f"{name} {version}"
