"""The driver contract, what a supervisor brings back, on every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.channel import State
from taskq.driver.contract import Blame, Fault, Rescue
from taskq.wire.history import records
from taskq.wire.message import Flag, Message, new_id, wrap_foreign
from tests.driver.conftest import MakeStore
from tests.driver.store import LEASE_MS, RECORD, Store, crashes, id_of, message

W = "worker-1"


def _rescue(store: Store, blame: Any = "", *, fault: Fault = "crash", retry_ms: int = -1, beat: bytes | None = None) -> Any:
    blamed = (Blame(blame, fault, RECORD, retry_ms),) if blame else ()
    return store.do(store.driver.rescue(Rescue(W, beat, blamed)))[0]


def _beat(store: Store) -> bytes:
    """Return the last heartbeat of the worker as a supervisor sees it."""
    _, worker, beat = store.do(store.driver.heartbeats(0, 10, 0))[0]
    assert worker == W.encode()
    return bytes(beat)


def test_a_heartbeat_stops_a_rescue(store: Store) -> None:
    """Given a supervisor that saw a heartbeat, when another one arrives before its rescue, then that is refused and nothing moves."""
    store.reserved_by(W, raw := message())
    seen = _beat(store)
    store.register(W)
    assert _rescue(store, "head", beat=seen) == -1
    assert _rescue(store, "head", beat=b"") == -1
    assert store.reserved(W) == [raw]
    assert store.do(store.driver.workers()) != []


@pytest.mark.parametrize("off", [-3_600_000, -LEASE_MS - 1, 0, 3_600_000])
def test_an_unchanged_heartbeat_does_not_show_a_living_worker(store: Store, off: int) -> None:
    """Given the heartbeat that the supervisor saw, at any time of the clock, then the messages return and the worker is unregistered."""
    store.reserved_by(W, raw := message())
    store.client.zadd(store.keys.workers, {W: store.now() + off})
    assert _rescue(store, beat=_beat(store)) == 1
    assert store.everything() == [raw]
    assert store.do(store.driver.workers()) == []


def test_an_unregistered_worker_is_rescued(store: Store) -> None:
    """Given messages of a worker that is not registered, then they return; with any heartbeat but none, nothing moves."""
    for number in range(2):
        store.reserved_by(W, raw := message())
        seen = _beat(store)
        store.client.zrem(store.keys.workers, W)
        if number:
            assert _rescue(store, beat=seen) == -1
        assert _rescue(store, beat=b"") == 1
        assert store.everything() == [raw]
        assert store.do(store.driver.workers()) == []
        assert b"pid" not in store.do(store.driver.describe(W))
        store.do(store.driver.withdraw(raw))


def test_unstarted_messages_come_back_uncounted_in_order(store: Store) -> None:
    """Given a worker that exited without a running message, then its messages are the next in waiting, in their order, unchanged."""
    messages = [message(str(number), attempts=number, crashes=number) for number in range(4)]
    store.reserved_by(W, *messages)
    store.push(other := message("other"))
    assert _rescue(store) == 4
    assert store.waiting == [*messages, other]


@pytest.mark.parametrize("blame", ["head", "id"])
def test_only_the_running_message_is_blamed(store: Store, blame: str) -> None:
    """Given a crash, when the one that ran is blamed, then it alone counts a crash, has the record, and runs again at once."""
    messages = [message(str(number)) for number in range(3)]
    store.reserved_by(W, *messages)
    running = 0 if blame == "head" else 1
    assert _rescue(store, "head" if blame == "head" else id_of(messages[1])) == 3
    found = store.waiting
    assert [id_of(raw) for raw in found] == [id_of(raw) for raw in messages]
    assert [crashes(raw) for raw in found] == [int(number == running) for number in range(3)]
    assert [record.error for record in records(Message(found[running]).history_bytes())] == ["signal 9"]
    assert Message(found[running]).body() == Message(messages[running]).body()
    assert Message(found[running]).attempts == 0


def test_an_id_that_isn_t_there_blames_nobody(store: Store) -> None:
    """Given a running message that was settled just before its worker died, then all others return to waiting, with no attempt used."""
    messages = [message(str(number)) for number in range(2)]
    store.reserved_by(W, *messages)
    assert _rescue(store, new_id()) == 2
    assert store.waiting == messages


def test_an_empty_rescue_forgets_the_worker(store: Store) -> None:
    """Given a dead worker that had nothing, then it is forgotten."""
    store.register(W)
    assert _rescue(store, "head") == 0
    assert store.do(store.driver.workers()) == []


@pytest.mark.parametrize(("before", "wait"), [(1, 1_000), (2, 10_000)])
def test_a_second_crash_waits(store: Store, before: int, wait: int) -> None:
    """Given a message that has crashed its worker before, when it does again, then it is delayed: a second, then ten."""
    store.reserved_by(W, raw := message(crashes=before))
    now = store.now()
    _rescue(store, "head")
    (found,) = store.delayed
    assert (id_of(found), crashes(found)) == (id_of(raw), before + 1)
    assert now + wait <= store.due(found) <= store.now() + wait
    assert store.tokens == 1


def test_the_wait_between_crashes_is_bounded(make_store: MakeStore) -> None:
    """Given a great max_crashes, then the wait after a crash never is more than an hour: the message must come back one day."""
    store = make_store(max_crashes=250)
    for before in (3, 4, 5, 10, 100, 249):
        store.reserved_by(W, message(crashes=before))
        _rescue(store, "head")
        (found,) = store.delayed
        assert store.now() < store.due(found) <= store.now() + 3_600_000
        store.client.delete(store.keys.delayed)


def test_after_max_crashes_a_worker_settles_it(store: Store) -> None:
    """Given one crash more than max_crashes (3), then it waits: the next worker sees the count and fails it, which runs on_fail."""
    store.reserved_by(W, message(crashes=3))
    _rescue(store, "head")
    (found,) = store.waiting
    assert crashes(found) == 4


def test_when_even_settling_crashes_it_is_failed(make_store: MakeStore) -> None:
    """Given two crashes more than max_crashes, then no worker touches it again: it is failed, with its history, within the caps."""
    store = make_store(failed_limit=1)
    store.client.zadd(store.keys.failed, {message("old"): 5})
    store.reserved_by(W, raw := message(crashes=4))
    _rescue(store, "head")
    (found,) = store.in_state(State.FAILED)
    assert (id_of(found), crashes(found)) == (id_of(raw), 5)
    assert store.waiting == store.delayed == []


def test_max_crashes_of_none_is_failed_by_the_next_worker(make_store: MakeStore) -> None:
    """Given max_crashes = 0, then the first crash already is one too many."""
    store = make_store(max_crashes=0)
    store.reserved_by(W, message())
    _rescue(store, "head")
    assert [crashes(raw) for raw in store.waiting] == [1]


def test_crashes_are_counted_to_255(make_store: MakeStore) -> None:
    """Given a count at its bound, then it stays there."""
    store = make_store(max_crashes=250)
    store.reserved_by(W, message(crashes=255))
    _rescue(store, "head")
    assert [crashes(raw) for raw in store.everything()] == [255]


@pytest.mark.parametrize("where", ["channel", "message"])
def test_a_lost_message_that_must_not_run_twice_moves_to_timeout(make_store: MakeStore, where: str) -> None:
    """Given on_lost = "timeout", by the channel or by the job, when its process exits, then it is in timeout; others return to waiting."""
    store = make_store(on_lost="timeout" if where == "channel" else "retry")
    lost = message(flags=Flag.LOST_IS_TIMEOUT if where == "message" else 0)
    unstarted = message(flags=Flag.LOST_IS_TIMEOUT)
    store.reserved_by(W, lost, unstarted)
    _rescue(store, "head")
    (found,) = store.in_state(State.TIMEOUT)
    assert (id_of(found), crashes(found)) == (id_of(lost), 1)
    assert store.waiting == [unstarted]


def test_a_job_that_may_run_twice_does_so_in_a_channel_where_others_must_not(make_store: MakeStore) -> None:
    """Given on_lost = "timeout" of the channel and "retry" of the job, when its worker dies, then the job's choice counts."""
    store = make_store(on_lost="timeout")
    store.reserved_by(W, raw := message(flags=Flag.LOST_IS_RETRY))
    _rescue(store, "head")
    assert [id_of(found) for found in store.waiting] == [id_of(raw)]
    assert store.in_state(State.TIMEOUT) == []


