"""Watching running jobs: killing those that ignore their deadline, releasing messages behind slow ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from taskq.channel import State
from taskq.clock import monotonic
from taskq.scoreboard.state import Phase
from taskq.supervisor.services.watchdog import Watchdog
from tests.supervisor.conftest import Channel
from tests.support.servers import ServerProcess


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that can be killed."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    with process:
        yield process
        process.kill()


def test_messages_behind_a_slow_job_wait_again(place: Channel) -> None:
    """Given a job that runs for 60 ms with one done and three behind it, then those wait again, in order, and the done one is settled."""
    child = place.child()
    messages = place.reserve(child, 5)
    slot = child.slot
    slot.start_next(1.0, 1)
    slot.end_job(0, acked=True, failed=False)
    slot.start_next(monotonic() - 0.06, 1)
    watch = Watchdog(place.channel)
    watch.tick(monotonic())
    assert place.store.raw(State.WAITING) == [message.raw for message in messages[2:]]
    assert place.store.reserved() == [messages[1].raw]
    assert not slot.start_next(2.0, 1)


def test_results_that_a_job_holds_up_are_stored_soon(place: Channel) -> None:
    """Given a result behind the last job of its batch, then it is stored after 10 ms, once; until then, the checks are frequent."""
    child = place.child()
    messages = place.reserve(child, 2)
    slot, watch, began = child.slot, Watchdog(place.channel), monotonic()
    slot.start_next(began, 1)
    assert slot.endings.put(0, b"result", 60_000)
    slot.end_job(0, acked=True, failed=False, has_ending=True)
    slot.start_next(began, 1)
    watch.poked()
    watch.tick(began + 0.005)
    assert (slot.watched, place.store.reserved()) == (True, [message.raw for message in messages])
    watch.tick(began + 0.011)
    assert (slot.watched, place.store.reserved()) == (False, [messages[1].raw])
    assert place.channel.link.call(place.channel.driver.result(messages[0].hex_id)) == b"result"
    place.channel.driver = None  # type: ignore[assignment]  # nothing more is sent
    watch.tick(began + 0.08)


def test_quick_jobs_are_left_alone(place: Channel) -> None:
    """Given a job that has just begun, then no message behind it is released, and the next check comes soon."""
    child = place.child()
    place.reserve(child, 3)
    child.slot.start_next(monotonic(), 1)
    watch = Watchdog(place.channel)
    watch.poked()
    assert child.slot.watched
    now = monotonic()
    watch.tick(now)
    assert place.store.count(State.WAITING) == 0
    assert now < watch.due < now + 0.1


def test_a_worker_with_nothing_behind_it_is_not_watched_for_long(place: Channel) -> None:
    """Given a watched child with nothing but its running job, then the checks become rare again."""
    child = place.child()
    place.reserve(child, 1)
    watch = Watchdog(place.channel)
    watch.poked()
    child.slot.start_next(monotonic(), 1)
    now = monotonic()
    watch.tick(now)
    assert not child.slot.watched
    assert watch.due == pytest.approx(now + 1.0)


def test_a_job_that_ignores_its_deadline_is_killed(
    place: Channel, process: subprocess.Popen[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """Given a job over its deadline, then nothing happens within the grace period; then the process is killed, and that is logged once."""
    child = place.child()
    (message,) = place.reserve(child, 1)
    child.pid = process.pid
    child.slot.start_next(100.0, 1)
    child.slot.describe("work", 1, 110.0, -1)
    watch = Watchdog(place.channel)
    watch.tick(110.5)
    assert process.poll() is None
    assert watch.due <= 111.5
    watch.tick(111.1)
    watch.tick(111.2)
    assert process.wait(30) == -9
    assert (child.killed_for, child.overdue) == ("timeout", {message.id})
    assert caplog.text.count("killing worker process w1: work") == 1


def test_the_check_comes_in_time_for_the_deadline(place: Channel) -> None:
    """Given a job with a deadline in 300 ms, then the next check isn't later than that."""
    child = place.child()
    place.reserve(child, 1)
    child.slot.start_next(100.0, 1)
    child.slot.describe("work", 1, 100.3, -1)
    watch = Watchdog(place.channel)
    watch.tick(100.0)
    assert watch.due == pytest.approx(100.3)


