"""The node of a key: a single server, the primary that Sentinel reports, or the Cluster node that holds the key's slot.

The keys of a channel share one hash tag, so a link needs one node only. After a broken connection it finds the node again: that
is all that a failover needs.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from redis import exceptions as wire
from redis.connection import Connection, parse_url
from redis.crc import key_slot

from taskq.driver.peer import is_embedded_socket
from taskq.driver.redis.owned import OwnedConnection

__all__ = ["Cluster", "Locator", "Node", "Options", "OtherKindError", "Sentinels", "Single", "locator"]

Options = dict[str, Any]
_SENTINEL_TIMEOUT = 1.0


class Node(NamedTuple):
    """The address of a server."""

    host: str
    port: int


class OtherKindError(wire.ResponseError):
    """The server is not of the kind that the URL requires. The text continues a sentence that begins with the server."""


class Locator(Protocol):
    """Protocol: finds the server of a key."""

    def options(self, key: str) -> Options:
        """Return the options of redis-py's connection class that locate the server: host and port, or path.

        Raises:
            redis.exceptions.ConnectionError: the server can't be located.
        """
        ...

    def learn(self, key: str, node: Node) -> None:
        """Remember the node that a MOVED reply names for the key."""

    def forget(self) -> None:
        """Discard the known nodes: ask for them at the next connect."""


class Single:
    """One server at a fixed address."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def options(self, key: str) -> Options:
        return self._options

    def learn(self, key: str, node: Node) -> None:
        pass

    def forget(self) -> None:
        pass


class Sentinels:
    """The primary that Sentinel reports for a name. Asked at every connect: connects are rare, and the primary may change."""

    def __init__(self, nodes: Sequence[Node], master: str, login: Options, asked: type[Connection]) -> None:
        self._nodes = list(nodes)
        self._master = master
        self._login = login
        self._class = asked

    def options(self, key: str) -> Options:
        problem = f"no Sentinel knows the master name {self._master!r}"
        for node in list(self._nodes):
            try:
                reply = _ask(self._class, node, self._login, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._master)
            except (wire.RedisError, OSError) as error:
                if "unknown command" in str(error).lower():
                    raise _plain(node, "Sentinel") from None
                problem = f"no Sentinel answers; the last error: {error}"
                continue
            if reply:
                # Ask this one first the next time.
                self._nodes.remove(node)
                self._nodes.insert(0, node)
                return {"host": reply[0].decode(), "port": int(reply[1])}
        raise wire.ConnectionError(problem)

    def learn(self, key: str, node: Node) -> None:
        pass

    def forget(self) -> None:
        pass


class Cluster:
    """The node that holds a key's slot. The slot map is cached until a connection breaks or a node replies MOVED."""

    def __init__(self, nodes: Sequence[Node], login: Options, asked: type[Connection]) -> None:
        self._seeds = list(nodes)
        self._login = login
        self._class = asked
        # Reentrant: a signal handler that pushes may interrupt a push that holds it.
        self._lock = threading.RLock()
        self._slots: list[tuple[int, int, Node]] = []

    def options(self, key: str) -> Options:
        slot = key_slot(key.encode())
        with self._lock:
            if not self._slots:
                self._slots = self._map()
            for first, last, node in self._slots:
                if first <= slot <= last:
                    return {"host": node.host, "port": node.port}
            self._slots = []
        raise wire.ConnectionError(f"no node of the Cluster holds slot {slot}")

    def learn(self, key: str, node: Node) -> None:
        slot = key_slot(key.encode())
        with self._lock:
            # In front of the slot map: the node that is asked for the map next may not know of the migration yet.
            self._slots.insert(0, (slot, slot, node))

    def forget(self) -> None:
        with self._lock:
            # Later, ask the nodes known now too: those of the URL may have left the Cluster.
            known = [node for _, _, node in self._slots if node not in self._seeds]
            self._seeds.extend(known)
            self._slots = []

    def _map(self) -> list[tuple[int, int, Node]]:
        problem: Exception = wire.ConnectionError("no node of the Cluster answers")
        for node in self._seeds:
            try:
                reply = _ask(self._class, node, self._login, "CLUSTER", "SLOTS")
            except (wire.RedisError, OSError) as error:
                if "cluster support disabled" in str(error):
                    raise _plain(node, "node of a Cluster") from None
                problem = error
                continue
            # An empty host means the node that was asked.
            return [
                (int(first), int(last), Node((master[0] or b"").decode() or node.host, int(master[1]))) for first, last, master, *_ in reply
            ]
        raise wire.ConnectionError(f"no node of the Cluster answers; the last error: {problem}")


def _plain(node: Node, kind: str) -> OtherKindError:
    return OtherKindError(f"is not a {kind} but a plain server: use the URL redis://{node.host}:{node.port}")


def _ask(kind: type[Connection], node: Node, login: Options, *words: str) -> Any:
    connection = kind(host=node.host, port=node.port, **login)
    try:
        connection.connect()
        connection.send_command(*words)
        return connection.read_response()
    finally:
        connection.disconnect()


def locator(url: str, common: Mapping[str, Any]) -> tuple[Locator, type[Connection], Options]:
    """Parse a checked URL.

    Args:
        url: a URL as returned by `check_url`.
        common: options of every connection.

    Returns:
        The locator of the server, the connection class, and the options of connections to it (without its address).
    """
    scheme, _, rest = url.partition("://")
    base, _, kind = scheme.partition("+")
    if not kind:
        options: Options = dict(parse_url(url))
        found: Any = options.pop("connection_class", Connection)
        place: Options = {name: options.pop(name) for name in ("host", "port", "path") if name in options}
        if is_embedded_socket(place.get("path", "")):
            found = OwnedConnection
        return Single(place), found, {**common, **options}
    hosts, path, query = _split(rest)
    # redis-py parses the options, from the same URL with one host.
    options = dict(parse_url(f"{base}://{_login(rest)}localhost/{_database(kind, path)}{query}"))
    found = options.pop("connection_class", Connection)
    options.pop("host", None)
    sentinel_login = {
        name.removeprefix("sentinel_"): options.pop(name) for name in ("sentinel_username", "sentinel_password") if name in options
    }
    if kind == "sentinel":
        nodes = [_node(host, 26379) for host in hosts]
        asked = {**common, "socket_timeout": _SENTINEL_TIMEOUT, "socket_connect_timeout": _SENTINEL_TIMEOUT, **sentinel_login}
        return Sentinels(nodes, unquote(path.split("/")[0]), asked, found), found, {**common, **options}
    nodes = [_node(host, 6379) for host in hosts]
    asked = {**common, "socket_timeout": _SENTINEL_TIMEOUT, "socket_connect_timeout": _SENTINEL_TIMEOUT, **options}
    return Cluster(nodes, asked, found), found, {**common, **options}


def _split(rest: str) -> tuple[list[str], str, str]:
    place, _, query = rest.partition("?")
    hosts, _, path = place.rpartition("@")[2].partition("/")
    return hosts.split(","), path.strip("/"), f"?{query}" if query else ""


def _login(rest: str) -> str:
    before, at, _ = rest.partition("?")[0].rpartition("@")
    return before + at


def _database(kind: str, path: str) -> str:
    if kind == "cluster":
        return path or "0"
    parts = path.split("/")
    return parts[1] if len(parts) > 1 else "0"


def _node(text: str, default: int) -> Node:
    parts = urlsplit(f"//{text}")
    return Node(parts.hostname or "localhost", parts.port or default)
