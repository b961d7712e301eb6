"""The removal of a message from waiting, on a real server: bounded commands, while others push and reserve."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from taskq.channel import State
from taskq.config import ChannelSettings
from taskq.driver import remove
from taskq.driver.contract import Command, StoredEnding
from taskq.driver.find import AROUND, find
from taskq.driver.redis import driver as module
from taskq.driver.redis.driver import RedisDriver
from taskq.driver.steps import run
from taskq.wire.message import REMOVED, is_stamped, message_id
from tests.driver.store import Store, id_of, message
from tests.support.acl import make_user
from tests.support.servers import ServerProcess

pytestmark = pytest.mark.one_python
KEPT = StoredEnding(b"cancelled", 60_000)


@pytest.fixture
def store(server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A channel in which a list of ten messages is a long one, and a page has eight."""
    monkeypatch.setattr(module, "REACH", 4)
    monkeypatch.setattr(module, "PAGE", 8)
    made = Store(server, prefix)
    yield made
    made.close()


def _withdraw(store: Store, raw: bytes, call: Callable[[Command], Any] | None = None) -> bool:
    return run(remove.withdraw(store.driver, raw), call or store.link.call)


def _cancel(store: Store, raw: bytes) -> bool:
    return run(remove.cancel(store.driver, State.WAITING, raw, KEPT), store.link.call)


def _left(store: Store) -> list[bytes]:
    """What waits and was not removed, in the order in which workers reserve it."""
    return [raw for raw in store.waiting if raw[0] != REMOVED]


@pytest.mark.parametrize("is_sorted", [True, False])
def test_the_others_stay_in_their_order(store: Store, is_sorted: bool) -> None:
    """Given many waiting messages, in the order of their ids or in none, when some are removed, then the others keep their order."""
    messages = [message(str(number)) for number in range(60)] + [b'{"job": "a:b", "args": [%d]}' % number for number in range(5)]
    if not is_sorted:
        random.shuffle(messages)
    store.push(*messages)
    left = list(messages)
    for number, raw in enumerate(random.sample(messages, 50)):
        left.remove(raw)
        assert (_withdraw if number % 2 else _cancel)(store, raw)
        assert not (_cancel if number % 2 else _withdraw)(store, raw)
        assert _left(store) == left
    marks = [raw for raw in store.waiting if raw[0] == REMOVED]
    assert marks
    assert all(is_stamped(mark) and len(mark) == 25 for mark in marks)
    assert len(set(map(message_id, marks))) == len(marks)


def test_a_cancelled_message_leaves_its_final_state(store: Store) -> None:
    """Given a message in the middle, when it is cancelled, then its final state is stored, and no search finds it."""
    messages = [message(str(number)) for number in range(40)]
    store.push(*messages)
    wanted = messages[20]
    assert _cancel(store, wanted)
    assert store.do(store.driver.result(id_of(wanted).hex())) == KEPT.data
    assert run(find(store.driver, id_of(wanted).hex()), store.link.call) is None
    assert store.do(store.driver.search(State.WAITING, id_of(wanted), 0, 100)) == [40]
    assert store.do(store.driver.count(State.WAITING)) == 40  # a worker settles the mark


def test_a_mark_is_reserved_and_settled_like_a_message(store: Store) -> None:
    """Given the mark of a removed message, then a worker reserves and settles it by its id, and a rescue returns it."""
    messages = [message(str(number)) for number in range(20)]
    store.push(*messages)
    assert _withdraw(store, messages[10])
    store.register("w")
    reserved = store.reserve("w", 100)
    assert list(map(id_of, reserved)) == list(map(id_of, messages))
    assert store.do(store.driver.requeue("w", "front", [id_of(messages[10])])) == 1
    assert store.reserve("w", 1) == [reserved[10]]
    assert store.do(store.driver.ack("w", list(map(id_of, messages)))) == 20
    assert store.everything() == []


