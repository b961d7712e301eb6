"""The driver contract, what is kept of a message's end, on every kind of server."""

from __future__ import annotations

import pytest

from taskq.channel import State
from taskq.driver.contract import StoredEnding
from taskq.driver.find import AROUND
from taskq.errors import QueueFull
from tests.conftest import OwnServer
from tests.driver.store import Store, id_of, message
from tests.support.wait import wait_until

W = "worker-1"
KEPT = StoredEnding(b"how it ended", 60_000)


def _result(store: Store, raw: bytes) -> bytes | None:
    found: bytes | None = store.do(store.driver.result(id_of(raw).hex()))
    return found


def test_a_result_is_stored_when_the_message_is_settled_and_expires(store: Store) -> None:
    """Given a reserved message, when it is finished, then it is removed, and its result is stored with an expiry."""
    store.reserved_by(W, raw := message(), other := message())
    assert store.do(store.driver.finish(W, id_of(raw), KEPT)) == 1
    assert store.everything() == [other]
    assert _result(store, raw) == KEPT.data
    assert 0 < store.client.pttl(store.keys.result(id_of(raw).hex())) <= 60_000


def test_who_lost_a_message_leaves_no_result(store: Store) -> None:
    """Given a message that is another's by now, when the first worker finishes or fails it, then nothing is written."""
    store.reserved_by("another", raw := message())
    assert store.do(store.driver.finish(W, id_of(raw), KEPT)) == 0
    assert store.do(store.driver.fail(W, State.FAILED, id_of(raw), raw, KEPT)) == 0
    assert _result(store, raw) is None
    assert store.reserved("another") == [raw]


def test_results_travel_with_the_acks_each_behind_its_fence(store: Store) -> None:
    """Given a batch, if one of its messages was reassigned, then acks and reserves store only the results of the others."""
    for number, ordered in ((0, True), (1, True), (1, False), (2, False)):
        messages = [message() for _ in range(3)]
        store.reserved_by(W, *messages)
        store.do(store.driver.requeue(W, "back", [id_of(messages[number])]))
        endings = [(id_of(raw), StoredEnding(str(place).encode(), 60_000)) for place, raw in enumerate(messages)]
        ids = [identity for identity, _ in endings]
        assert store.do(store.driver.ack(W, ids, ordered=ordered, endings=endings)) == 2
        assert [_result(store, raw) for raw in messages] == [None if place == number else str(place).encode() for place in range(3)]
        settled, _, again = store.do(store.driver.reserve(W, 5, ids, ordered=ordered, endings=endings))
        assert (settled, again) == (0, [messages[number]])
        assert store.do(store.driver.reserve(W, 5, ids[number : number + 1], ordered=ordered, endings=endings[number : number + 1])) == [
            1,
            1,
            [],
        ]
        assert _result(store, messages[number]) == str(number).encode()
        assert 0 < store.client.pttl(store.keys.result(ids[number].hex())) <= 60_000
    assert store.everything() == []


def test_a_result_takes_the_place_of_anything_else(store: Store) -> None:
    """Given an earlier result, or a key of another type in its place, when a message is settled, then its result is the only one."""
    raws = [message(), message()]
    store.reserved_by(W, *raws)
    store.client.rpush(store.keys.result(id_of(raws[0]).hex()), "old", "older")
    store.client.set(store.keys.result(id_of(raws[1]).hex()), "no list")
    assert store.do(store.driver.ack(W, [id_of(raw) for raw in raws], endings=[(id_of(raw), KEPT) for raw in raws])) == 2
    assert [store.client.lrange(store.keys.result(id_of(raw).hex()), 0, -1) for raw in raws] == [[KEPT.data]] * 2


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEOUT])
def test_a_failure_is_stored_beside_the_message(store: Store, state: State) -> None:
    """Given a message that fails permanently, then it is in its state, and the failure is stored as its result."""
    store.reserved_by(W, raw := message())
    assert store.do(store.driver.fail(W, state, id_of(raw), raw, KEPT)) == 1
    assert store.in_state(state) == [raw]
    assert _result(store, raw) == KEPT.data


def test_a_failure_without_a_result_leaves_no_key(store: Store) -> None:
    """Given a job that doesn't store results, when it fails, then no key of a result exists."""
    store.reserved_by(W, raw := message())
    store.do(store.driver.fail(W, State.FAILED, id_of(raw), raw))
    assert not store.client.exists(store.keys.result(id_of(raw).hex()))


def test_a_reload_forgets_how_the_run_before_ended(store: Store) -> None:
    """Given a failed message with a kept failure, when it is reloaded, then who waits next waits for the new run."""
    store.reserved_by(W, raw := message())
    store.do(store.driver.fail(W, State.FAILED, id_of(raw), raw, KEPT))
    assert store.do(store.driver.restore(State.FAILED, [(raw, raw)])) == 1
    assert _result(store, raw) is None