def test_a_killed_timeout_counts_an_attempt(store: Store) -> None:
    """Given a job that was killed at its time limit, then it counts an attempt and no crash, and is due after its retry interval."""
    store.reserved_by(W, raw := message(attempts=255), other := message())
    now = store.now()
    _rescue(store, id_of(raw), fault="timeout", retry_ms=5_000)
    (found,) = store.delayed
    assert (Message(found).attempts, crashes(found)) == (256, 0)
    assert now + 5_000 <= store.due(found) <= store.now() + 5_000
    assert len(records(Message(found).history_bytes())) == 1
    assert store.waiting == [other]


def test_a_killed_timeout_without_an_attempt_left_waits_for_a_worker_to_settle_it(store: Store) -> None:
    """Given no attempt left, then it waits, counted: the next worker settles it without running it, which runs on_fail."""
    store.reserved_by(W, raw := message(attempts=2))
    _rescue(store, id_of(raw), fault="timeout")
    (found,) = store.waiting
    assert Message(found).attempts == 3


def test_attempts_are_counted_to_65535(store: Store) -> None:
    """Given a count at its bound, then it stays there."""
    store.reserved_by(W, raw := message(attempts=65_535))
    _rescue(store, id_of(raw), fault="timeout")
    assert Message(store.waiting[0]).attempts == 65_535


