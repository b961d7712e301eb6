"""The driver contract, what an application moves: push, delay, promote, withdraw, on every kind of server."""

from __future__ import annotations

import pytest

from taskq.errors import ServerRefused
from taskq.wire.message import new_id
from tests.driver.store import Store, id_of, message
from tests.support.wait import wait_until

W = "worker-1"


def test_what_is_pushed_first_is_reserved_first(store: Store) -> None:
    """Given messages pushed one by one and many at once, then they wait in the order of their pushes."""
    messages = [message(str(number)) for number in range(6)]
    store.push(messages[0])
    store.push(*messages[1:5])
    store.push(messages[5])
    assert store.waiting == messages
    store.register(W)
    assert store.reserve(W) == messages


def test_a_delayed_push_is_due_by_the_server_s_clock(store: Store) -> None:
    """Given a delay, when it is pushed, then it is due that long after the server's now."""
    raw = message()
    before = store.now()
    assert store.do(store.driver.push_later([raw], delay_ms=60_000)) == 1
    assert before + 60_000 <= store.due(raw) <= store.now() + 60_000
    assert store.waiting == []


def test_a_moment_is_kept_as_it_was_given(store: Store) -> None:
    """Given a moment in ten years and one long past, then they are due then, to the millisecond, and the past one is promoted at once."""
    future, past = message("future"), message("past")
    moment = store.now() + 10 * 366 * 86_400_000
    store.do(store.driver.push_later([future], at_ms=moment))
    store.do(store.driver.push_later([past], at_ms=5))
    assert (store.due(future), store.due(past)) == (moment, 5)
    assert store.do(store.driver.promote())[0] == 1
    assert store.waiting == [past]


def test_two_equal_calls_with_one_delay_are_two_messages(store: Store) -> None:
    """Given the same call twice with one moment, then both are kept."""
    moment = store.now() + 60_000
    for _ in range(2):
        store.do(store.driver.push_later([message("same"), message("same")], at_ms=moment))
    assert len(store.delayed) == 4


def test_a_great_many_messages_go_in_one_command(store: Store) -> None:
    """Given more messages than Lua can unpack at once, when they are pushed for later and as one, then all are stored in order."""
    messages = [message(str(number)) for number in range(9_000)]
    moment = store.now() + 60_000
    assert store.do(store.driver.push_later(messages, at_ms=moment)) == 9_000
    assert store.delayed == sorted(messages, key=id_of)
    store.push(*messages)
    assert store.waiting == messages


def test_delayed_messages_are_stored_together(store: Store) -> None:
    """Given messages with one moment, when they are pushed for later, then a look at the first due and one ZADD store them."""
    store.do(store.driver.push_later([message()], delay_ms=60_000))  # loads the script

    def calls(command: str) -> int:
        return int(store.client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])

    before = calls("zadd"), calls("zrange"), calls("lpush")
    store.do(store.driver.push_later([message() for _ in range(500)], delay_ms=30_000))
    assert (calls("zadd"), calls("zrange"), calls("lpush")) == tuple(number + 1 for number in before)
    assert (len(store.delayed), store.tokens) == (501, 1)


@pytest.mark.parametrize("when", [{}, {"delay_ms": 60_000}, {"at_ms": 5}])
def test_a_repeatable_push_is_stored_once(store: Store, when: dict[str, int]) -> None:
    """Given a push that may be repeated, when it is sent three times, then it is stored once, and the marker goes away by itself."""
    raw, identity = message(), new_id().hex()
    replies = [store.do(store.driver.push_once(raw, identity, **when)) for _ in range(3)]
    assert replies == [1, 0, 0]
    assert store.everything() == [raw]
    assert 0 < store.client.pttl(store.keys.once(identity)) <= 5_400_000


def test_a_repeatable_push_without_a_delay_keeps_the_order(store: Store) -> None:
    """Given a repeatable push among others, then it waits in its turn."""
    messages = [message(str(number)) for number in range(3)]
    store.push(messages[0])
    store.do(store.driver.push_once(messages[1], "id"))
    store.push(messages[2])
    assert store.waiting == messages


@pytest.mark.parametrize("key", ["waiting", "delayed"])
def test_a_refused_repeatable_push_leaves_no_marker(store: Store, key: str) -> None:
    """Given a key of another type, when a repeatable push is refused and the key is mended, then the same push can be stored."""
    store.client.set(getattr(store.keys, key), "text")
    raw, later = message(), {"delay_ms": 60_000} if key == "delayed" else {}
    with pytest.raises(ServerRefused):
        store.do(store.driver.push_once(raw, "id", **later))
    store.client.delete(getattr(store.keys, key))
    assert store.do(store.driver.push_once(raw, "id", **later)) == 1
    assert store.everything() == [raw]


