"""The driver contract, what a worker moves: reserve and every settlement, on every kind of server."""

from __future__ import annotations

import pytest

from taskq.channel import State
from taskq.driver.contract import Command, Rescue
from taskq.wire.message import Message, wrap_foreign
from tests.driver.conftest import MakeStore
from tests.driver.store import LEASE_MS, RECORD, Store, id_of, message

W = "worker-1"


def test_a_worker_that_isn_t_registered_gets_nothing(store: Store) -> None:
    """Given a worker that was declared lost, when it reserves, then the reply reports that, and nothing moves."""
    store.push(raw := message())
    assert store.do(store.driver.reserve(W, 5, [])) == [0, 0, []]
    assert store.waiting == [raw]


def test_settling_works_in_the_same_round_trip(store: Store) -> None:
    """Given done messages, when more are reserved, then one command removes the done ones and reserves the new ones."""
    messages = [message(str(number)) for number in range(4)]
    store.reserved_by(W, *messages[:2])
    store.push(*messages[2:])
    assert store.do(store.driver.reserve(W, 5, [id_of(raw) for raw in messages[:2]])) == [2, 1, messages[2:]]
    assert store.reserved(W) == messages[2:]
    assert store.waiting == []


def test_settling_works_also_when_the_worker_is_not_registered(store: Store) -> None:
    """Given a worker whose registration was lost but whose messages are there, then what it has done is settled."""
    store.reserved_by(W, raw := message())
    store.client.delete(store.keys.workers)
    assert store.do(store.driver.reserve(W, 5, [id_of(raw)])) == [1, 0, []]
    assert store.everything() == []


@pytest.mark.parametrize(("workers", "waiting", "share"), [(1, 10, 10), (2, 10, 5), (3, 10, 4), (4, 2, 1), (10, 1, 1), (1, 0, 0)])
def test_nobody_takes_more_than_a_fair_share(store: Store, workers: int, waiting: int, share: int) -> None:
    """Given several workers, when one reserves a lot, then it gets what waits divided by the workers, rounded up."""
    names = [f"w{number}" for number in range(workers)]
    store.register(*names)
    if waiting:
        store.push(*[message(str(number)) for number in range(waiting)])
    assert len(store.reserve("w0", 100)) == share


def test_a_batch_is_no_larger_than_asked_for(store: Store) -> None:
    """Given more waiting messages than requested, then that many are reserved, the oldest first; for 0, none."""
    messages = [message(str(number)) for number in range(10)]
    store.push(*messages)
    store.register(W)
    assert store.reserve(W, 0) == []
    assert store.reserve(W, 3) == messages[:3]
    assert store.reserve(W, 3) == messages[3:6]
    assert store.reserved(W) == messages[:6]


@pytest.mark.parametrize("small", [0, 2, 60])
def test_large_messages_are_reserved_few_at_a_time(store: Store, small: int) -> None:
    """Given many messages of 256 KiB, alone or behind small ones, then a batch holds little more than 1 MiB, in order."""
    messages = [message(str(number)) for number in range(small)] + [message(str(number) + "x" * 2**18) for number in range(40)]
    store.push(*messages)
    store.register(W)
    taken = store.reserve(W, 256)
    assert taken == messages[: len(taken)] == store.reserved(W)
    assert small < len(taken) <= small + 16
    assert store.waiting == messages[len(taken) :]


def test_a_blocked_reserve_takes_the_oldest(store: Store) -> None:
    """Given waiting messages, when a worker waits for one, then it gets the oldest, behind what it has; without any it gets None."""
    first, second = message("first"), message("second")
    store.push(first, second)
    assert [store.do(store.driver.reserve_one(W, 1)) for _ in range(2)] == [first, second]
    assert store.reserved(W) == [first, second]
    assert store.do(store.driver.reserve_one(W, 0.01)) is None


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1], [2, 0], [1, 1, 1], [0, 0]])
def test_messages_are_settled_in_any_order(store: Store, order: list[int]) -> None:
    """Given reserved messages, when some are acknowledged in any order, some twice, then those are removed, each counted once."""
    messages = [message("same") for _ in range(3)]
    store.reserved_by(W, *messages)
    assert store.do(store.driver.ack(W, [id_of(messages[number]) for number in order])) == len(set(order))
    assert store.reserved(W) == [raw for number, raw in enumerate(messages) if number not in order]