@pytest.mark.parametrize("raw", [b"garbage", b'{"job": "x:y"}', b"", b"\x05" + b"x" * 60])
def test_bytes_that_are_no_message_of_ours_come_back_untouched(store: Store, raw: bytes) -> None:
    """Given garbage, foreign bytes or a newer message at the head of a dead worker's list, then they come back as they are."""
    store.reserved_by(W, raw, other := message())
    assert _rescue(store, "head") == 2
    assert store.waiting == [raw, other]


def test_a_stamped_foreign_message_is_blamed(store: Store) -> None:
    """Given a foreign message with a head, when it crashes its worker, then the crash is counted and its content stays."""
    store.reserved_by(W, wrap_foreign(b'{"job": "x:y"}'))
    _rescue(store, "head")
    (found,) = store.waiting
    assert (crashes(found), Message(found).content()) == (1, b'{"job": "x:y"}')


# ---- what a worker learns of its fate


def test_a_worker_that_was_only_slow_learns_that_it_was_given_up(store: Store) -> None:
    """Given a lost worker whose messages were reassigned, when it sends a heartbeat within a week, then it learns that, once."""
    beat = store.driver.heartbeat(W, {"pid": 1}, lease_ms=LEASE_MS, register=True)
    store.reserved_by(W, message())
    assert store.do(store.driver.standing(W)) == 1
    _rescue(store, "head", beat=_beat(store))
    assert store.client.pttl(store.keys.worker(W)) > 6 * 86_400_000
    assert store.do(store.driver.standing(W)) == -1
    assert store.do(store.driver.heartbeat(W, {"pid": 1}, lease_ms=LEASE_MS, register=False))[:2] == [-1, 0]
    assert store.do(store.driver.workers()) == []
    assert [store.do(beat)[0] for _ in range(2)] == [-1, 1]


def test_a_worker_that_looks_early_does_not_forget_its_fate(store: Store) -> None:
    """Given a worker that was declared lost, if it reads its reserved list before its next heartbeat, then that still reports it."""
    store.reserved_by(W, message())
    _rescue(store, "head", beat=_beat(store))
    assert store.do(store.driver.forget_fate(W)) == 0
    beat = store.driver.heartbeat(W, {"pid": 1}, lease_ms=LEASE_MS, register=True)
    assert store.do(beat)[0] == -1
    assert [store.do(store.driver.forget_fate(W)) for _ in range(2)] == [1, 0]
    assert store.do(store.driver.standing(W)) == 1


def test_a_worker_that_surely_exited_is_not_declared_lost(store: Store) -> None:
    """Given a rescue of a worker that its own supervisor saw die, then its name is free again."""
    store.reserved_by(W, message())
    _rescue(store, "head")
    assert store.do(store.driver.heartbeat(W, {"pid": 1}, lease_ms=LEASE_MS, register=True))[0] == 0


