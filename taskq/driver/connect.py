"""From a URL to connections, and from redis-py's errors to taskq's.

redis-py's own retries are switched off (they double pushes): only the caller knows what may be repeated.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import socket
from typing import Any

import redis.asyncio
from redis import exceptions as wire
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, Connection
from redis.retry import Retry

from taskq.config import check_url, mask_url
from taskq.driver.base import Command, Driver, Link
from taskq.driver.locate import Node, OtherKindError, Single, locator
from taskq.errors import ConfigError, QueueFull, ServerRefused, ServerTooOld, ServerUnavailable

__all__ = ["VERSION", "Address", "ask_eviction", "check_rights", "check_server", "read_version", "translate"]

CONNECT_TIMEOUT = 5.0
#: The server answers with one of these when it can't serve now but will: connect anew and ask again.
_PASSING = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED", "MOVED", "ASK", "BUSY", "NOREPLICAS", "MISCONF")
_PASSING_TYPES = (wire.BusyLoadingError, wire.ReadOnlyError, wire.TryAgainError, wire.ClusterDownError, wire.MovedError, wire.AskError)
#: What a server says before it closes a new connection. It has read nothing.
_NO_ROOM = "max number of clients reached"
#: Moves whose names are no verbs.
_VERBS = {
    "holdings": "tell what a worker holds",
    "heartbeat": "take a heartbeat",
    "kinds": "tell the types of its keys",
    "order": "take an order to cancel",
    "part": "take a part",
    "rights": "tell what this user may do",
    "standing": "tell which workers it knows",
}
#: What OpenSSL says of a peer that doesn't speak TLS; most servers wait for more of what they don't understand.
_NO_TLS = ("Timeout connecting", "WRONG_VERSION_NUMBER", "RECORD_LAYER", "UNEXPECTED_EOF", "PACKET_LENGTH_TOO_LONG")
_SCRIPT = re.compile(r"^.*@user_script: ?\d+: -?(?=[A-Z]+ )")
_REFUSING = ("NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE")
_REFUSING_TYPES = (wire.AuthenticationError, wire.AuthorizationError, wire.NoPermissionError)


class Address:
    """Where the server of a channel is, and how connections to it are made."""

    def __init__(self, url: str) -> None:
        """Read a URL.

        Raises:
            ConfigError: it doesn't parse, or has an option that connections don't have.
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
            self._class(**self._options)
        except (TypeError, ValueError) as error:  # an option after the "?" that no connection has, or of a wrong type
            raise ConfigError(f"url {self.text}: an option behind the '?' can't be used: {str(error).rpartition('got an ')[2]}") from None

    def connection(self, key: str, timeout: float) -> Connection:
        """Make a connection to the node of a key; it opens at first use.

        Raises:
            redis.exceptions.ConnectionError: the node can't be found.
        """
        options: dict[str, Any] = {**self._options, **self.locator.options(key), "socket_timeout": timeout}
        return self._class(**options)

    def connection_to(self, host: str, port: int, timeout: float) -> Connection:
        """Make a connection to a node that another one named."""
        options: dict[str, Any] = {**self._options, "host": host, "port": port, "socket_timeout": timeout}
        return self._class(**options)

    def doubt(self, key: str, error: Exception) -> None:
        """What was known of a key's place is wrong, or may be: learn from a node that names another, else ask again next time."""
        if isinstance(error, wire.MovedError):
            self.locator.learn(key, Node(error.host, error.port))
        else:
            self.locator.forget()

    async def async_connection(self, key: str, timeout: float) -> redis.asyncio.Connection:
        """The same for asyncio. Finding the node may ask others, so it is done in a thread."""
        place = self.locator.options(key) if isinstance(self.locator, Single) else await asyncio.to_thread(self.locator.options, key)
        return self._async(place, timeout)

    def async_connection_to(self, host: str, port: int, timeout: float) -> redis.asyncio.Connection:
        """The same for asyncio."""
        return self._async({"host": host, "port": port}, timeout)

    def _async(self, place: dict[str, Any], timeout: float) -> redis.asyncio.Connection:
        twin = getattr(redis.asyncio, self._class.__name__)
        connection: redis.asyncio.Connection = twin(**(self._options | place | {"socket_timeout": timeout, "retry": _no_async_retry()}))
        return connection


def _no_async_retry() -> Any:
    from redis.asyncio.retry import Retry as AsyncRetry

    return AsyncRetry(NoBackoff(), 0)


def _keepalive() -> dict[int, int]:
    # Finds a peer that is gone without a word: after 5 s of silence 3 probes, 2 s apart; what was sent must be answered within 10 s.
    wanted = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}