def test_ordered_acks_remove_what_they_name(store: Store) -> None:
    """Given ids in the order of the list, at its beginning or not, there or not, then those that are there are removed, and counted."""
    for ids in ([0], [0, 1], [0, 1, 2], [1], [0, 2], [1, 2], [5, 6], [0, 5], []):
        messages = [message(str(number)) for number in range(3)]
        store.reserved_by(W, *messages)
        named = [id_of(messages[number]) if number < 3 else id_of(message()) for number in ids]
        assert store.do(store.driver.ack(W, named, ordered=True)) == len([number for number in ids if number < 3]), ids
        assert store.reserved(W) == [raw for number, raw in enumerate(messages) if number not in ids], ids
        store.client.delete(store.keys.reserved(W))


def test_nothing_is_settled_twice(store: Store) -> None:
    """Given a settled message, when it is settled again, then the reply is 0 and nothing else is touched."""
    done, other = message(), message()
    store.reserved_by(W, done, other)
    assert store.do(store.driver.ack(W, [id_of(done)])) == 1
    assert store.do(store.driver.ack(W, [id_of(done)])) == 0
    assert store.reserved(W) == [other]


def test_nobody_settles_what_another_has(store: Store) -> None:
    """Given a message of one worker, when another settles it in any way, then the reply is 0 and it stays where it is."""
    store.reserved_by(W, raw := message())
    for command in _settlements(store, "worker-2", raw):
        assert store.do(command) == 0, command.move
    assert store.everything() == [raw]
    assert store.reserved(W) == [raw]


def _settlements(store: Store, worker: str, raw: bytes) -> list[Command]:
    """Every way to settle one message."""
    driver, identity = store.driver, id_of(raw)
    changed = Message(raw).changed(attempts=1)
    return [
        driver.ack(worker, [identity]),
        driver.retry(worker, identity, 0, changed),
        driver.requeue(worker, "front", [identity]),
        driver.requeue(worker, "back", [identity]),
        driver.requeue(worker, "later", [identity], 5),
        driver.fail(worker, State.FAILED, identity, changed),
        driver.fail(worker, State.TIMEOUT, identity, changed),
        driver.park(worker, identity, changed),
    ]


@pytest.mark.parametrize("number", range(8))
def test_every_settlement_is_one_step_and_works_once(store: Store, number: int) -> None:
    """Given three reserved messages, when the middle one is settled twice, then once takes effect, and it is in one state at most."""
    messages = [message(str(place)) for place in range(3)]
    store.reserved_by(W, *messages)
    command = _settlements(store, W, messages[1])[number]
    assert [store.do(command), store.do(command)] == [1, 0]
    assert store.reserved(W) == [messages[0], messages[2]]
    found = [raw for raw in store.everything() if id_of(raw) == id_of(messages[1])]
    assert len(found) == (0 if command.move == "ack" else 1)


def test_a_settlement_after_a_rescue_does_nothing(store: Store) -> None:
    """Given a worker that was declared lost, when it settles its former message, then nothing happens: another worker has it."""
    store.reserved_by(W, raw := message())
    store.do(store.driver.rescue(Rescue(W)))
    store.register("worker-2")
    (again,) = store.reserve("worker-2")
    for command in _settlements(store, W, raw):
        assert store.do(command) == 0
    assert store.everything() == [again]


def test_a_retry_is_delayed_with_its_new_bytes(store: Store) -> None:
    """Given a failed run, when it is retried, then it is due after the delay with its count and history, and wakes the supervisor."""
    store.reserved_by(W, raw := message())
    changed = Message(raw).changed(attempts=1, history=RECORD)
    before = store.now()
    assert store.do(store.driver.retry(W, id_of(raw), 5_000, changed)) == 1
    assert store.delayed == [changed]
    assert before + 5_000 <= store.due(changed) <= store.now() + 5_000
    assert store.tokens == 1