def test_messages_that_arrive_meanwhile_hide_none(store: Store) -> None:
    """Given others that push and reserve between the commands of a removal, then the message is found at its new place."""
    messages = [message(str(number)) for number in range(100)]
    random.shuffle(messages)
    store.push(*messages)
    store.register("w")

    def call(command: Command) -> Any:
        reply = store.link.call(command)
        store.push(*[message() for _ in range(5)])
        store.reserve("w", 1)
        return reply

    assert _withdraw(store, messages[60], call)
    assert messages[60] not in store.everything()


def test_removals_meanwhile_hide_none(store: Store) -> None:
    """Given another client that removes the newest message between the commands of a removal, then each message is found nevertheless."""

    def call(command: Command) -> Any:
        reply = store.link.call(command)
        assert store.do(store.driver.withdraw(store.waiting[-1], 0)) == 1
        return reply

    for place in range(40, 50):
        messages = [message(str(number)) for number in range(80)]
        store.push(*messages[::-1])  # not in the order of their ids: where the id would be, there are others
        assert _withdraw(store, messages[place], call)
        store.client.delete(store.keys.waiting)


def test_what_a_worker_has_reserved_is_not_removed(store: Store) -> None:
    """Given a message that is no longer waiting, then the pages of a long list are read once, and nothing is removed."""
    messages = [message(str(number)) for number in range(40)]
    store.push(*messages)
    store.register("w")
    store.reserve("w", 1)
    calls: list[Command] = []

    def call(command: Command) -> Any:
        calls.append(command)
        return store.link.call(command)

    assert not _withdraw(store, messages[0], call)
    assert len(calls) == 1 + 6
    assert _left(store) == messages[1:]


def test_one_call_finds_a_message_by_its_time(store: Store) -> None:
    """Given a long list in the order of the ids, then a look around the place of the id finds each message."""
    messages = [message(str(number)) for number in range(200)]
    store.push(*messages)
    for raw in messages[::7]:
        assert store.do(store.driver.find(State.WAITING, id_of(raw).hex(), AROUND, 8))[1:] == [raw]


@pytest.mark.parametrize("size", [100, 3_000, 50_000])
def test_one_call_finds_a_large_message_by_its_time(store: Store, size: int) -> None:
    """Given messages so large that a page has few of them, then the page around the place of an id has its message."""
    messages = [message("x" * size) for _ in range(150)]
    store.push(*messages[:6])
    assert [store.do(store.driver.find(State.WAITING, id_of(raw).hex(), AROUND, 1000)) for raw in messages[:6]] == [
        [6, raw] for raw in messages[:6]
    ]
    store.push(*messages[6:])
    for raw in (messages[0], messages[1], messages[70], messages[148], messages[149]):
        assert store.do(store.driver.find(State.WAITING, id_of(raw).hex(), AROUND, 1000))[1:] == [raw]


def test_a_user_who_may_not_read_messages_removes_them_at_once(store: Store, server: ServerProcess) -> None:
    """Given a producer, who has no right to read messages, when it deletes one of many, then the server removes it without a mark."""
    messages = [message(str(number)) for number in range(40)]
    store.push(*messages)
    link = RedisDriver(make_user(server, "shop-producer", store.keys.prefix), ChannelSettings(name="tests")).link()
    with closing(link):
        assert _withdraw(store, messages[20], link.call)
        assert not _withdraw(store, messages[20], link.call)
    assert store.waiting == [raw for raw in messages if raw != messages[20]]


def test_a_page_of_large_messages_is_short(store: Store) -> None:
    """Given messages of 100 KB, then a search reads eight of them in one command, and reads on."""
    messages = [message("x" * 100_000) for _ in range(20)]
    store.push(*messages)
    assert store.do(store.driver.find(State.WAITING, "00" * 16, 0, 1000)) == [8]
    assert run(find(store.driver, id_of(messages[0]).hex()), store.link.call) == (State.WAITING, messages[0], "")
