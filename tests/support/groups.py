"""Servers that belong together: the nodes of a Cluster, and a master with its replica and Sentinel. All on loopback ports."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import redis
from redis.crc import key_slot

from tests.support.servers import ServerOptions, ServerProcess, free_port
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from tests.support.servers import RedisClient

__all__ = ["Cluster", "Place", "SentinelGroup", "SentinelProcess"]

_SLOTS = 16_384
#: Fast enough for a test, slow enough for a busy machine.
_NODE_TIMEOUT_MS = 1_500
_DOWN_AFTER_MS = 700


class Cluster:
    """Masters that share the slots evenly, and replicas of the first master. Use it with `with`."""

    def __init__(self, binary: Path, *, masters: int = 3, replicas: int = 0) -> None:
        self._stack = ExitStack()
        self._ids = [secrets.token_hex(20) for _ in range(masters + replicas)]
        self._buses = [free_port() for _ in self._ids]
        self.nodes = [ServerProcess(binary, _cluster_options(bus)) for bus in self._buses]
        self.masters = self.nodes[:masters]
        self.replicas = self.nodes[masters:]

    @property
    def url(self) -> str:
        """The URL for clients; it names two nodes."""
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port},127.0.0.1:{self.nodes[1].port}"

    def id_of(self, node: ServerProcess) -> str:
        """The name by which the nodes know a node."""
        return self._ids[self.nodes.index(node)]

    def owner(self, key: str) -> ServerProcess:
        """Return the node that holds the slot of a key, as the nodes that run see it now."""
        slot = key_slot(key.encode())
        asked = next(node for node in self.nodes if node.is_running)
        for first, last, (_, port, *_), *_ in asked.admin.execute_command("CLUSTER SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"no node holds slot {slot}")

    def client_of(self, key: str) -> RedisClient:
        """Return a client of the node that holds a key."""
        return self.owner(key).client()

    def admin_of(self, key: str) -> RedisClient:
        """Return the fixtures' client of the node that holds a key."""
        return self.owner(key).admin

    def move(self, key: str, target: ServerProcess) -> None:
        """Move the slot of a key to another master while the cluster is in use, a few keys at a time."""
        slot, source = key_slot(key.encode()), self.owner(key)
        target.admin.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", self.id_of(source))
        source.admin.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", self.id_of(target))
        while found := source.admin.execute_command("CLUSTER GETKEYSINSLOT", slot, 4):
            source.admin.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *found)
        for node in (target, source, *self.masters):
            node.admin.execute_command("CLUSTER SETSLOT", slot, "NODE", self.id_of(target))

    def flush(self) -> None:
        """Delete all keys."""
        for node in self.masters:
            node.admin.flushall()

    def start(self) -> Cluster:
        """Start all nodes. They know each other from the start: meeting would take a second."""
        for number, node in enumerate(self.nodes):
            (node.directory / "nodes.conf").write_text(self._reported(number))
            self._stack.enter_context(node)
        wait_until(lambda: all(map(_is_ready, self.nodes)), timeout=20, interval=0.05, what="a cluster that is ok")
        return self

    def close(self) -> None:
        """End all nodes."""
        self._stack.close()

    def __enter__(self) -> Cluster:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _reported(self, own: int) -> str:
        lines = []
        for number, node in enumerate(self.nodes):
            place = f"{self._ids[number]} 127.0.0.1:{node.port}@{self._buses[number]}"
            myself = "myself," if number == own else ""
            if number < len(self.masters):
                first, last = (_SLOTS * step // len(self.masters) for step in (number, number + 1))
                lines.append(f"{place} {myself}master - 0 0 {number + 1} connected {first}-{last - 1}")
            else:
                lines.append(f"{place} {myself}slave {self._ids[0]} 0 0 1 connected")
        return "\n".join([*lines, f"vars currentEpoch {len(self.masters)} lastVoteEpoch 0", ""])


def _cluster_options(bus: int) -> ServerOptions:
    reported = {"enabled": "yes", "node-timeout": str(_NODE_TIMEOUT_MS), "port": str(bus), "replica-validity-factor": "0"}
    extra = [word for name, value in reported.items() for word in (f"--cluster-{name}", value)]
    return ServerOptions(tcp=True, extra=(*extra, "--repl-diskless-sync-delay", "0"))


def _is_ready(node: ServerProcess) -> bool:
    reported: Any = node.admin.execute_command("CLUSTER INFO")
    state = reported if isinstance(reported, dict) else dict(line.split(":", 1) for line in reported.decode().splitlines() if ":" in line)
    replication = node.admin.info("replication")
    return state["cluster_state"] == "ok" and replication.get("master_link_status", "up") == "up"


class SentinelProcess(ServerProcess):
    """One Sentinel that watches a master under the name `mymaster`."""

    def __init__(self, binary: Path, master: ServerProcess, *, requirepass: str = "") -> None:
        super().__init__(binary, ServerOptions(tcp=True, requirepass=requirepass))
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.directory}",
            f"sentinel monitor mymaster 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds mymaster {_DOWN_AFTER_MS}",
            "sentinel failover-timeout mymaster 3000",
            f"requirepass {requirepass}" if requirepass else "",
        ]
        self._configuration = self.directory / "sentinel.conf"
        self._configuration.write_text("\n".join(lines) + "\n")

    def _command(self) -> list[str]:
        return [str(self.binary), str(self._configuration), "--sentinel"]