def test_what_is_given_back_comes_next_in_its_order(store: Store) -> None:
    """Given unstarted messages, when they are requeued at the front, then they come before all others, as they were."""
    messages = [message(str(number)) for number in range(4)]
    store.reserved_by(W, *messages)
    store.push(other := message("other"))
    assert store.do(store.driver.requeue(W, "front", [id_of(raw) for raw in messages[1:]])) == 3
    assert store.waiting == [*messages[1:], other]
    assert store.reserved(W) == messages[:1]


def test_what_is_requeued_at_the_back_comes_last(store: Store) -> None:
    """Given messages that ask to run again, when they are requeued at the back, then they come after all others."""
    first, second, other = message("1"), message("2"), message("other")
    store.reserved_by(W, first, second)
    store.push(other)
    assert store.do(store.driver.requeue(W, "back", [id_of(first), id_of(second)])) == 2
    assert store.waiting == [other, first, second]


def test_what_is_requeued_for_later_is_delayed(store: Store) -> None:
    """Given a message that asks to run later, when it is requeued, then it is due then, unchanged, and wakes the supervisor."""
    store.reserved_by(W, raw := message(attempts=2, crashes=1))
    before = store.now()
    assert store.do(store.driver.requeue(W, "later", [id_of(raw)], 500)) == 1
    assert store.delayed == [raw]
    assert before + 500 <= store.due(raw) <= store.now() + 500
    assert store.tokens == 1


def test_only_what_is_still_there_is_given_back(store: Store) -> None:
    """Given ids of which some were settled, then the others are released, and their number returned."""
    first, lost, last = message(), message(), message()
    store.reserved_by(W, first, last)
    assert store.do(store.driver.requeue(W, "front", [id_of(first), id_of(lost), id_of(last)])) == 2
    assert store.waiting == [first, last]


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEOUT])
def test_a_failed_message_is_kept_with_its_time(store: Store, state: State) -> None:
    """Given a message that failed permanently, then it is in its state with its history, at the server's time."""
    store.reserved_by(W, raw := message())
    changed = Message(raw).changed(attempts=3, history=RECORD)
    before = store.now()
    assert store.do(store.driver.fail(W, state, id_of(raw), changed)) == 1
    found, score = store.do(store.driver.page(state, 0, 10))
    assert (found, before <= int(score) <= store.now()) == (changed, True)


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEOUT])
def test_failed_is_capped_in_number(make_store: MakeStore, state: State) -> None:
    """Given a limit of three, when more fail, then the last three are kept."""
    store = make_store(failed_limit=3)
    messages = [message(str(number)) for number in range(5)]
    store.reserved_by(W, *messages)
    for raw in messages:
        store.do(store.driver.fail(W, state, id_of(raw), raw))
    assert sorted(store.in_state(state)) == sorted(messages[2:])


def test_failed_is_capped_in_age(make_store: MakeStore) -> None:
    """Given messages that failed before the limit of age, when another fails, then they go, and the younger stay."""
    store = make_store(failed_ttl=60)
    old, young, raw = message("old"), message("young"), message()
    store.client.zadd(store.keys.failed, {old: store.now() - 61_000, young: store.now() - 50_000})
    store.reserved_by(W, raw)
    store.do(store.driver.fail(W, State.FAILED, id_of(raw), raw))
    assert store.in_state(State.FAILED) == [young, raw]


def test_a_clock_that_is_a_month_ahead_empties_nothing(make_store: MakeStore) -> None:
    """Given many failed messages that a wrong clock calls too old, when some fail, then two are deleted for each, not all at once."""
    store = make_store(failed_ttl=60)
    month = 30 * 86_400_000
    old = [message(str(number)) for number in range(20)]
    store.client.zadd(store.keys.failed, {raw: store.now() - month + number for number, raw in enumerate(old)})
    for count in (1, 2, 3):
        store.reserved_by(W, raw := message())
        store.do(store.driver.fail(W, State.FAILED, id_of(raw), raw))
        assert store.in_state(State.FAILED)[:-count] == old[2 * count :]


def test_a_lowered_limit_is_reached_step_by_step(make_store: MakeStore) -> None:
    """Given many more failed messages than a lowered limit allows, when some fail, then each call deletes 1,000 of the oldest."""
    store = make_store(failed_limit=10)
    store.client.zadd(store.keys.failed, {message(str(number)): store.now() - 5000 + number for number in range(2500)})
    for left in (1501, 502, 10, 10):
        store.reserved_by(W, raw := message())
        store.do(store.driver.fail(W, State.FAILED, id_of(raw), raw))
        assert len(store.in_state(State.FAILED)) == left
        assert store.in_state(State.FAILED)[-1] == raw