def test_a_worker_puts_back_what_the_server_lost(store: Store) -> None:
    """Given a server that lost everything, then a worker learns it, and puts back what is missing, nothing twice."""
    held = [message(str(number)) for number in range(3)]
    store.reserved_by(W, *held)
    store.client.delete(store.keys.workers, store.keys.worker(W), store.keys.reserved(W))
    assert store.do(store.driver.standing(W)) == 0
    store.client.rpush(store.keys.reserved(W), held[1])
    assert [store.do(store.driver.adopt(W, held)) for _ in range(2)] == [2, 0]
    assert store.reserved(W) == [held[1], held[0], held[2]]


def test_several_that_ran_are_each_counted(store: Store) -> None:
    """Given five messages of which three ran, if all three are blamed, then each has a crash and its own record, and the order stays."""
    messages = [message(str(number)) for number in range(5)]
    store.reserved_by(W, *messages)
    blamed = tuple(Blame(id_of(messages[number]), "crash", RECORD) for number in (0, 2, 4))
    assert store.do(store.driver.rescue(Rescue(W, blamed=blamed))) == [5, 0, 0]
    assert [id_of(raw) for raw in store.waiting] == [id_of(raw) for raw in messages]
    assert [crashes(raw) for raw in store.waiting] == [1, 0, 1, 0, 1]
    assert [len(records(Message(raw).history_bytes())) for raw in store.waiting] == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("lost", ["retry", "timeout"])
def test_all_are_blamed_when_all_may_have_run(make_store: MakeStore, lost: str) -> None:
    """Given a lost worker that ran several at once, then each has a crash; with on_lost = "timeout", all move to timeout."""
    store = make_store(on_lost=lost)
    store.reserved_by(W, *(message(str(number)) for number in range(3)))
    assert _rescue(store, "all") == 3
    found = store.waiting if lost == "retry" else store.in_state(State.TIMEOUT)
    assert [crashes(raw) for raw in found] == [1, 1, 1]
    assert all(records(Message(raw).history_bytes()) for raw in found)


def test_a_bystander_is_not_counted(store: Store) -> None:
    """Given a worker that was ended for one message's sake, then that one has an attempt, and the bystander comes back as it was."""
    late, beside, behind = message("late"), message("beside"), message("behind")
    store.reserved_by(W, late, beside, behind)
    blamed = (Blame(id_of(late), "timeout", RECORD, -1), Blame(id_of(beside), "bystander", RECORD))
    assert store.do(store.driver.rescue(Rescue(W, blamed=blamed))) == [3, 0, 0]
    assert store.waiting[1:] == [beside, behind]
    assert (Message(store.waiting[0]).attempts, crashes(store.waiting[0])) == (1, 0)


@pytest.mark.parametrize("flags", [0, Flag.LOST_IS_TIMEOUT, Flag.LOST_IS_RETRY])
def test_a_bystander_that_may_not_run_twice_is_set_aside(make_store: MakeStore, flags: int) -> None:
    """Given a bystander with on_lost = "timeout", by its job or its channel, then it moves to timeout with the reason, not counted."""
    store = make_store(on_lost="timeout")
    store.reserved_by(W, raw := message(flags=flags))
    assert _rescue(store, id_of(raw), fault="bystander") == 1
    if flags == Flag.LOST_IS_RETRY:
        assert store.waiting == [raw]
        return
    (found,) = store.in_state(State.TIMEOUT)
    assert (Message(found).attempts, crashes(found)) == (0, 0)
    assert records(Message(found).history_bytes())


def test_the_reply_counts_the_dead_letters(make_store: MakeStore) -> None:
    """Given a lost worker with messages that go to timeout, to failed and back to waiting, then the reply has the number of each."""
    store = make_store(max_crashes=1)
    timed, crashed, again, unstarted = message(flags=Flag.LOST_IS_TIMEOUT), message(crashes=2), message(), message()
    store.reserved_by(W, timed, crashed, again, unstarted)
    blamed = tuple(Blame(id_of(raw), "crash", RECORD) for raw in (timed, crashed, again))
    assert store.do(store.driver.rescue(Rescue(W, blamed=blamed))) == [4, 1, 1]
    assert (len(store.in_state(State.TIMEOUT)), len(store.in_state(State.FAILED)), len(store.waiting)) == (1, 1, 2)
    assert store.do(store.driver.rescue(Rescue(W, b"1"))) == [-1, 0, 0]