class SentinelGroup:
    """A master, a replica, and a Sentinel that watches them. Use it with `with`."""

    def __init__(self, binary: Path) -> None:
        self._stack = ExitStack()
        options = ServerOptions(tcp=True, extra=("--repl-diskless-sync-delay", "0"))
        self.servers = [ServerProcess(binary, options) for _ in range(2)]
        self.sentinel = SentinelProcess(binary, self.servers[0])

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/mymaster/0"

    @property
    def master(self) -> ServerProcess:
        """The server that is the master now, as the Sentinel sees it."""
        _, port = self.sentinel.admin.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", "mymaster")
        return next(server for server in self.servers if server.port == int(port))

    @property
    def replica(self) -> ServerProcess:
        """The other one."""
        master = self.master
        return next(server for server in self.servers if server is not master)

    def client_of(self, key: str) -> RedisClient:
        """Return a client of the master."""
        return self.master.client()

    def admin_of(self, key: str) -> RedisClient:
        """Return the fixtures' client of the master."""
        return self.master.admin

    def flush(self) -> None:
        """Delete all keys."""
        self.master.admin.flushall()

    def fail_over(self, *, quick: bool = False) -> None:
        """Order a failover, and wait until the Sentinel names the other server.

        The Sentinel leaves the old master as it is for another eight seconds, and it takes writes that will be lost. `quick`: make it a
        replica at once.
        """
        before = self.master
        self.sentinel.admin.execute_command("SENTINEL FAILOVER", "mymaster")
        wait_until(lambda: self.master is not before, timeout=20, what="the ordered failover")
        if quick:
            before.admin.execute_command("REPLICAOF", "127.0.0.1", self.master.port)

    def start(self) -> SentinelGroup:
        """Start all three, and wait until the replica follows and the Sentinel knows it."""
        first, second = (self._stack.enter_context(server) for server in self.servers)
        second.admin.execute_command("REPLICAOF", "127.0.0.1", first.port)
        wait_until(lambda: second.admin.info("replication")["master_link_status"] == "up", what="a replica that follows")
        self._stack.enter_context(self.sentinel)
        wait_until(self._knows_the_replica, timeout=20, what="a Sentinel that knows the replica")
        return self

    def close(self) -> None:
        """End all three."""
        self._stack.close()

    def __enter__(self) -> SentinelGroup:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _knows_the_replica(self) -> bool:
        # It looks at its master anew every ten seconds, or every second when it is told that something is wrong.
        try:
            replicas: Any = self.sentinel.admin.sentinel_slaves("mymaster")
        except redis.RedisError:
            return False
        return any(replica["master-link-status"] == "ok" for replica in replicas)


#: Where a channel can lie.
Place = ServerProcess | Cluster | SentinelGroup