def translate(error: Exception, address: Address, move: str, *, sent: bool) -> Exception:
    """From redis-py's error to taskq's."""
    # Redis 6.2 puts words of its own before the answer of a command in a script.
    text = _SCRIPT.sub("", str(error))
    first = text.split(" ", 1)[0]
    if isinstance(error, OtherKindError):
        return ServerRefused(f"the server at {address.text} {text}")
    if isinstance(error, _REFUSING_TYPES) or first in _REFUSING:
        return ServerRefused(f"the server at {address.text} refuses to {_verb(move)}: {text.rstrip('.')}{_advice(text, address.text)}")
    if isinstance(error, wire.OutOfMemoryError) or first == "OOM":
        return QueueFull(
            f"the server at {address.text} has reached its maxmemory and stored nothing: work off the queue or raise maxmemory"
        )
    if isinstance(error, wire.MovedError) and isinstance(address.locator, Single):
        return ServerRefused(f"the server at {address.text} is a node of a Cluster, which the URL must say: redis+cluster://host:port")
    if "non local key" in text:  # a Cluster's slot is moving: the script was stopped halfway, at a key that isn't there (any more)
        return ServerUnavailable(f"the server at {address.text} can't serve now: {text}", sent=True)
    if isinstance(error, _PASSING_TYPES) or first in _PASSING or _NO_ROOM in text:
        return ServerUnavailable(f"the server at {address.text} can't serve now: {text}")
    if isinstance(error, wire.ResponseError):
        return ServerRefused(f"the server at {address.text} refuses to {_verb(move)}: {text.rstrip('.')}{_advice(text, address.text)}")
    return ServerUnavailable(f"the server at {address.text} doesn't answer: {text.rstrip('.')}{_tls_hint(text, address.text)}", sent=sent)


def _verb(move: str) -> str:
    """What the server was asked to do, in words that follow "refuses to"."""
    return _VERBS.get(move, move)


def _tls_hint(text: str, url: str) -> str:
    if url.startswith("rediss") and any(word in text for word in _NO_TLS):
        return ". Does this port speak TLS? Without TLS the URL begins with redis instead of rediss"
    return ""


def _advice(text: str, url: str) -> str:
    if "NOAUTH" in text or "Authentication required" in text:
        scheme, place = url.partition("://")[0], "/run/redis.sock" if url.startswith("unix:") else "host:6379/0"
        return f". Write the password into the URL: {scheme}://:password@{place}, or {scheme}://user:password@{place}"
    if "WRONGPASS" in text or "invalid" in text or "without any password" in text:
        return ". Check the user and the password in the URL"
    if "NOPERM" in text or "no permissions" in text:
        return ". Give the user that permission (ACL SETUSER)"
    if "can't run this command" in text:  # Redis before 7.2, of a command in a script
        return ". A permission is missing (ACL SETUSER), and this server doesn't tell which: the guide names all that are needed"
    return ""


#: What `read_version` reads.
VERSION = Command("tell its version", ("INFO", "server"))


def read_version(reply: bytes, where: str) -> str:
    """Return the server's version text, such as "Valkey 9.1.2", from its answer to `VERSION`.

    Raises:
        ServerTooOld: it is older than Redis 6.2, whose commands the scripts need.
    """
    fields = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    name, version = "Redis", fields.get("redis_version", "0")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < (6, 2):
        raise ServerTooOld(f"the server at {where} is Redis {version}; taskq needs Redis 6.2 or later, or Valkey")
    if "valkey_version" in fields:
        name, version = "Valkey", fields["valkey_version"]
    return f"{name} {version}"


def check_server(link: Link) -> str:
    """Ask the server for its version and return that, such as "Valkey 9.1.2".

    Raises:
        ServerTooOld: it is older than Redis 6.2.
        ServerUnavailable, ServerRefused: it can't be asked.
    """
    try:
        reply = link.call(VERSION)
    except ServerRefused as error:
        if _lacks_right(error):
            return "a server that doesn't tell its version"
        raise
    return read_version(reply, link.where)


def _lacks_right(error: ServerRefused) -> bool:
    return "NOPERM" in str(error) or "no permissions" in str(error)


def ask_eviction(link: Link) -> str:
    """Return the policy by which the server drops keys when its memory is full, such as "allkeys-lru"; "" when it drops none.

    Raises:
        ServerUnavailable: it can't be asked.
    """
    try:
        reply = link.call(Command("tell its memory", ("INFO", "memory")))
    except ServerRefused:  # it needn't tell everybody
        return ""
    fields = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    policy = fields.get("maxmemory_policy", "noeviction")
    return "" if policy == "noeviction" or fields.get("maxmemory") == "0" else policy


def check_rights(driver: Driver, link: Link) -> None:
    """See that this user may do all that a worker does.

    Raises:
        ServerRefused: it may not; with the names of the commands that are missing.
        ServerUnavailable: it can't be asked.
    """
    missing = [name.decode().lower() for name in link.call(driver.rights())]
    for name, command in driver.trials().items():
        try:
            link.call(command)
        except ServerRefused as error:  # that its words make no sense says that it may be sent
            if _lacks_right(error):
                missing.append(name)
        except QueueFull:
            pass
    if missing:
        told = ", ".join(name.upper() for name in missing)
        rights = " ".join(f"+{name}" for name in missing)
        raise ServerRefused(f"the user at {link.where} may not run {told}, which a worker needs. Give the user that permission: {rights}")