def test_a_stopping_child_gets_its_stop_timeout(place: Channel) -> None:
    """Given a child that exits by itself, then the time by which it must have exited is noted, once."""
    child = place.child()
    child.slot.set_phase(Phase.STOPPING)
    watch = Watchdog(place.channel)
    watch.tick(100.0)
    watch.tick(101.0)
    assert child.kill_at == 100.0 + place.channel.settings.stop_timeout


def test_a_worker_reconciles_when_the_release_failed(place: Channel) -> None:
    """Given an unreachable server, if messages are released meanwhile, then the worker process is asked to reconcile."""
    child = place.child()
    place.reserve(child, 3)
    child.slot.start_next(monotonic() - 1, 1)
    place.channel._ask_after = float("inf")
    Watchdog(place.channel).tick(monotonic())
    assert child.slot.take_reconcile()
    assert len(place.store.reserved()) == 3


def test_a_worker_reconciles_when_the_server_lost_data(place: Channel, server: ServerProcess) -> None:
    """Given a server that has lost its data, if messages are released, then the worker process is asked to reconcile."""
    child = place.child()
    place.reserve(child, 3)
    child.slot.start_next(monotonic() - 1, 1)
    server.admin.flushall()
    Watchdog(place.channel).tick(monotonic())
    assert child.slot.take_reconcile()


def test_a_complete_release_needs_no_reconcile(place: Channel) -> None:
    """Given messages behind a slow job, if all are released, then the worker process isn't asked to reconcile."""
    child = place.child()
    place.reserve(child, 3)
    child.slot.start_next(monotonic() - 1, 1)
    Watchdog(place.channel).tick(monotonic())
    assert not child.slot.take_reconcile()
    assert len(place.store.reserved()) == 1


# ---- children with several jobs at once


def test_a_leaving_child_gets_the_time_of_its_other_jobs(place: Channel, process: subprocess.Popen[bytes]) -> None:
    """Given a stuck job in a child that reports that it leaves, then it can be replaced, and has until the others must have finished."""
    child = place.child()
    place.occupy(child, 3, deadlines=(98.5, 0.0, 120.0), now=monotonic())
    child.pid = process.pid
    child.slot.set_phase(Phase.LEAVING)
    watch = Watchdog(place.channel)
    watch.tick(100.0)
    watch.tick(101.0)
    assert (child.leaving, child.killed_for) == (True, None)
    assert child.kill_at == 131.0
    assert process.poll() is None


def test_a_child_that_does_not_notice_is_killed(place: Channel, process: subprocess.Popen[bytes]) -> None:
    """Given a stuck job in a child that doesn't react, then it is killed shortly after the grace period, for that job alone."""
    child = place.child()
    late, _ = place.occupy(child, 2, deadlines=(98.9, 0.0), now=monotonic())
    child.pid = process.pid
    watch = Watchdog(place.channel)
    watch.tick(100.0)
    assert child.killed_for is None
    assert watch.due <= 100.1
    watch.tick(100.2)
    assert (child.killed_for, child.overdue) == ("timeout", {late.id})
    assert process.wait(30) == -9


def test_a_child_that_leaves_on_time_is_not_killed(place: Channel) -> None:
    """Given a child that leaves with a job that isn't late, then it can be replaced, and isn't killed."""
    child = place.child()
    place.occupy(child, 1, deadlines=(0.0,))
    child.slot.set_phase(Phase.LEAVING)
    Watchdog(place.channel).tick(100.0)
    assert (child.leaving, child.kill_at) == (True, None)


def test_unstarted_lanes_of_a_blocked_child_are_released(place: Channel) -> None:
    """Given a job that runs for a second and two unstarted lanes, then those two wait again, in order."""
    child = place.child()
    messages = place.occupy(child, 3, deadlines=(0.0,), now=monotonic() - 1)
    Watchdog(place.channel).tick(monotonic())
    assert place.store.raw(State.WAITING) == [message.raw for message in messages[1:]]
    assert not child.slot.claim(1, monotonic(), 1)


def test_a_stop_after_leaving_still_reaches_the_child(place: Channel, process: subprocess.Popen[bytes]) -> None:
    """Given a child that leaves and may take an hour, if the worker stops, then it is asked to stop, and gets only the stop_timeout."""
    child = place.child()
    child.pid = process.pid
    child.leave(4000.0)
    child.ask_to_stop(130.0)
    assert child.kill_at == 130.0
    assert process.wait(30) == -15
