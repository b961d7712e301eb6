"""Handling the exit of a child: crashes counted, messages settled and released."""

from __future__ import annotations

import logging
import multiprocessing
import os

import pytest

from taskq.channel import State
from taskq.scoreboard.state import CANT_START, Phase
from taskq.supervisor.processes.child import Child, Death
from taskq.supervisor.reap import settle_dead
from taskq.wire.history import records
from taskq.wire.message import Message
from tests.supervisor.conftest import Channel

KILLED = Death(-9, maxrss=50_000)


def start(child: Child, done: int = 0, *, retry_ms: int = -1) -> None:
    """Let a child finish some jobs, and start the next one."""
    for place in range(done):
        child.slot.start_next(1.0, 1)
        child.slot.end_job(place, acked=True, failed=False)
    child.slot.start_next(2.0, 1)
    child.slot.describe("work", 1234, 0.0, retry_ms)


def waiting(place: Channel) -> list[bytes]:
    return [message.id for message in place.store.messages(State.WAITING)]


def test_a_crash_is_counted_for_the_running_job_only(place: Channel) -> None:
    """Given five messages of which two are done and one runs, if the child is killed, then the running one is counted, and comes first."""
    child = place.child()
    messages = place.reserve(child, 5)
    start(child, done=2)
    settle_dead(place.channel, child, KILLED, 10.0)
    blamed, *rest = place.store.messages(State.WAITING)
    assert [blamed.id, *(message.id for message in rest)] == [message.id for message in messages[2:]]
    assert (blamed.crashes, blamed.attempts) == (1, 0)
    (record,) = records(blamed.history_bytes())
    assert (record.kind, record.attempt) == ("crashed", 1)
    assert record.error == "worker process w1 (pid None) was killed by SIGKILL (signal 9), peak memory 48 MiB"
    assert [message.raw for message in rest] == [message.raw for message in messages[3:]]
    place.channel.remember(child.worker)
    place.channel.send_last()
    assert place.store.leaks() == []
    assert place.channel.crashes == [10.0]
    assert place.channel.past_counts == [2, 0]


def test_done_jobs_are_settled_not_run_again(place: Channel) -> None:
    """Given a child that dies between jobs with pending acks, then those jobs don't run again."""
    child = place.child()
    messages = place.reserve(child, 3)
    start(child, done=1)
    child.slot.end_job(1, acked=True, failed=False)
    settle_dead(place.channel, child, KILLED, 10.0)
    assert waiting(place) == [messages[2].id]


def test_results_of_a_killed_child_are_stored(place: Channel) -> None:
    """Given a child that is killed with pending results, then they are stored, and only the running job runs again."""
    child = place.child()
    messages = place.reserve(child, 4)
    for number in range(2):
        child.slot.start_next(1.0, 1)
        assert child.slot.endings.put(number, b"result %d" % number, 60_000)
        child.slot.end_job(number, acked=True, failed=False, has_ending=True)
    child.slot.start_next(2.0, 1)
    settle_dead(place.channel, child, KILLED, 10.0)
    assert waiting(place) == [message.id for message in messages[2:]]
    link, driver = place.channel.link, place.channel.driver
    assert [link.call(driver.result(message.hex_id)) for message in messages] == [b"result 0", b"result 1", None, None]


def _die_with_the_lock(child: Child) -> None:
    child.slot.lock.acquire()
    os._exit(1)


def test_a_death_with_the_lock_held_repeats_no_finished_job(place: Channel) -> None:
    """Given a child that is killed while it holds the lock of its slot, then its finished messages are settled anyway."""
    child = place.child()
    messages = place.reserve(child, 4)
    start(child, done=2)
    process = multiprocessing.get_context("fork").Process(target=_die_with_the_lock, args=(child,))
    process.start()
    process.join(5)
    settle_dead(place.channel, child, KILLED, 10.0)
    assert waiting(place) == [message.id for message in messages[2:]]


def test_one_crash_too_many_returns_to_be_settled(place: Channel) -> None:
    """Given max_crashes = 1 and a message that has crashed once, if it crashes again, then the next worker reserves it, to settle it."""
    child = place.child()
    (message,) = place.reserve(child, 1)
    place.store.client.lset(place.store.keys.reserved("w1"), 0, message.changed(crashes=1))
    start(child)
    settle_dead(place.channel, child, KILLED, 10.0)
    (again,) = place.store.messages(State.WAITING)
    assert again.crashes == 2


