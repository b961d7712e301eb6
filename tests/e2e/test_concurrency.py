"""Concurrent jobs in one process: sync jobs in threads, async jobs on one event loop."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from taskq.channel import State
from taskq.clock import monotonic
from taskq.wire.message import Message
from tests.e2e.apps import concurrency
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until


def _go(tmp_path: Path) -> str:
    return str(tmp_path / "go")


def test_sync_and_async_jobs_run_side_by_side(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given 15 sync and 15 async jobs that wait, then one process runs all 30 at once, and all end."""
    for number in range(15):
        concurrency.hold.push(_go(tmp_path), f"s{number}")
        concurrency.ahold.push(_go(tmp_path), f"a{number}")
    worker = start_worker("concurrency", "--concurrency", "30")
    started = ledger.wait_for("start", 30)
    assert len({line.pid for line in started}) == 1
    (tmp_path / "go").touch()
    ledger.wait_for("end", 30)
    assert worker.stop() == 0


def test_no_more_is_reserved_than_there_is_room_for(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given concurrency 5 and 12 jobs, then 5 are reserved and 7 wait for others, in their order."""
    handles = [concurrency.hold.push(_go(tmp_path), str(number)) for number in range(12)]
    worker = start_worker("concurrency", settings={"concurrency": 5})
    ledger.wait_for("start", 5)
    assert len(store.reserved()) == 5
    assert [message.hex_id for message in store.messages(State.WAITING)] == [handle.id for handle in handles[5:]]
    (tmp_path / "go").touch()
    ledger.wait_for("end", 12)
    assert worker.stop() == 0


def test_each_knows_its_own_message(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given 20 jobs at once in threads and tasks, then taskq.current() is each one's own, before, after and in a thread of its own."""
    handles = [job.push(_go(tmp_path)) for _ in range(10) for job in (concurrency.who, concurrency.awho)]
    worker = start_worker("concurrency", "--concurrency", "20")
    ledger.wait_for("start", 20)
    (tmp_path / "go").touch()
    reported = [line.value for line in ledger.wait_for("who", 20)]
    assert all(len(set(ids)) == 1 for ids in reported)
    assert {ids[0] for ids in reported} == {handle.id for handle in handles}
    assert worker.stop() == 0


@pytest.mark.parametrize("limit", ["1", "4"])
def test_async_jobs_share_one_loop(start_worker: StartWorker, ledger: Ledger, limit: str) -> None:
    """Given async jobs that use what the first has opened, then it lives on in the next, also with one job at a time."""
    concurrency.pooled.push_many([(str(number),) for number in range(8)])
    assert run_burst(start_worker, "concurrency", "--concurrency", limit) == 0
    assert sorted(ledger.values("pooled")) == [[str(number), 1] for number in range(8)]


def test_what_a_sync_job_returns_is_awaited_on_the_loop(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a sync job that returns a coroutine, then that runs on the main thread's loop, and knows its message."""
    handle = concurrency.later.push("x")
    assert run_burst(start_worker, "concurrency", "--concurrency", "2") == 0
    assert ledger.values("later") == [["x", handle.id, True]]


def test_many_quick_jobs_each_run_once(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given 400 quick jobs of both kinds, two processes and listeners, then each runs once, and its listener is called once."""
    handles = concurrency.quick.push_many([(number,) for number in range(200)]) + concurrency.aquick.push_many(
        [(number,) for number in range(200)]
    )
    assert run_burst(start_worker, "concurrency", "--concurrency", "8", "--processes", "2", env={"LISTEN": "1"}) == 0
    for name in ("quick", "aquick"):
        assert sorted(ledger.values(name)) == list(range(200))
    assert sorted(ledger.values("after")) == sorted(handle.id for handle in handles)
    assert store.reserved() == []


def test_listeners_and_on_fail_know_their_message(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given failing jobs of both kinds, then on_fail is called for each, and taskq.current() is its message."""
    handles = [concurrency.fail.push(), concurrency.afail.push()]
    assert run_burst(start_worker, "concurrency", "--concurrency", "4") == 1
    assert sorted(ledger.values("on_fail")) == sorted(["ValueError", "no", handle.id] for handle in handles)
    assert store.count(State.FAILED) == 2


def test_a_retry_does_not_wait_for_those_who_listen(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given a job that is to be retried at once, while a listener takes its time over the first failure, then another lane runs it."""
    worker = start_worker("concurrency", "--concurrency", "3", env={"LISTEN_UNTIL": _go(tmp_path)})
    concurrency.fail_twice.push()
    assert [line.value for line in ledger.wait_for("fail_twice", 2)] == [1, 2]
    assert [line.value for line in ledger.wait_for("told")] == [1]
    wait_until(lambda: store.count(State.FAILED) == 1)
    (tmp_path / "go").touch()
    assert worker.stop() == 0


def test_copies_of_a_message_do_not_run_at_once(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given a message that somebody has put in three times, then one copy runs, the process goes on, and what is behind it runs, too."""
    concurrency.hold.push(_go(tmp_path), "copied")
    raw = store.messages(State.WAITING)[0].raw
    store.client.lpush(store.keys.waiting, raw, raw)
    concurrency.quick.push(1)
    worker = start_worker("concurrency", "--concurrency", "10")
    ledger.wait_for("quick")
    (tmp_path / "go").touch()
    pids = {line.pid for line in ledger.wait_for("end")}
    concurrency.quick.push(2)
    assert {line.pid for line in ledger.wait_for("quick", 2)} == pids
    assert len(ledger.lines("start")) == 1
    assert worker.stop() == 0
    assert store.count(State.WAITING) + len(store.reserved()) == 2


def test_a_child_that_dies_blames_all_that_it_ran(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given five running jobs and two that wait, if their process is killed, then the five are counted and run again, the two are not."""
    running = [
        job.push(_go(tmp_path), str(number))
        for number, job in enumerate([concurrency.hold, concurrency.ahold, concurrency.hold, concurrency.ahold, concurrency.hold])
    ]
    waiting = [concurrency.hold.push(_go(tmp_path), "behind") for _ in range(2)]
    worker = start_worker("concurrency", "--concurrency", "5")
    pid = ledger.wait_for("start", 5)[0].pid
    os.kill(pid, signal.SIGKILL)
    again = ledger.wait_for("start", 10)[5:]
    assert {line.pid for line in again} != {pid}
    assert sorted(line.value for line in again) == [[str(number), 1] for number in range(5)]
    assert {raw[2:18].hex(): raw[1] for raw in store.reserved()} == {handle.id: 1 for handle in running}
    assert [(message.hex_id, message.crashes) for message in store.messages(State.WAITING)] == [(handle.id, 0) for handle in waiting]
    assert "while running 5 jobs" in store.records(Message(store.reserved()[0]))[0].error
    (tmp_path / "go").touch()
    ledger.wait_for("end", 7)
    assert worker.stop() == 0


def test_a_lost_worker_had_perhaps_run_everything(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given jobs that may never run twice, if the whole worker dies while it runs three, then its successor sets all three aside."""
    for number in range(3):
        concurrency.careful.push(_go(tmp_path), str(number))
    worker = start_worker("concurrency", "--concurrency", "3", settings={"lease": 4})
    ledger.wait_for("start", 3)
    worker.kill()
    successor = start_worker("concurrency", "--concurrency", "3", settings={"lease": 4})
    wait_until(lambda: store.count(State.TIMEOUT) == 3, what="three in timeout")
    assert successor.stop() == 0
    assert len(ledger.lines("start")) == 3


def test_a_stop_lets_running_jobs_end(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given six running jobs and three that wait, if the worker is told to stop, then the six end, and the three wait on in order."""
    for number in range(3):
        concurrency.hold.push(_go(tmp_path), f"s{number}")
        concurrency.ahold.push(_go(tmp_path), f"a{number}")
    behind = [concurrency.quick.push(number) for number in range(3)]
    worker = start_worker("concurrency", "--concurrency", "6")
    ledger.wait_for("start", 6)
    worker.signal(signal.SIGTERM)
    worker.wait_for_log("stopping: SIGTERM")
    (tmp_path / "go").touch()
    assert worker.wait() == 0
    assert len(ledger.lines("end")) == 6
    assert [message.hex_id for message in store.messages(State.WAITING)] == [handle.id for handle in behind]


def test_a_job_that_listens_to_a_signal_makes_nobody_deaf(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given a job that has let its event loop listen to a signal, then a cancel and a stop still reach the process at once."""
    worker = start_worker("concurrency", "--concurrency", "2", settings={"lease": 60})
    concurrency.listen_to_a_signal.push()
    ledger.wait_for("listened")
    handle = concurrency.ahold.push(_go(tmp_path))
    ledger.wait_for("start")
    began = monotonic()
    handle.cancel()
    ledger.wait_for("cancelled")
    wait_until(lambda: store.reserved() == [])
    assert worker.stop() == 0
    assert monotonic() - began < 20


def test_what_does_not_end_in_time_runs_again_uncounted(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given stop_timeout = 1, then an async job is cancelled shortly before it is over, a sync one killed; both wait again, uncounted."""
    handles = [concurrency.ahold.push(_go(tmp_path), "a"), concurrency.hold.push(_go(tmp_path), "s")]
    worker = start_worker("concurrency", "--concurrency", "2", settings={"stop_timeout": 1})
    ledger.wait_for("start", 2)
    assert worker.stop() == 0
    assert ledger.values("cancelled") == ["a"]
    assert ledger.lines("end") == []
    left = store.messages(State.WAITING)
    assert sorted(message.hex_id for message in left) == sorted(handle.id for handle in handles)
    assert {(message.attempts, message.crashes, message.history_bytes()) for message in left} == {(0, 0, b"")}
    assert "was interrupted at stop_timeout" in worker.log


def test_a_blocked_loop_holds_up_nobody_else(start_worker: StartWorker, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given a coroutine that blocks the loop, then a sync job beside it ends and is settled, and an async one goes to another process."""
    worker = start_worker("concurrency", "--concurrency", "3", "--processes", "1")
    concurrency.hold.push(str(tmp_path / "first"), "s")
    concurrency.block.push(_go(tmp_path))
    ledger.wait_for("start", 2)
    waiting = concurrency.aquick.push(1)
    (tmp_path / "first").touch()
    ledger.wait_for("end")
    wait_until(lambda: len(store.reserved()) == 1, what="the sync job is settled, the async one given back")
    wait_until(lambda: [message.hex_id for message in store.messages(State.WAITING)] == [waiting.id], what="it waits")
    (tmp_path / "go").touch()
    ledger.wait_for("aquick")
    assert worker.stop() == 0


def test_a_process_is_replaced_after_its_share(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given max_messages = 5 and 20 jobs, then four processes run them, none more than five."""
    concurrency.quick.push_many([(number,) for number in range(20)])
    assert run_burst(start_worker, "concurrency", "--concurrency", "3", "--max-messages", "5") == 0
    pids = [line.pid for line in ledger.lines("quick")]
    assert sorted(ledger.values("quick")) == list(range(20))
    assert len(set(pids)) == 4
    assert max(map(pids.count, pids)) == 5


def test_the_successor_does_not_wait_for_the_last_job(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given a process that has done its share but for one long job, then another takes over at once, and the long job ends in peace."""
    concurrency.hold.push(_go(tmp_path), "long")
    concurrency.quick.push_many([(number,) for number in range(2)])
    worker = start_worker("concurrency", "--concurrency", "2", "--max-messages", "3")
    (old,) = ledger.wait_for("start")
    ledger.wait_for("quick", 2)
    concurrency.quick.push_many([(2,), (3,)])
    (tmp_path / "go").touch()
    ledger.wait_for("quick", 4)
    (end,) = ledger.wait_for("end")
    assert end.pid == old.pid
    assert worker.stop() == 0


def test_the_working_directory_is_put_back(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given a job that changes the directory, then it is put back, and said once."""
    concurrency.leave_directory.push(str(tmp_path))
    worker = start_worker("concurrency", "--concurrency", "2")
    worker.wait_for_log("it is restored after")
    concurrency.where.push(1)
    ((line),) = ledger.wait_for("where")
    assert line.value == os.getcwd()
    assert worker.stop() == 0


def test_a_forked_copy_of_the_worker_ends(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given an async job that forks, then the copy does nothing more, and the message is settled once."""
    concurrency.fork.push()
    concurrency.aquick.push(1)
    assert run_burst(start_worker, "concurrency", "--concurrency", "2") == 0
    assert len(ledger.lines("forked")) == 1
    assert ledger.values("aquick") == [1]


def test_a_task_left_behind_does_not_end_the_process(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a task that a job has left on the loop and that calls exit, then the process works on, and says so."""
    worker = start_worker("concurrency", "--concurrency", "2")
    concurrency.leave_task.push()
    worker.wait_for_log(r"raised SystemExit\(3\)")
    concurrency.aquick.push(1)
    (line,) = ledger.wait_for("aquick")
    assert line.pid == ledger.lines("left")[0].pid
    assert worker.stop() == 0


def test_the_server_goes_away_and_comes_back(
    start_worker: StartWorker, server: ServerProcess, ledger: Ledger, store: Store, tmp_path: Path
) -> None:
    """Given connections that all break while jobs run and the worker sleeps, then the jobs are settled, and new ones run."""
    worker = start_worker("concurrency", "--concurrency", "4")
    concurrency.hold.push(_go(tmp_path), "s")
    concurrency.ahold.push(_go(tmp_path), "a")
    ledger.wait_for("start", 2)
    server.admin.client_kill_filter(_type="normal", skipme=True)
    (tmp_path / "go").touch()
    ledger.wait_for("end", 2)
    concurrency.aquick.push_many([(number,) for number in range(10)])
    ledger.wait_for("aquick", 10)
    wait_until(lambda: store.reserved() == [], what="everything settled")
    assert worker.stop() == 0
    assert len(ledger.lines("start")) == 2
