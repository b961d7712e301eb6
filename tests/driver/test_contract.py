"""The driver contract, what every move keeps, on every kind of server."""

from __future__ import annotations

from contextlib import suppress

import pytest

from taskq.channel import MOVES, State
from taskq.driver.contract import Blame, Rescue
from taskq.errors import ServerRefused
from tests.driver.store import LEASE_MS, RECORD, Store, id_of, message

W = "worker-1"


def test_every_move_of_the_table_is_made_here(store: Store) -> None:
    """Given the table of moves, then each is made by a command of the driver that names it."""
    made = {
        "push",
        "delete",
        "promote",
        "reserve",
        "ack",
        "retry",
        "requeue",
        "finish",
        "cancel",
        "fail",
        "rescue",
        "park",
        "restore",
        "flush",
    }
    served = {"drop": "ack", "reload": "restore", "unpark": "restore"}
    assert {served.get(move.name, move.name) for move in MOVES} == made


def test_scripts_are_sent_again_when_the_server_forgot_them(store: Store) -> None:
    """Given a server that forgot its scripts (a restart, SCRIPT FLUSH), then every move works as before."""
    for _ in range(2):
        store.client.script_flush()
        store.do(store.driver.push_later([message()], at_ms=5))
        store.client.script_flush()
        assert store.do(store.driver.promote())[0] == 1
        store.client.script_flush()
        store.register(W)
        (raw,) = store.reserve(W)
        store.client.script_flush()
        assert store.do(store.driver.ack(W, [id_of(raw)])) == 1


WRONG = ["waiting", "delayed", "failed", "timeout", "parked", "wake", "workers", "reserved", "hash"]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_key_of_another_type_loses_nothing(store: Store, wrong: str) -> None:
    """Given one key that something else has overwritten, when every move is tried, then no message is lost, and none is there twice."""
    messages = [message(str(number)) for number in range(3)]
    store.reserved_by(W, *messages)
    delayed, waiting, failed, parked = message("delayed"), message("waiting"), message("failed"), message("parked")
    store.do(store.driver.push_later([delayed], at_ms=5))
    store.push(waiting)
    store.client.zadd(store.keys.failed, {failed: store.now()})
    store.client.zadd(store.keys.parked, {parked: 5})
    key = {"reserved": store.keys.reserved(W), "hash": store.keys.worker(W)}.get(wrong) or getattr(store.keys, wrong)
    before = {id_of(raw) for raw in store.everything()}
    kept, ttl = store.client.dump(key), max(0, store.client.pttl(key))
    store.client.set(key, "not what it should be")
    driver = store.driver
    first = id_of(messages[0])
    for command in [
        driver.retry(W, first, 50, messages[0]),
        driver.requeue(W, "front", [first, id_of(messages[1])]),
        driver.requeue(W, "back", [first]),
        driver.requeue(W, "later", [first], 50),
        driver.fail(W, State.FAILED, first, messages[0]),
        driver.fail(W, State.TIMEOUT, first, messages[0]),
        driver.park(W, first, messages[0]),
        driver.promote(),
        driver.restore(State.FAILED, [(failed, failed)]),
        driver.restore(State.PARKED, [(parked, parked)]),
        driver.reserve(W, 1, []),
        driver.heartbeat(W, {"pid": 1}, lease_ms=LEASE_MS, register=True),
        *[driver.rescue(Rescue(W, blamed=blamed)) for blamed in ((), (Blame("head"),), (Blame("all"),), (Blame(first),))],
        *[driver.rescue(Rescue(W, blamed=(Blame("head", "timeout", RECORD, 5),))) for _ in range(2)],
    ]:
        with suppress(ServerRefused):
            store.do(command)
    store.client.delete(key)
    if kept is not None:
        store.client.restore(key, ttl, kept)
    found = [id_of(raw) for raw in store.everything()]
    assert set(found) == before
    assert len(found) == len(set(found))


def test_a_wake_key_of_another_type_stops_no_push(store: Store) -> None:
    """Given a broken wake key, when messages are delayed, then they are stored: the token only saves time."""
    store.client.set(store.keys.wake, "text")
    assert store.do(store.driver.push_later([message(), message()], delay_ms=60_000)) == 2
    assert len(store.delayed) == 2
