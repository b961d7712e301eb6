"""A slot: what runs, what is done, and which side starts or releases a message."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq.scoreboard.layout import SLOT_SIZE
from taskq.scoreboard.slot import BATCH_LIMIT, Scoreboard, Slot
from taskq.scoreboard.state import Phase
from tests.support.wait import wait_until

_fork = multiprocessing.get_context("fork")


def ids_of(count: int) -> list[bytes]:
    """Return `count` ids."""
    return [index.to_bytes(16, "big") for index in range(1, count + 1)]


@pytest.fixture
def slot() -> Slot:
    """The middle one of three slots."""
    return Scoreboard([_fork.Lock() for _ in range(3)])[1]


def in_child(work: Callable[..., Any], *args: Any) -> Any:
    """Fork a process that does something; it must be joined."""
    process = _fork.Process(target=work, args=args)
    process.start()
    return process


def taken(slot: Slot) -> list[bytes]:
    """Take the unstarted messages, and return their ids."""
    with slot.taken_back() as ids:
        return ids


def test_a_batch_is_started_in_order_and_ends() -> None:
    """Given a batch of three, then each can be started once, what runs is known, and what ended well is marked."""
    slot = Scoreboard([_fork.Lock()])[0]
    ids = ids_of(3)
    slot.begin_batch(ids)
    assert (slot.held, slot.unstarted(), slot.running()) == (3, 3, [])
    assert slot.start_next(10.0, 2)
    slot.describe("shop:send", 1234, 15.5, 250)
    (running,) = slot.running()
    assert running == (ids[0], "shop:send", 2, 10.0, 1234, 15.5, 250)
    slot.end_job(0, acked=True, failed=False)
    assert slot.running() == []
    assert slot.start_next(11.0, 1)
    slot.end_job(1, acked=False, failed=True)
    assert slot.start_next(12.0, 1)
    assert not slot.start_next(13.0, 1)
    assert (slot.counts, slot.finished(), slot.unstarted()) == ((2, 1), [(ids[0], b"", 0)], 0)
    slot.end_batch()
    assert (slot.held, slot.finished(), slot.running()) == (0, [], [])


def test_a_job_that_is_not_described_yet_has_no_deadline_of_the_one_before(slot: Slot) -> None:
    """Given a job with a deadline that has ended, if the next is claimed, then it has neither name nor deadline yet."""
    slot.begin_batch(ids_of(2))
    slot.start_next(1.0, 1)
    slot.describe("slow", 99, 2.0, 5)
    slot.end_job(0, acked=True, failed=False)
    slot.start_next(50.0, 1)
    (running,) = slot.running()
    assert (running.job, running.started, running.deadline, running.retry_ms) == ("", 50.0, 0.0, -1)


@pytest.mark.parametrize("name", ["x" * 1000, "ü" * 300, "", "shop.jobs:send"])
def test_long_names_are_cut(slot: Slot, name: str) -> None:
    """Given a job's name of any length, then what fits is written, and no other field is overwritten."""
    ids = ids_of(BATCH_LIMIT)
    slot.begin_batch(ids)
    slot.start_next(1.0, 1)
    slot.describe(name, 7, 0.0, -1)
    (running,) = slot.running()
    assert name.startswith(running.job.rstrip("\N{REPLACEMENT CHARACTER}"))
    assert slot.finished() == []
    assert taken(slot) == ids[1:]


def test_records_do_not_touch_each_other() -> None:
    """Given three slots, if one is full, then the others are empty."""
    scoreboard = Scoreboard([_fork.Lock() for _ in range(3)])
    scoreboard[1].begin_batch(ids_of(BATCH_LIMIT))
    for _ in range(BATCH_LIMIT):
        scoreboard[1].start_next(1.0, 1)
        scoreboard[1].describe("x" * 500, 1, 2.0, 3)
    for index in range(BATCH_LIMIT):
        scoreboard[1].end_job(index, acked=True, failed=True)
    scoreboard[1].set_phase(Phase.STOPPING)
    for other in (scoreboard[0], scoreboard[2]):
        assert (other.held, other.counts, other.phase, other.running()) == (0, (0, 0), Phase.STARTING, [])
    assert len(scoreboard[1].finished()) == BATCH_LIMIT
    assert (len(scoreboard), SLOT_SIZE % 64) == (3, 0)


