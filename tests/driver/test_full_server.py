"""A server at its memory limit: pushes are refused and nothing else is. On every kind of server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from taskq.channel import State
from taskq.driver.contract import Blame, Command, Rescue
from taskq.errors import QueueFull
from taskq.wire.message import Message, new_id, wrap_foreign
from tests.conftest import OwnServer
from tests.driver.store import LEASE_MS, RECORD, Store, id_of, message
from tests.support.servers import debian_binary, old_redis_binary, valkey_binary

W = "worker-1"
BINARIES = {"valkey": valkey_binary, "redis-7": debian_binary, "redis-6.2": old_redis_binary}


@pytest.fixture(params=BINARIES)
def store(request: pytest.FixtureRequest, own_server: OwnServer, prefix: str) -> Iterator[Store]:
    """A channel on a server of this test's own."""
    find: Callable[[], Path | None] = BINARIES[request.param]
    binary = find()
    if binary is None:
        pytest.skip(f"there is no {request.param} here")
    with closing(Store(own_server(binary), prefix)) as made:
        yield made


def fill(store: Store) -> None:
    """Bring the server to its limit: it has no byte left."""
    store.client.config_set("maxmemory", "1mb")
    used = int(store.client.info("memory")["used_memory"])
    assert used > 1024 * 512
    store.client.config_set("maxmemory", used // 2)


def test_every_push_is_refused_and_stores_nothing(store: Store) -> None:
    """Given a full server, when a call is pushed in any way, then QueueFull is raised, and nothing is stored, not even a key."""
    fill(store)
    driver = store.driver
    for command in (
        driver.push([message()]),
        driver.push_later([message()], delay_ms=60_000),
        driver.push_later([message()], at_ms=5),
        driver.push_once(message(), "id"),
        driver.push_once(message(), "id", delay_ms=60_000),
    ):
        with pytest.raises(QueueFull, match="maxmemory"):
            store.do(command)
    assert store.everything() == []
    assert store.client.dbsize() == 0


def test_an_async_push_is_refused_alike(store: Store) -> None:
    """Given a full server, when something is pushed from async code, then QueueFull is raised, and the connection can be used on."""
    fill(store)

    async def push() -> None:
        link = store.driver.async_link()
        try:
            for command in (store.driver.push([message()]), store.driver.push_later([message()], delay_ms=5)):
                with pytest.raises(QueueFull, match="maxmemory"):
                    await link.call(command)
            assert await link.call(store.driver.count(State.WAITING)) == 0
        finally:
            await link.close()

    asyncio.run(push())


def _settlements(store: Store, raw: bytes) -> list[Command]:
    driver, identity = store.driver, id_of(raw)
    changed = Message(raw).changed(attempts=1, history=RECORD)
    return [
        driver.ack(W, [identity]),
        driver.retry(W, identity, 5, changed),
        driver.requeue(W, "front", [identity]),
        driver.requeue(W, "back", [identity]),
        driver.requeue(W, "later", [identity], 5),
        driver.fail(W, State.FAILED, identity, changed),
        driver.fail(W, State.TIMEOUT, identity, changed),
        driver.park(W, identity, changed),
    ]


@pytest.mark.parametrize("place", [0, 1], ids=["first", "not-first"])
def test_a_worker_settles_in_every_way(store: Store, place: int) -> None:
    """Given a full server, when a worker settles what it has, in order or not, then each settlement works."""
    for number in range(8):
        messages = [message(), message()]
        store.reserved_by(W, *messages)
        fill(store)
        assert store.do(_settlements(store, messages[place])[number]) == 1
        store.client.config_set("maxmemory", 0)
        store.client.delete(store.keys.reserved(W), store.keys.waiting)


def test_a_worker_reserves_and_beats(store: Store) -> None:
    """Given a full server, then a worker registers, beats, reserves batches, and settles in the same round trip."""
    messages = [message(str(number)) for number in range(300)]
    store.push(*messages)
    fill(store)
    assert store.do(store.driver.heartbeat(W, {"pid": 1, "job": "x" * 100}, lease_ms=LEASE_MS, register=True))[0] == 0
    assert store.do(store.driver.heartbeat(W, {"pid": 1}, lease_ms=LEASE_MS, register=False))[:2] == [1, 0]
    assert store.reserve(W, 100) == messages[:100]
    settled, _, more = store.do(store.driver.reserve(W, 256, [id_of(raw) for raw in messages[:100]]))
    assert (settled, more) == (100, messages[100:])


def test_foreign_messages_get_their_heads(store: Store) -> None:
    """Given a full server, then foreign messages that a worker has reserved get a head, which makes them longer."""
    raw = b'{"job": "x:y"}'
    store.reserved_by(W, raw)
    fill(store)
    stamped = wrap_foreign(raw)
    assert store.do(store.driver.stamp(W, [(raw, stamped)])) == [1]
    assert store.reserved(W) == [stamped]


def test_due_messages_are_promoted(store: Store) -> None:
    """Given a full server, then what is due is moved to waiting."""
    messages = [message(str(number)) for number in range(50)]
    store.do(store.driver.push_later(messages, at_ms=5))
    fill(store)
    assert store.do(store.driver.promote()) == [50, -1]
    assert store.waiting == messages


@pytest.mark.parametrize("blame", ["", "head", "id"])
@pytest.mark.parametrize("crashes", [0, 1, 3, 4])
def test_a_dead_worker_is_rescued(store: Store, blame: str, crashes: int) -> None:
    """Given a full server and a dead worker, then what it had comes back, the blamed message with a record that makes it longer."""
    messages = [message(crashes=crashes), message()]
    store.reserved_by(W, *messages)
    fill(store)
    who: Any = id_of(messages[0]) if blame == "id" else blame
    blamed = (Blame(who, "crash", RECORD),) if blame else ()
    assert store.do(store.driver.rescue(Rescue(W, blamed=blamed)))[0] == 2
    assert sorted(map(id_of, store.everything())) == sorted(map(id_of, messages))
    assert store.reserved(W) == []


def test_a_killed_timeout_is_settled(store: Store) -> None:
    """Given a full server, then a job that was killed at its time limit is delayed for its next run."""
    store.reserved_by(W, raw := message())
    fill(store)
    assert store.do(store.driver.rescue(Rescue(W, blamed=(Blame(id_of(raw), "timeout", RECORD, 5_000),)))) == [1, 0, 0]
    assert len(store.delayed) == 1


def test_an_operator_can_make_room(store: Store) -> None:
    """Given a full server, then messages are withdrawn, deleted, flushed and reloaded."""
    waiting, failed, parked = message(), message(), message()
    store.push(waiting, message())
    store.client.zadd(store.keys.failed, {failed: store.now(), message(): store.now()})
    store.client.zadd(store.keys.parked, {parked: store.now()})
    fill(store)
    assert store.do(store.driver.restore(State.PARKED, [(parked, parked)])) == 1
    assert store.do(store.driver.withdraw(waiting)) == 1
    assert store.do(store.driver.remove(State.FAILED, failed)) == 1
    assert store.do(store.driver.flush(State.FAILED, 10)) == 1
    assert store.do(store.driver.flush(State.WAITING, 10)) == 2
    assert store.everything() == []


def test_pushes_work_again_when_there_is_room(store: Store) -> None:
    """Given a server that was full, when its limit is raised, then the same connection pushes again."""
    fill(store)
    with pytest.raises(QueueFull):
        store.push(message())
    store.client.config_set("maxmemory", 0)
    store.push(raw := message())
    assert store.waiting == [raw]


def test_a_worker_puts_back_what_the_server_lost(store: Store) -> None:
    """Given a server that lost a worker's list and is full, then the worker can restore it."""
    held = [message(), message()]
    store.register(W)
    fill(store)
    assert store.do(store.driver.adopt(W, held)) == 2
    assert store.reserved(W) == held
    assert new_id() not in map(id_of, store.everything())
