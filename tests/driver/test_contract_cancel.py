"""The driver contract, cancelling, on every kind of server."""

from __future__ import annotations

import pytest

from taskq.channel import State
from taskq.driver.contract import StoredEnding
from taskq.wire.message import Message
from tests.conftest import OwnServer
from tests.driver.store import Store, id_of, message

W = "box:tag:7:worker"
KEPT = StoredEnding(b"cancelled", 60_000)


@pytest.mark.parametrize("state", [State.WAITING, State.DELAYED, State.PARKED])
def test_what_nobody_runs_is_taken_away_once(store: Store, state: State) -> None:
    """Given a message that is not running, when it is cancelled twice, then it is removed, and one result is stored, with an expiry."""
    raw, other = message(), message()
    if state is State.WAITING:
        store.push(raw, other)
    else:
        store.client.zadd(store.keys.of(state), {raw: 5, other: 6})
    assert [store.do(store.driver.cancel(state, raw, KEPT)) for _ in range(2)] == [1, 0]
    assert store.everything() == [other]
    assert store.do(store.driver.result(id_of(raw).hex())) == KEPT.data
    assert 0 < store.client.pttl(store.keys.result(id_of(raw).hex())) <= 60_000


def test_what_has_moved_on_is_not_cancelled(store: Store) -> None:
    """Given a message that a worker has reserved meanwhile, when it is cancelled where it was, then nothing is written."""
    store.reserved_by(W, raw := message())
    assert store.do(store.driver.cancel(State.WAITING, raw, KEPT)) == 0
    assert store.do(store.driver.result(id_of(raw).hex())) is None
    assert store.reserved(W) == [raw]


def test_an_order_calls_the_supervisor(store: Store) -> None:
    """Given a reserved message, when its end is ordered, then its supervisor is called, and finds the order until it forgets it."""
    store.reserved_by(W, message(), raw := message())
    assert store.do(store.driver.request_cancel(W, raw, b"order")) == 1
    assert store.do(store.driver.wait_for_wake(1.0, "box:tag:7:another child"))[0] == store.keys.cancel_wake(W).encode()
    assert store.do(store.driver.cancel_requests()) == [id_of(raw), b"order"]
    assert 0 < store.client.pttl(store.keys.cancels) <= 86_400_000
    store.do(store.driver.forget_cancel_request(id_of(raw)))
    assert store.do(store.driver.cancel_requests()) == []


def test_an_order_for_what_is_another_s_is_refused(store: Store) -> None:
    """Given a message that the worker no longer has, then no request is stored, and no supervisor is woken."""
    store.reserved_by("another", raw := message())
    assert store.do(store.driver.request_cancel(W, raw, b"order")) == 0
    assert store.do(store.driver.cancel_requests()) == []
    assert store.client.exists(store.keys.cancel_wake(W)) == 0


def test_a_cancel_request_for_an_earlier_attempt_is_refused(store: Store) -> None:
    """Given a request that arrives when the same worker runs the next attempt, then nothing is stored: it is for the earlier attempt."""
    raw = message()
    store.reserved_by(W, Message(raw).changed(attempts=1))
    assert store.do(store.driver.request_cancel(W, raw, b"order")) == 0
    assert store.do(store.driver.cancel_requests()) == []


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEOUT])
def test_a_reloaded_message_has_no_cancel_request(store: Store, state: State) -> None:
    """Given a cancel request that came too late for a failed message, when that is reloaded, then the request is gone; others stay."""
    store.reserved_by(W, raw := message(), other := message())
    for one in (raw, other):
        assert store.do(store.driver.request_cancel(W, one, b"order")) == 1
    store.do(store.driver.fail(W, state, id_of(raw), raw))
    assert store.do(store.driver.restore(state, [(raw, raw)])) == 1
    assert store.do(store.driver.cancel_requests()) == [id_of(other), b"order"]


def test_a_cancel_request_for_a_parked_message_stays(store: Store) -> None:
    """Given a cancel request for a message that was parked meanwhile, when that returns to waiting, then the request still applies."""
    store.reserved_by(W, raw := message())
    assert store.do(store.driver.request_cancel(W, raw, b"order")) == 1
    store.do(store.driver.park(W, id_of(raw), raw))
    assert store.do(store.driver.restore(State.PARKED, [(raw, raw)])) == 1
    assert store.do(store.driver.cancel_requests()) == [id_of(raw), b"order"]


def test_many_orders_are_one_call(store: Store) -> None:
    """Given a supervisor that isn't listening, when many orders come, then one token waits for it, and ends by itself."""
    messages = [message() for _ in range(5)]
    store.reserved_by(W, *messages)
    for raw in messages:
        store.do(store.driver.request_cancel(W, raw, b"order"))
    assert store.client.llen(store.keys.cancel_wake(W)) == 1
    assert store.client.pttl(store.keys.cancel_wake(W)) > 0


def test_a_full_server_cancels(own_server: OwnServer, prefix: str) -> None:
    """Given a server at its memory limit, then what waits can be cancelled, and what runs ordered to end."""
    server = own_server()
    store = Store(server, prefix)
    try:
        store.reserved_by(W, running := message())
        store.push(waiting := message())
        server.admin.config_set("maxmemory", "1")
        assert store.do(store.driver.cancel(State.WAITING, waiting, KEPT)) == 1
        assert store.do(store.driver.request_cancel(W, running, b"order")) == 1
    finally:
        store.close()
