"""Where the server of a key is: one server, the master that Sentinels name, or the Cluster node that holds the key's slot.

A channel's keys share one hash tag, so a link needs one node only, and finding it anew after every broken connection is all
there is to a failover.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from redis import exceptions as wire
from redis.connection import Connection, parse_url
from redis.crc import key_slot

__all__ = ["Cluster", "Locator", "Node", "Options", "OtherKindError", "Sentinels", "Single", "locator"]

Options = dict[str, Any]
_SENTINEL_TIMEOUT = 1.0


class Node(NamedTuple):
    """A server's place."""

    host: str
    port: int


class OtherKindError(wire.ResponseError):
    """The server is of another kind than the URL says; the text ends a sentence that begins with the server."""


class Locator(Protocol):
    """Finds the server of a key."""

    def options(self, key: str) -> Options:
        """Return what redis-py's connection class wants to know: host, port or path.

        Raises:
            redis.exceptions.ConnectionError: nobody can be asked, or nobody knows.
        """
        ...

    def learn(self, key: str, node: Node) -> None:
        """A node has said that another holds the key (MOVED)."""

    def forget(self) -> None:
        """What was known may be wrong: ask again next time."""


class Single:
    """One server at a fixed place."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def options(self, key: str) -> Options:
        return self._options

    def learn(self, key: str, node: Node) -> None:
        pass

    def forget(self) -> None:
        pass


class Sentinels:
    """The master of a name, as the Sentinels see it. Asked at every connect: connects are rare, and masters change."""

    def __init__(self, nodes: Sequence[Node], master: str, login: Options, asked: type[Connection]) -> None:
        self._nodes = list(nodes)
        self._master = master
        self._login = login
        self._class = asked

    def options(self, key: str) -> Options:
        problem = f"no sentinel knows the master {self._master!r}"
        for node in list(self._nodes):
            try:
                reply = _ask(self._class, node, self._login, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._master)
            except (wire.RedisError, OSError) as error:
                if "unknown command" in str(error).lower():
                    raise _plain(node, "Sentinel") from None
                problem = f"no sentinel answers; the last one said: {error}"
                continue
            if reply:
                # The one that answered is asked first the next time.
                self._nodes.remove(node)
                self._nodes.insert(0, node)
                return {"host": reply[0].decode(), "port": int(reply[1])}
        raise wire.ConnectionError(problem)

    def learn(self, key: str, node: Node) -> None:
        pass

    def forget(self) -> None:
        pass


class Cluster:
    """The node that holds a key's slot. The map is kept until a connection breaks or a node says MOVED."""

    def __init__(self, nodes: Sequence[Node], login: Options, asked: type[Connection]) -> None:
        self._seeds = list(nodes)
        self._login = login
        self._class = asked
        self._lock = threading.Lock()
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
        raise wire.ConnectionError(f"no node of the cluster holds slot {slot}")

    def learn(self, key: str, node: Node) -> None:
        slot = key_slot(key.encode())
        with self._lock:
            # Before the map: whoever is asked for it next may not have heard of this yet.
            self._slots.insert(0, (slot, slot, node))

    def forget(self) -> None:
        with self._lock:
            # The nodes known now are asked too: the ones of the URL may be gone for good.
            known = [node for _, _, node in self._slots if node not in self._seeds]
            self._seeds.extend(known)
            self._slots = []

    def _map(self) -> list[tuple[int, int, Node]]:
        problem: Exception = wire.ConnectionError("no node of the cluster answers")
        for node in self._seeds:
            try:
                reply = _ask(self._class, node, self._login, "CLUSTER", "SLOTS")
            except (wire.RedisError, OSError) as error:
                if "cluster support disabled" in str(error):
                    raise _plain(node, "node of a Cluster") from None
                problem = error
                continue
            # An empty host means: the one that was asked.
            return [
                (int(first), int(last), Node((master[0] or b"").decode() or node.host, int(master[1]))) for first, last, master, *_ in reply
            ]
        raise wire.ConnectionError(f"no node of the cluster answers; the last one said: {problem}")


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
    """Read a checked URL.

    Args:
        url: as `check_url` returns it.
        common: options of every connection.

    Returns:
        Who finds the server, the connection class, and the options for connections to it (without its place).
    """
    scheme, _, rest = url.partition("://")
    base, _, kind = scheme.partition("+")
    if not kind:
        options: Options = dict(parse_url(url))
        found = options.pop("connection_class", Connection)
        place: Options = {name: options.pop(name) for name in ("host", "port", "path") if name in options}
        return Single(place), found, {**common, **options}
    hosts, path, query = _split(rest)
    # Options are read by redis-py itself, from the same URL with one host.
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