def test_a_message_that_crashes_while_it_is_settled_moves_to_failed(place: Channel) -> None:
    """Given a message over the limit that crashes the worker which was to settle it, then no worker runs it again."""
    child = place.child()
    (message,) = place.reserve(child, 1)
    place.store.client.lset(place.store.keys.reserved("w1"), 0, message.changed(crashes=2))
    start(child)
    settle_dead(place.channel, child, KILLED, 10.0)
    assert waiting(place) == []
    assert place.store.count(State.FAILED) == 1


@pytest.mark.parametrize(("retry_ms", "state"), [(20, State.DELAYED), (-1, State.WAITING)])
def test_a_kill_at_the_limit_is_a_failed_attempt(place: Channel, retry_ms: int, state: State) -> None:
    """Given a child killed for its job's timeout, then that is an attempt and no crash; the message is retried later, or settled."""
    child = place.child()
    messages = place.reserve(child, 2)
    start(child, retry_ms=retry_ms)
    child.killed_for, child.overdue = "timeout", {messages[0].id}
    settle_dead(place.channel, child, KILLED, 10.0)
    found = [message for message in place.store.messages(state) if message.id == messages[0].id]
    assert [(message.attempts, message.crashes) for message in found] == [(1, 0)]
    (record,) = records(found[0].history_bytes())
    assert (record.kind, record.attempt) == ("timeout", 1)
    assert "did not stop at its handle_timeout" in record.error
    assert messages[1].id in waiting(place)
    assert place.channel.crashes == []


def test_a_kill_that_came_too_late_counts_nothing(place: Channel) -> None:
    """Given a child killed for a job that had just finished, then the job that runs now isn't counted, and nothing counts as a crash."""
    child = place.child()
    messages = place.reserve(child, 2)
    start(child, done=1)
    child.killed_for, child.overdue = "timeout", {messages[0].id}
    settle_dead(place.channel, child, KILLED, 10.0)
    (left,) = place.store.messages(State.WAITING)
    assert left.raw == messages[1].raw
    assert place.channel.crashes == []


def test_a_kill_at_the_stop_counts_nothing(place: Channel, caplog: pytest.LogCaptureFixture) -> None:
    """Given a child killed at its stop_timeout, then all its messages return unchanged and in order, and the log names the job."""
    child = place.child()
    messages = place.reserve(child, 3)
    start(child)
    child.killed_for = "stop"
    settle_dead(place.channel, child, KILLED, 10.0)
    assert place.store.raw(State.WAITING) == [message.raw for message in messages]
    assert "killed at stop_timeout; work" in caplog.text
    assert place.channel.crashes == []


def test_the_log_names_the_second_signal(place: Channel, caplog: pytest.LogCaptureFixture) -> None:
    """Given a child killed by a second stop signal, then the log names the signal instead of stop_timeout."""
    child = place.child()
    place.reserve(child, 1)
    start(child)
    child.killed_for, child.stop_cause = "stop", "by a second stop signal (SIGINT)"
    settle_dead(place.channel, child, KILLED, 10.0)
    assert "killed by a second stop signal (SIGINT); work" in caplog.text
    assert "stop_timeout" not in caplog.text


def test_an_orderly_end_is_no_crash(place: Channel, caplog: pytest.LogCaptureFixture) -> None:
    """Given a child that exits as requested, then nothing is logged, and its remaining messages return."""
    child = place.child()
    (message,) = place.reserve(child, 1)
    child.slot.set_phase(Phase.STOPPING)
    with caplog.at_level(logging.DEBUG):
        settle_dead(place.channel, child, Death(0), 10.0)
    assert place.store.raw(State.WAITING) == [message.raw]
    assert caplog.records == []
    place.channel.remember(child.worker)
    place.channel.send_last()
    assert place.store.leaks() == []


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.IDLE, Phase.RUNNING])
def test_exit_code_0_without_a_request_is_a_crash(place: Channel, caplog: pytest.LogCaptureFixture, phase: Phase) -> None:
    """Given a child that exits with code 0 without a request, then that is a crash; without a running job no message counts it."""
    child = place.child()
    messages = place.reserve(child, 2)
    child.slot.set_phase(phase)
    settle_dead(place.channel, child, Death(0), 10.0)
    assert place.store.raw(State.WAITING) == [message.raw for message in messages]
    assert "exited with code 0 while idle" in caplog.text
    assert place.channel.crashes == [10.0]


def test_the_exit_of_a_zygote_is_not_a_crash_of_its_processes(place: Channel, caplog: pytest.LogCaptureFixture) -> None:
    """Given many processes that die with their zygote, then only the running message counts a crash, and new processes start at once."""
    child, *idle = [place.child(f"w{number}") for number in range(8)]
    (message,) = place.reserve(child, 1)
    assert child.slot.start_next(5.0, 1)
    for one in (child, *idle):
        settle_dead(place.channel, one, Death(None), 10.0)
    assert place.channel.crashes == []
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "ended with its zygote while running" in caplog.text
    (again,) = place.store.messages(State.WAITING)
    assert (again.id, again.crashes) == (message.id, 1)