def test_a_result_wakes_every_blocked_client_and_stays(store: Store) -> None:
    """Given three who wait in the server before there is a result, when it comes, then all have it, and it keeps its expiry."""
    store.reserved_by(W, raw := message())
    links = [store.driver.link() for _ in range(3)]
    for link in links:
        link.send(store.driver.wait_for_result(id_of(raw).hex(), 5.0))
    wait_until(lambda: store.client.info("clients")["blocked_clients"] >= 3)
    store.do(store.driver.finish(W, id_of(raw), KEPT))
    assert [link.receive() for link in links] == [KEPT.data] * 3
    assert _result(store, raw) == KEPT.data
    assert store.client.pttl(store.keys.result(id_of(raw).hex())) > 0
    for link in links:
        link.close()


def test_a_wait_without_a_result_ends(store: Store) -> None:
    """Given no result, when the timeout is over, then the reply is empty, and no key was created."""
    assert store.do(store.driver.wait_for_result(id_of(message()).hex(), 0.05)) is None
    assert store.client.keys(store.keys.tag + ":result:*") == []


def test_a_result_of_another_type_is_written_over(store: Store) -> None:
    """Given a result's key that something else has overwritten, when the message is finished, then the result is there."""
    store.reserved_by(W, raw := message())
    store.client.set(store.keys.result(id_of(raw).hex()), "text")
    assert store.do(store.driver.finish(W, id_of(raw), KEPT)) == 1
    assert _result(store, raw) == KEPT.data


def test_a_full_server_still_keeps_results(own_server: OwnServer, prefix: str) -> None:
    """Given a server at its memory limit, when a message is finished, then it is settled with its result; who waits must ask."""
    server = own_server()
    store = Store(server, prefix)
    try:
        store.reserved_by(W, raw := message())
        server.admin.config_set("maxmemory", "1")
        assert store.do(store.driver.finish(W, id_of(raw), KEPT)) == 1
        with pytest.raises(QueueFull):
            store.do(store.driver.wait_for_result(id_of(raw).hex(), 1.0))
        assert _result(store, raw) == KEPT.data
    finally:
        store.close()


@pytest.mark.parametrize("state", [State.WAITING, State.DELAYED, State.FAILED, State.TIMEOUT, State.PARKED])
def test_a_message_is_found_by_its_id(store: Store, state: State) -> None:
    """Given many messages in a state, when one is looked for in pages, then its bytes come with the page that holds it."""
    messages = [message(str(number)) for number in range(10)]
    if state is State.WAITING:
        store.push(*messages)
    else:
        store.client.zadd(store.keys.of(state), {raw: number for number, raw in enumerate(messages)})
    wanted = id_of(messages[3]).hex()
    assert store.do(store.driver.find(state, wanted, 0, 4)) == [4]  # newest first: 9, 8, 7, 6
    assert store.do(store.driver.find(state, wanted, 4, 4)) == [4, messages[3]]
    assert store.do(store.driver.find(state, wanted, 8, 4)) == [2]


def test_a_reserved_message_is_found_with_its_worker(store: Store) -> None:
    """Given a message that a worker has reserved, then it is found in that worker's list, and in no other's."""
    store.reserved_by(W, raw := message())
    assert store.do(store.driver.find(W, id_of(raw).hex(), 0, 100)) == [1, raw]
    assert store.do(store.driver.find("another", id_of(raw).hex(), 0, 100)) == [0]


def test_pending_bytes_are_found_at_once(store: Store) -> None:
    """Given a message as it was pushed, then one command finds it in delayed, and one in waiting, without reading every page."""
    store.push(raw := message())
    store.do(store.driver.push_later([later := message()], delay_ms=60_000))
    assert store.do(store.driver.find(State.WAITING, id_of(raw).hex(), AROUND, 10)) == [1, raw]
    assert store.do(store.driver.find(State.WAITING, id_of(later).hex(), AROUND, 10)) == [1]
    assert store.do(store.driver.position(State.DELAYED, later)) is not None
    assert store.do(store.driver.position(State.DELAYED, raw)) is None


def test_progress_is_reported_and_expires(store: Store) -> None:
    """Given two messages of which one has reported progress, then one command reads both, and the key has an expiry."""
    first, second = id_of(message()).hex(), id_of(message()).hex()
    store.do(store.driver.report_progress(second, b"half", 60_000))
    assert store.do(store.driver.progress([first, second])) == [None, b"half"]
    assert 0 < store.client.pttl(store.keys.progress(second)) <= 60_000
