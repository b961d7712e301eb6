"""A Cluster's slot that is on its way to another node: scripts may be stopped halfway there, and lose nothing by that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import NamedTuple

import pytest
import redis
from redis.connection import Connection
from redis.crc import key_slot

from taskq.channel import Keys, State
from taskq.config import ChannelSettings
from taskq.driver.contract import Command, Rescue, StoredEnding
from taskq.driver.redis.address import Address
from taskq.driver.redis.driver import RedisDriver
from taskq.errors import ServerRefused, ServerUnavailable
from tests.driver.store import LEASE_MS, Store, id_of, message
from tests.support.groups import Cluster
from tests.support.wait import wait_until

W = "worker-1"


class Channel(NamedTuple):
    """Every key exists, and each state has one message."""

    store: Store
    waiting: bytes
    reserved: bytes
    delayed: bytes
    failed: bytes
    parked: bytes


@pytest.fixture
def store(cluster: Cluster, prefix: str) -> Iterator[Store]:
    with closing(Store(cluster, prefix)) as made:
        yield made


@pytest.fixture
def channel(store: Store) -> Channel:
    """A channel of which no key is missing: a node refuses at once what touches a missing one while the slot moves."""
    made = Channel(store, *(message(text) for text in ("waiting", "reserved", "delayed", "failed", "parked")))
    store.reserved_by(W, made.reserved)
    store.push(made.waiting)
    store.do(store.driver.push_later([made.delayed], at_ms=5))
    for key, raw in ((store.keys.failed, made.failed), (store.keys.parked, made.parked), (store.keys.timeout, message("timeout"))):
        store.client.zadd(key, {raw: store.now()})
    return made


@pytest.fixture
def moving(cluster: Cluster, channel: Channel) -> Iterator[Channel]:
    """The same while its slot is migrating, and no key has moved yet."""
    key = channel.store.keys.waiting
    _migrate(cluster, key)
    yield channel
    _stay(cluster, key)


def _migrate(cluster: Cluster, key: str) -> None:
    """Begin to move the slot of a key to another node."""
    source = cluster.owner(key)
    target = next(node for node in cluster.masters if node is not source)
    slot = key_slot(key.encode())
    target.admin.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", cluster.id_of(source))
    source.admin.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", cluster.id_of(target))


def _stay(cluster: Cluster, key: str) -> None:
    """End the moving of a slot: it stays where it was."""
    for node in cluster.masters:
        node.admin.execute_command("CLUSTER SETSLOT", key_slot(key.encode()), "STABLE")


MOVES: dict[str, Callable[[Channel], Command]] = {
    "reserve": lambda c: c.store.driver.reserve(W, 5, []),
    "settle and reserve": lambda c: c.store.driver.reserve(W, 5, [id_of(c.reserved)]),
    "results": lambda c: c.store.driver.ack(W, [id_of(c.reserved)], endings=[(id_of(c.reserved), StoredEnding(b"result", 60_000))]),
    "ack": lambda c: c.store.driver.ack(W, [id_of(c.reserved), id_of(c.waiting)]),
    "retry": lambda c: c.store.driver.retry(W, id_of(c.reserved), 5, c.reserved),
    "requeue": lambda c: c.store.driver.requeue(W, "front", [id_of(c.reserved), id_of(c.waiting)]),
    "later": lambda c: c.store.driver.requeue(W, "later", [id_of(c.reserved)], 5),
    "fail": lambda c: c.store.driver.fail(W, State.FAILED, id_of(c.reserved), c.reserved),
    "park": lambda c: c.store.driver.park(W, id_of(c.reserved), c.reserved),
    "promote": lambda c: c.store.driver.promote(),
    "reload": lambda c: c.store.driver.restore(State.FAILED, [(c.failed, c.failed)]),
    "unpark": lambda c: c.store.driver.restore(State.PARKED, [(c.parked, c.parked)]),
    "rescue": lambda c: c.store.driver.rescue(Rescue(W)),
    "heartbeat": lambda c: c.store.driver.heartbeat(W, {"pid": 1}, lease_ms=LEASE_MS, register=True),
    "heartbeat_all": lambda c: c.store.driver.heartbeat_all([(W, {"pid": 1}), ("other", {})], lease_ms=LEASE_MS),
    "push": lambda c: c.store.driver.push([c.waiting]),
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
def test_a_move_in_a_moving_slot_loses_nothing(cluster: Cluster, moving: Channel, move: Callable[[Channel], Command]) -> None:
    """Given a slot on its way, if a script empties a list and touches it again, then the node stops it, and all messages are there."""
    store = moving.store
    command = move(moving)
    with suppress(ServerUnavailable):
        store.do(command)
    _stay(cluster, store.keys.waiting)  # a node doesn't show a key that isn't there while its slot moves
    settled = {id_of(moving.reserved)} if "ack" in command.move or "reserve" in command.move else set()
    assert {id_of(raw) for raw in moving[1:]} - {id_of(raw) for raw in store.everything()} <= settled


def test_a_move_that_was_stopped_is_tried_again(moving: Channel) -> None:
    """Given a worker whose list is empty after what it settles, if its slot is migrating, then the error allows a retry."""
    with pytest.raises(ServerUnavailable):
        moving.store.do(moving.store.driver.reserve(W, 5, [id_of(moving.reserved)]))
    assert moving.store.waiting == [moving.waiting]


def test_a_fenced_link_closes_what_it_has_given_up_at_a_node_that_it_was_sent_to(
    cluster: Cluster, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a command for the node that a slot moves to, if it is given up, then its connection there is closed before the next command."""
    driver, key = store.driver, store.keys.waiting
    _migrate(cluster, key)
    opened: list[Connection] = []

    def lose(self: Address, host: str, port: int, timeout: float) -> Connection:
        """Return a connection that gets no reply to its command: after the replies to its name, its number and ASKING."""
        connection = connect(self, host, port, timeout)
        read, replies = connection.read_response, iter(range(3))

        def reply() -> object:
            if next(replies, None) is None:
                raise redis.TimeoutError("no reply")
            return read()

        patch.setattr(connection, "read_response", reply)
        patch.setattr(connection, "disconnect", lambda: None)  # the network is so slow that the server doesn't know
        opened.append(connection)
        return connection

    connect = Address.connection_to
    try:
        with closing(driver.link(fenced=True)) as link:
            assert link.call(driver.push([message()])) == 1
            with monkeypatch.context() as patch:
                patch.setattr(Address, "connection_to", lose)
                with pytest.raises(ServerUnavailable) as caught:
                    link.call(driver.push([message()]))
            assert caught.value.sent
            assert link.call(driver.push([message()])) == 3
            (lost,) = opened
            wait_until(lambda: lost._sock.recv(1000) == b"" if lost._sock else True)
    finally:
        _stay(cluster, key)