def test_a_token_wakes_the_supervisor_only_for_an_earlier_message(store: Store) -> None:
    """Given a delayed message, when later ones come, then no token is there; an earlier one leaves exactly one."""
    now = store.now()
    store.do(store.driver.push_later([message()], at_ms=now + 50_000))
    assert store.tokens == 1
    assert store.do(store.driver.wait_for_wake(1)) is not None
    store.do(store.driver.push_later([message(), message()], at_ms=now + 60_000))
    store.do(store.driver.push_later([message()], at_ms=now + 50_000))
    assert store.tokens == 0
    for moment in (40_000, 30_000, 20_000):
        store.do(store.driver.push_later([message()], at_ms=now + moment))
    assert store.tokens == 1


def test_due_messages_wait_in_due_order(store: Store) -> None:
    """Given messages pushed in another order than they are due, when they are promoted, then the first due is reserved first."""
    order = [5, 1, 3, 2, 4]
    messages = {due: message(str(due)) for due in order}
    for due in order:
        store.do(store.driver.push_later([messages[due]], at_ms=due))
    store.push(waiting := message("waits already"))
    assert store.do(store.driver.promote()) == [5, -1]
    assert store.waiting == [waiting, *(messages[due] for due in sorted(order))]


def test_messages_due_at_once_wait_in_the_order_of_their_pushes(store: Store) -> None:
    """Given messages with one moment, when they are promoted, then they wait as they were pushed."""
    messages = [message(str(number)) for number in range(20)]
    store.do(store.driver.push_later(messages, at_ms=7))
    store.do(store.driver.promote())
    assert store.waiting == messages


def test_promote_moves_no_more_than_its_limit(store: Store) -> None:
    """Given more due messages than the limit, then that many are moved, and the reply shows that more are due now."""
    messages = [message(str(number)) for number in range(5)]
    store.do(store.driver.push_later(messages, at_ms=7))
    assert store.do(store.driver.promote(2)) == [2, 0]
    assert store.do(store.driver.promote(2)) == [2, 0]
    assert store.do(store.driver.promote(2)) == [1, -1]
    assert store.waiting == messages


def test_promote_takes_a_thousand_at_once(store: Store) -> None:
    """Given its largest limit, then a call moves a thousand."""
    store.do(store.driver.push_later([message(str(number)) for number in range(1_200)], at_ms=7))
    assert store.do(store.driver.promote(1000)) == [1000, 0]
    assert store.do(store.driver.promote(1000)) == [200, -1]


def test_promote_returns_when_the_next_is_due(store: Store) -> None:
    """Given nothing due yet, then nothing is moved, and the reply contains the milliseconds until the next."""
    assert store.do(store.driver.promote()) == [0, -1]
    raw = message()
    store.do(store.driver.push_later([raw], delay_ms=60_000))
    moved, wait = store.do(store.driver.promote())
    assert moved == 0
    assert 59_000 < wait <= 60_000
    assert store.delayed == [raw]


def test_a_fraction_of_a_second_counts(store: Store) -> None:
    """Given a delay of 30 ms, then the message isn't due before, and is soon after."""
    raw = message()
    store.do(store.driver.push_later([raw], delay_ms=30))
    due = store.due(raw)
    wait_until(lambda: store.do(store.driver.promote())[0], interval=0.001)
    assert store.now() >= due
    assert store.waiting == [raw]


def test_a_pending_message_can_be_withdrawn(store: Store) -> None:
    """Given a waiting and a delayed message, when they are withdrawn, then they are removed, and a second try finds nothing."""
    waiting, delayed, other = message("same"), message("same"), message("same")
    store.push(other, waiting)
    store.do(store.driver.push_later([delayed], delay_ms=60_000))
    for raw in (waiting, delayed):
        assert store.do(store.driver.withdraw(raw)) == 1
        assert store.do(store.driver.withdraw(raw)) == 0
    assert store.everything() == [other]


def test_a_reserved_message_can_t_be_withdrawn(store: Store) -> None:
    """Given a message that a worker has, then it is too late."""
    store.reserved_by(W, raw := message())
    assert store.do(store.driver.withdraw(raw)) == 0
    assert store.reserved(W) == [raw]