@pytest.mark.parametrize("limit", [1, 3])
def test_after_the_clock_was_set_back_the_newest_failure_is_kept(make_store: MakeStore, limit: int) -> None:
    """Given a full `failed` whose messages lie in the future, when another fails, then it is stored, and the oldest other is deleted."""
    store = make_store(failed_limit=limit)
    ahead = [message(str(number)) for number in range(limit)]
    store.client.zadd(store.keys.failed, {raw: store.now() + 3_600_000 + number for number, raw in enumerate(ahead)})
    store.reserved_by(W, raw := message())
    assert store.do(store.driver.fail(W, State.FAILED, id_of(raw), raw)) == 1
    assert store.in_state(State.FAILED) == [raw, *ahead[1:]]


def test_failed_is_kept_forever_if_the_settings_ask_for_it(make_store: MakeStore) -> None:
    """Given no limit of age, then even the oldest stays."""
    store = make_store(failed_ttl=0)
    old, raw = message("old"), message()
    store.client.zadd(store.keys.failed, {old: 1})
    store.reserved_by(W, raw)
    store.do(store.driver.fail(W, State.FAILED, id_of(raw), raw))
    assert store.in_state(State.FAILED) == [old, raw]


def test_what_can_t_run_is_parked_and_comes_back(store: Store) -> None:
    """Given a message of an unknown job, when it is parked and unparked, then it waits as before, without what the parking recorded."""
    store.reserved_by(W, raw := message())
    parked = Message(raw).changed(history=RECORD)
    assert store.do(store.driver.park(W, id_of(raw), parked)) == 1
    assert store.in_state(State.PARKED) == [parked]
    assert store.do(store.driver.restore(State.PARKED, [(parked, raw)])) == 1
    assert store.everything() == store.waiting == [raw]


def test_foreign_bytes_get_a_head_where_they_lie(store: Store) -> None:
    """Given two equal foreign messages that a worker has reserved, when they get their heads, then both have one, in their places."""
    raw = b'{"job": "x:y"}'
    first, second = wrap_foreign(raw), wrap_foreign(raw)
    store.reserved_by(W, before := message(), raw, raw, after := message())
    assert store.do(store.driver.stamp(W, [(raw, first), (raw, second), (raw, wrap_foreign(raw))])) == [1, 1, 0]
    assert store.reserved(W) == [before, first, second, after]


def test_a_repeated_stamp_gives_no_second_message_the_same_id(store: Store) -> None:
    """Given a stamp that is repeated, if an equal plain message was reserved meanwhile, then that one keeps its bytes."""
    raw = b'{"job": "x:y"}'
    head = wrap_foreign(raw)
    store.reserved_by(W, raw)
    assert store.do(store.driver.stamp(W, [(raw, head)])) == [1]
    store.client.rpush(store.keys.reserved(W), raw)
    assert store.do(store.driver.stamp(W, [(raw, head)])) == [1]
    assert store.reserved(W) == [head, raw]


def test_a_heartbeat_returns_what_the_server_knows(store: Store) -> None:
    """Given a worker that registers and sends a heartbeat, then it learns whether it was known, and how many messages it has."""
    beat = store.driver.heartbeat(W, {"pid": 5, "job": "x:y"}, lease_ms=LEASE_MS, register=True)
    began = store.now()
    assert store.do(beat) == [0, 0]
    store.push(message(), message())
    store.reserve(W, 2)
    assert store.do(beat) == [1, 2]
    assert store.do(store.driver.held(W)) == 2
    assert store.do(store.driver.describe(W)) == [b"pid", b"5", b"job", b"x:y"]
    assert 0 < store.client.pttl(store.keys.worker(W)) <= 2 * LEASE_MS
    ((name, score),) = [store.do(store.driver.workers())[:2]]
    assert name == W.encode()
    assert began <= float(score) < store.now() + 1