def test_flags_are_passed(slot: Slot) -> None:
    """Given heartbeats, requests and flags, then the other side sees them, and a request is taken once."""
    assert (slot.beat, slot.watched, slot.take_reconcile()) == (0.0, False, False)
    slot.set_beat(12.5)
    slot.set_watched(True)
    slot.ask_reconcile()
    assert (slot.beat, slot.watched) == (12.5, True)
    assert (slot.take_reconcile(), slot.take_reconcile()) == (True, False)
    slot.set_watched(False)
    assert not slot.watched


def test_nothing_is_started_before_a_requested_reconcile(slot: Slot) -> None:
    """Given a request to reconcile, then the worker starts no further message of its batch before it."""
    slot.begin_batch(ids_of(2))
    assert slot.start_next(1.0, 1)
    slot.ask_reconcile()
    assert not slot.start_next(2.0, 1)
    assert slot.take_reconcile()
    assert slot.start_next(3.0, 1)


def test_nothing_is_started_after_a_lease_without_a_heartbeat(slot: Slot) -> None:
    """Given a lease of two seconds, then a message starts up to two seconds after the last heartbeat, and not later."""
    slot.lease = 2.0
    slot.set_beat(10.0)
    slot.begin_batch(ids_of(2))
    assert slot.start_next(12.0, 1)
    assert not slot.start_next(12.01, 1)


def test_a_batch_that_has_no_room_is_refused(slot: Slot) -> None:
    """Given more messages than a batch holds, then that is an error, and nothing is overwritten."""
    with pytest.raises(ValueError, match="at most 256 messages; got 257"):
        slot.begin_batch(ids_of(BATCH_LIMIT + 1))
    assert (slot.held, slot.running()) == (0, [])


def test_a_worker_is_held_still_only_while_it_runs_the_same_job(slot: Slot) -> None:
    """Given a running job, if it is the one that was seen, then the worker must reconcile before the next; if not, nothing is asked."""
    slot.begin_batch(ids_of(2))
    slot.start_next(1.0, 1)
    (seen,) = slot.running()
    with slot.held_still(seen) as is_same:
        assert is_same
        assert not slot.lock.acquire(False)
    assert slot.take_reconcile()
    slot.end_job(0, acked=True, failed=False)
    slot.start_next(2.0, 1)
    with slot.held_still(seen) as is_same:
        assert not is_same
    assert not slot.take_reconcile()


def test_a_released_message_can_not_be_started(slot: Slot) -> None:
    """Given five messages of which two are started, then releasing returns the other three, in order, once, and ends the batch."""
    ids = ids_of(5)
    slot.begin_batch(ids)
    slot.start_next(1.0, 1)
    slot.end_job(0, acked=True, failed=False)
    slot.start_next(2.0, 1)
    assert taken(slot) == ids[2:]
    assert taken(slot) == []
    assert not slot.start_next(3.0, 1)
    assert (slot.unstarted(), slot.held, slot.finished()) == (0, 2, [(ids[0], b"", 0)])
    (running,) = slot.running()
    assert running.id == ids[1]


def test_nothing_begins_during_a_release(slot: Slot) -> None:
    """Given a supervisor that is releasing messages, then the worker begins no other batch before the release is done."""
    slot.begin_batch(ids_of(3))
    slot.start_next(1.0, 1)
    order: list[str] = []

    def worker() -> None:
        order.append("started" if slot.start_next(2.0, 1) else "refused")
        slot.begin_batch(ids_of(1))
        order.append("begun")

    with slot.taken_back() as ids:
        thread = threading.Thread(target=worker)
        thread.start()
        thread.join(0.1)
        order.append(f"returned {len(ids)}")
    thread.join(5)
    assert order == ["returned 2", "refused", "begun"]


@pytest.mark.parametrize("step", ["start_next", "end_batch", "begin_batch"])
def test_every_change_of_the_batch_waits_for_the_taking_back(slot: Slot, step: str) -> None:
    """Given a release in progress, then each change of the batch by the worker comes after it."""
    slot.begin_batch(ids_of(3))
    steps: dict[str, Callable[[], object]] = {
        "start_next": lambda: slot.start_next(1.0, 1),
        "end_batch": slot.end_batch,
        "begin_batch": lambda: slot.begin_batch(ids_of(2)),
    }
    thread = threading.Thread(target=steps[step])
    with slot.taken_back():
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
    thread.join(5)
    assert not thread.is_alive()


