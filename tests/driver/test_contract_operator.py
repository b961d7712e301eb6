"""The driver contract, what an operator moves, on every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.channel import State
from taskq.wire.message import Message
from tests.driver.store import Store, message

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
    assert [store.do(driver.remove(state, messages[2])) for _ in range(2)] == [1, 0]
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