def test_a_job_that_must_not_run_twice_moves_to_timeout(place: Channel) -> None:
    """Given on_lost = "timeout" at the job, if its process dies, then the message is in timeout, and the others return."""
    job = place.queue.job(channel=place.prefix, name="careful", on_lost="timeout")(lambda: None)
    careful = job.push()
    child = place.child()
    (raw,) = place.hand().reserve(1)
    child.slot.begin_batch([Message(raw).id])
    start(child)
    settle_dead(place.channel, child, KILLED, 10.0)
    (message,) = place.store.messages(State.TIMEOUT)
    assert message.hex_id == careful.id
    assert waiting(place) == []


def test_commands_are_sent_once_the_server_is_reachable(place: Channel) -> None:
    """Given an unreachable server, then the commands for an exited child are kept in order, and sent once it is reachable."""
    child = place.child()
    messages = place.reserve(child, 2)
    start(child, done=1)
    place.channel._ask_after = float("inf")
    settle_dead(place.channel, child, KILLED, 10.0)
    assert [command.move for commands in place.channel.pending.values() for command in commands] == ["ack", "rescue"]
    place.channel._ask_after = 0.0
    place.channel.send_pending()
    assert waiting(place) == [messages[1].id]
    assert not place.channel.pending


# ---- children with several jobs at once


def test_a_crash_is_counted_for_all_running_jobs(place: Channel, caplog: pytest.LogCaptureFixture) -> None:
    """Given four lanes of which one is done, two run and one is unstarted, if the child is killed, then exactly the two are counted."""
    child = place.child()
    messages = place.occupy(child, 4, deadlines=(0.0, 0.0, 0.0))
    child.slot.lanes.done(0)
    settle_dead(place.channel, child, KILLED, 10.0)
    back = place.store.messages(State.WAITING)
    assert [(message.id, message.crashes) for message in back] == [(messages[1].id, 1), (messages[2].id, 1), (messages[3].id, 0)]
    (record,) = records(back[0].history_bytes())
    assert record.error.endswith("peak memory 48 MiB, while running 2 jobs")
    assert f"while running work {messages[1].hex_id}, work {messages[2].hex_id}" in caplog.text
    assert place.channel.crashes == [10.0]


@pytest.mark.parametrize("end", ["killed", "left"])
def test_only_the_late_one_is_counted_when_its_process_had_to_end(place: Channel, end: str) -> None:
    """Given one job past its grace beside another, if the child is killed for it, or has left, then only the late one has an attempt."""
    child = place.child()
    late, beside = place.occupy(child, 2, deadlines=(8.0, 0.0))
    death = KILLED
    if end == "killed":
        child.killed_for, child.overdue = "timeout", {late.id}
    else:
        child.slot.set_phase(Phase.STOPPING)
        death = Death(0)
    settle_dead(place.channel, child, death, 10.0)
    (delayed,) = place.store.messages(State.DELAYED)
    assert (delayed.id, delayed.attempts, delayed.crashes) == (late.id, 1, 0)
    (record,) = records(delayed.history_bytes())
    assert record.error.endswith(f"was {'killed' if end == 'killed' else 'ended'}")
    assert place.store.raw(State.WAITING) == [beside.raw]
    assert place.channel.crashes == []


def test_a_stop_counts_a_job_that_is_past_its_grace(place: Channel, caplog: pytest.LogCaptureFixture) -> None:
    """Given a child killed at its stop_timeout, then a job past its limit has used an attempt, and the other one has not."""
    child = place.child()
    late, beside = place.occupy(child, 2, deadlines=(8.0, 0.0))
    child.killed_for = "stop"
    settle_dead(place.channel, child, KILLED, 10.0)
    assert [(message.id, message.attempts) for message in place.store.messages(State.DELAYED)] == [(late.id, 1)]
    assert place.store.raw(State.WAITING) == [beside.raw]
    assert caplog.text.count("killed at stop_timeout; work") == 1


def test_a_child_that_could_not_start_counts_no_crash(place: Channel) -> None:
    """Given children whose on_start raised, then that is not a crash; they are counted until one starts."""
    for number in (1, 2):
        child = place.child(f"s{number}")
        settle_dead(place.channel, child, Death(CANT_START), 10.0)
        assert (place.channel.failed_starts, place.channel.crashes) == (number, [])
    child = place.child("w9")
    child.slot.set_phase(Phase.STOPPING)
    settle_dead(place.channel, child, Death(0), 10.0)
    assert place.channel.failed_starts == 0