def test_heartbeats_of_many_workers_arrive_together(store: Store) -> None:
    """Given two registered workers and one that isn't, then one command records both, and returns what is known of all three."""
    for worker in ("one", "two"):
        store.do(store.driver.heartbeat(worker, {"pid": 5}, lease_ms=LEASE_MS, register=True))
    before = store.do(store.driver.workers())
    beats = [("one", {"pid": 6, "job": "x:y"}), ("three", {"pid": 8}), ("two", {})]
    assert store.do(store.driver.heartbeat_all(beats, lease_ms=LEASE_MS)) == [1, 0, 0, 0, 1, 0]
    after = store.do(store.driver.workers())
    assert sorted(after[::2]) == sorted(before[::2]) == [b"one", b"two"]
    assert not set(after[1::2]) & set(before[1::2])
    fields = store.do(store.driver.describe("one"))
    assert dict(zip(fields[::2], fields[1::2], strict=True)) == {b"pid": b"6", b"job": b"x:y"}
    assert store.do(store.driver.describe("three")) == []


def test_a_heartbeat_alone_doesn_t_register(store: Store) -> None:
    """Given a worker that was declared lost, when it only sends a heartbeat, then the reply reports that, and it stays unregistered."""
    assert store.do(store.driver.heartbeat(W, {"pid": 5}, lease_ms=LEASE_MS, register=False))[0] == 0
    assert store.do(store.driver.workers()) == []
    assert store.do(store.driver.describe(W)) == []


def test_a_heartbeat_may_have_no_fields(store: Store) -> None:
    """Given no fields, then the beat counts anyway."""
    store.do(store.driver.heartbeat(W, {}, lease_ms=LEASE_MS, register=True))
    assert store.do(store.driver.heartbeat(W, {}, lease_ms=LEASE_MS, register=False))[0] == 1


def test_every_heartbeat_changes_the_score(store: Store) -> None:
    """Given many heartbeats in the same milliseconds, then no two of them are equal: the clock may be frozen."""
    scores = []
    for _ in range(1000):
        store.register(W)
        scores.append(store.client.zscore(store.keys.workers, W))
    assert len(set(scores)) == len(scores)
    assert len({int(score or 0) for score in scores}) < len(scores)


def test_a_heartbeat_follows_a_clock_that_was_set_back(store: Store) -> None:
    """Given a last heartbeat in the future, then the next one is of the present: such a worker must not look lost for an hour."""
    store.client.zadd(store.keys.workers, {W: store.now() + 3_600_000})
    store.register(W)
    assert abs((store.client.zscore(store.keys.workers, W) or 0) - store.now()) < 60_000


def test_the_heartbeats_that_may_be_overdue_are_read_first(store: Store) -> None:
    """Given lost workers with heartbeats in the past and in the future, then those are read first, page by page, and then the others."""
    now = store.now()
    ages = {"future": -9 * LEASE_MS, "far": -99 * LEASE_MS, "old": 10 * LEASE_MS, "older": 20 * LEASE_MS, "living": 0, "late": LEASE_MS}
    store.client.zadd(store.keys.workers, {name: now - age for name, age in ages.items()})
    read = ["future", "far", "older", "old", "late", "living"]
    for count in range(1, 8):
        found: list[str] = []
        more = 1
        while more:
            more, *page = store.do(store.driver.heartbeats(len(found), count, LEASE_MS // 2))[0]
            assert len(page) <= 2 * count
            found += [name.decode() for name in page[::2]]
            assert [float(beat) for beat in page[1::2]] == [now - ages[name.decode()] for name in page[::2]]
        assert found == read[: len(found)]
        assert len(found) >= 5  # all but the living one, which may be on the last page


def test_a_page_of_heartbeats_beyond_the_last_is_empty(store: Store) -> None:
    """Given fewer workers than a supervisor has read, since others were removed meanwhile, then the page is empty, and the last."""
    assert store.do(store.driver.heartbeats(0, 100, 5)) == [[0]]
    store.client.zadd(store.keys.workers, {"a": 1, "b": store.now() + 3_600_000})
    assert store.do(store.driver.heartbeats(5, 100, 5)) == [[0]]


def test_unregistered_workers_are_found(store: Store) -> None:
    """Given some names, then those without a registration are returned."""
    store.register(W)
    assert store.do(store.driver.unregistered([W, "nobody", "another"])) == [b"nobody", b"another"]