@pytest.mark.parametrize("fenced", [False, True])
def test_a_link_follows_a_slot_to_its_new_node(cluster: Cluster, channel: Channel, fenced: bool) -> None:
    """Given a slot that has moved, when a command comes to the old node, then the new one is asked, and no other is from then on."""
    store, key = channel.store, channel.store.keys.waiting
    store.link = store.driver.link(fenced=fenced)
    source = cluster.owner(key)
    target = next(node for node in cluster.masters if node is not source)
    cluster.move(key, target)
    before = source.admin.info("errorstats").get("errorstat_MOVED", {"count": 0})["count"]
    try:
        assert [store.do(store.driver.push([message()])) for _ in range(3)] == [2, 3, 4]
        assert source.admin.info("errorstats")["errorstat_MOVED"]["count"] == before + 1
    finally:
        cluster.move(key, source)


@pytest.mark.parametrize("kind", ["async_link", "shared_link"])
def test_an_async_link_follows_it_too(cluster: Cluster, channel: Channel, kind: str) -> None:
    """Given the same from async code, then the same."""
    driver, key = channel.store.driver, channel.store.keys.waiting
    source = cluster.owner(key)

    async def push() -> list[int]:
        link = getattr(driver, kind)()
        counts = [await link.call(driver.push([message()]))]
        cluster.move(key, next(node for node in cluster.masters if node is not source))
        counts += [await link.call(driver.push([message()])) for _ in range(3)]
        await link.close()
        return counts

    before = source.admin.info("errorstats").get("errorstat_MOVED", {"count": 0})["count"]
    try:
        assert asyncio.run(push()) == [2, 3, 4, 5]
        assert source.admin.info("errorstats")["errorstat_MOVED"]["count"] == before + 1
    finally:
        cluster.move(key, source)


def test_tasks_that_share_a_link_follow_it_together(cluster: Cluster, channel: Channel) -> None:
    """Given twenty tasks that push at once to a slot that has moved, then each message is stored once, and one connection follows."""
    driver, key = channel.store.driver, channel.store.keys.waiting
    source = cluster.owner(key)
    target = next(node for node in cluster.masters if node is not source)

    async def push() -> int:
        link = driver.shared_link()
        await link.call(driver.push([message()]))
        cluster.move(key, target)
        before = target.admin.info("stats")["total_connections_received"]
        await asyncio.gather(*(link.call(driver.push([message()])) for _ in range(20)))
        opened = target.admin.info("stats")["total_connections_received"] - before
        await link.close()
        return int(opened)

    try:
        assert asyncio.run(push()) == 1
        assert target.admin.llen(key) == 22
    finally:
        cluster.move(key, source)


@pytest.mark.parametrize("kind", ["async_link", "shared_link"])
def test_an_async_link_asks_the_node_that_a_slot_migrates_to(cluster: Cluster, store: Store, kind: str) -> None:
    """Given a slot on its way, when the node no longer has the key, then the other node stores the message, for this command only."""
    driver, key = store.driver, store.keys.waiting
    _migrate(cluster, key)

    async def push() -> list[int]:
        link = getattr(driver, kind)()
        counts = await asyncio.gather(*(link.call(driver.push([message()])) for _ in range(3 if kind == "shared_link" else 1)))
        await link.close()
        return sorted(counts)

    try:
        counts = asyncio.run(push())
        assert counts == list(range(1, len(counts) + 1))
    finally:
        _stay(cluster, key)


def test_a_plain_url_of_a_node_is_explained(cluster: Cluster, prefix: str) -> None:
    """Given the URL of one node as if it were a single server, when the channel lives on another, then the error names the right scheme."""
    other = next(node for node in cluster.masters if node is not cluster.owner(Keys(prefix).waiting))
    driver = RedisDriver(other.url, ChannelSettings(name="tests", channel=prefix))
    with closing(driver.link()) as link, pytest.raises(ServerRefused, match=r"Redis Cluster node.* redis\+cluster://"):
        link.call(driver.push([message()]))
