"""The driver contract, what an operator moves, on every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.channel import State
from taskq.wire.message import Message
from tests.driver.store import Store, id_of, message

W = "worker-1"


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEOUT, State.PARKED])
def test_a_reload_brings_messages_back_once(store: Store, state: State) -> None:
    """Given failed messages, when two operators reload the same ones, then each returns to waiting once, with its new bytes."""
    aside = message(attempts=3)
    fresh = Message(aside).changed(attempts=0)
    store.client.zadd(store.keys.of(state), {aside: 5})
    store.push(other := message())
    replies = [store.do(store.driver.restore(state, [(aside, fresh), (message(), message())])) for _ in range(2)]
    assert replies == [1, 0]
    assert store.everything() == store.waiting == [other, fresh]


@pytest.mark.parametrize("state", [State.DELAYED, State.FAILED, State.TIMEOUT, State.PARKED, State.WAITING])
def test_states_are_counted_paged_and_flushed(store: Store, state: State) -> None:
    """Given messages of a state, then they are counted, shown by pages, removed, and flushed some at a time, the oldest first."""
    messages = [message(str(number)) for number in range(5)]
    if state is State.WAITING:
        store.push(*messages)
    else:
        store.client.zadd(store.keys.of(state), {raw: number for number, raw in enumerate(messages)})
    driver = store.driver
    assert store.do(driver.count(state)) == 5
    assert _messages(store.do(driver.page(state, 1, 2)), state) == messages[1:3]
    assert _messages(store.do(driver.page(state, 4, 9)), state) == messages[4:]
    assert _messages(store.do(driver.page(state, 5, 9)), state) == []
    remove = driver.withdraw(messages[2]) if state is State.WAITING else driver.remove(state, messages[2])
    assert [store.do(remove) for _ in range(2)] == [1, 0]
    assert store.do(driver.flush(state, 0)) == 0
    assert store.do(driver.flush(state, 2)) == 2
    assert _messages(store.do(driver.page(state, 0, 9)), state) == messages[3:]
    assert store.do(driver.flush(state, 9, store.now() - 1)) == -1
    assert store.do(driver.flush(state, 9, store.now() + 60_000)) == 2
    assert store.do(driver.flush(state, 9)) == 0
    assert store.do(driver.count(state)) == 0


def _messages(page: Any, state: State) -> list[bytes]:
    """The messages of a page, oldest first."""
    if state is State.WAITING:
        return list(reversed(page))
    return list(page[::2])


def test_ids_are_searched_by_prefix(store: Store) -> None:
    """Given messages in a list and in a sorted set, and a stored result, then the ids with a prefix are found, page by page."""
    waiting, failed = [message(str(number)) for number in range(3)], message("failed")
    store.push(*waiting)
    store.client.zadd(store.keys.failed, {failed: 5})
    assert store.do(store.driver.search(State.WAITING, id_of(waiting[1]), 0, 10)) == [3, id_of(waiting[1])]
    assert sorted(store.do(store.driver.search(State.WAITING, id_of(waiting[0])[:2], 0, 10))[1:]) == sorted(map(id_of, waiting))
    pages = [store.do(store.driver.search(State.WAITING, id_of(waiting[0])[:2], start, 2)) for start in (0, 2, 4)]
    assert [page[0] for page in pages] == [2, 1, 0]
    assert store.do(store.driver.search(State.FAILED, id_of(failed)[:15], 0, 10)) == [1, id_of(failed)]
    assert store.do(store.driver.search("nobody", id_of(failed), 0, 10)) == [0]
    assert store.do(store.driver.scan_results(b"0", id_of(failed).hex()[:20]))[1] == []