def _die_with_the_lock(slot: Slot) -> None:
    slot.lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_place_can_be_used_again_after_a_death_with_the_lock(slot: Slot) -> None:
    """Given a worker that was killed while holding the lock, then the supervisor isn't blocked, and the next worker can use the slot."""
    process = in_child(_die_with_the_lock, slot)
    process.join(5)
    began = time.monotonic()
    assert taken(slot) == []
    assert time.monotonic() - began < 2
    slot.clear()
    slot.begin_batch(ids_of(1))
    assert slot.start_next(1.0, 1)


def test_a_cleared_place_is_as_new(slot: Slot) -> None:
    """Given a used slot, if it is cleared, then nothing of the last worker is left."""
    slot.begin_batch(ids_of(4))
    slot.start_next(5.0, 1)
    slot.describe("x", 1, 2.0, 3)
    slot.set_phase(Phase.RUNNING)
    slot.ask_reconcile()
    slot.set_watched(True)
    slot.set_beat(9.0)
    slot.clear()
    assert (slot.held, slot.running(), slot.phase, slot.beat) == (0, [], Phase.STARTING, 0.0)
    assert (slot.watched, slot.take_reconcile(), slot.unstarted()) == (False, False, 0)


def _run_batches(slot: Slot, out: Any, batches: int, size: int) -> None:
    """Start what can be started, batch after batch, as a worker does. An id consists of the batch and the index in it."""
    started = []
    for batch in range(batches):
        ids = [batch.to_bytes(8, "big") + place.to_bytes(8, "big") for place in range(size)]
        slot.begin_batch(ids)
        for place in range(size):
            if not slot.start_next(time.monotonic(), 1):
                break
            started.append(ids[place])
            slot.end_job(place, acked=True, failed=False)
        with slot.taken_back() as left:
            out.send(("returned", left))
        slot.end_batch()
    out.send(("started", started))
    out.close()


@pytest.mark.parametrize("size", [2, 64, BATCH_LIMIT])
def test_each_message_is_either_started_or_released(slot: Slot, size: int) -> None:
    """Given a worker that starts and a supervisor that releases as fast as they can, then each message is started or released, not both."""
    here, there = _fork.Pipe()
    process = in_child(_run_batches, slot, there, 300, size)
    there.close()
    started: list[bytes] = []
    returned: list[bytes] = []
    taken_back: list[bytes] = []
    while process.is_alive() or here.poll():
        with slot.taken_back() as ids:
            taken_back += ids
        while here.poll():
            try:
                what, found = here.recv()
            except EOFError:
                break
            (started if what == "started" else returned).extend(found)
        if started:
            break
    process.join(10)
    assert process.exitcode == 0
    everything = [batch.to_bytes(8, "big") + place.to_bytes(8, "big") for batch in range(300) for place in range(size)]
    assert sorted(started + returned + taken_back) == everything


def _hold(slot: Slot, ids: list[bytes]) -> None:
    slot.begin_batch(ids)
    slot.start_next(time.monotonic(), 1)
    slot.describe("held", 5, 0.0, -1)
    time.sleep(60)


def test_the_supervisor_reads_what_another_process_wrote(slot: Slot) -> None:
    """Given a worker that is killed in a job, then what it ran and what it hadn't started can still be read."""
    ids = ids_of(4)
    process = in_child(_hold, slot, ids)
    wait_until(lambda: (running := slot.running()) and running[0].job == "held")
    process.kill()
    process.join(5)
    (running,) = slot.running()
    assert running.id == ids[0]
    assert taken(slot) == ids[1:]


def test_what_is_done_is_not_read_while_a_batch_changes(slot: Slot) -> None:
    """Given a batch that is being replaced, then nothing counts as done: marks and ids could belong to two batches."""
    ids = ids_of(2)
    slot.begin_batch(ids)
    assert slot.start_next(1.0, 1)
    slot.end_job(0, acked=True, failed=False)
    assert slot.finished() == [(ids[0], b"", 0)]
    slot.lock.acquire()
    try:
        assert slot.finished() == []
    finally:
        slot.lock.release()
