"""Results and failures of jobs, awaited from sync and async code."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from taskq import JobFailed, NoResult, ResultTimeout
from taskq.channel import Keys, State
from tests.e2e.apps import answering
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.servers import ServerProcess
from tests.support.store import Store


def test_what_jobs_return_arrives(start_worker: StartWorker) -> None:
    """Given jobs of every kind that keep their results, then each handle gives what its job returned, as often as it is asked."""
    start_worker("answering")
    assert answering.add.push(2, 3).result(30) == 5
    assert answering.aadd.push(2, 3).result(30) == 5
    assert answering.table.push(3).result(30) == {"numbers": [0, 1, 2], "name": "x"}
    assert answering.queue.push(answering.Report(4)).result(30) == 8
    handle = answering.add.push(1, 1)
    assert [handle.result(30), handle.result(0), answering.queue.handle(handle.id).result()] == [2, 2, 2]


def test_one_push_may_keep_its_result(start_worker: StartWorker, store: Store) -> None:
    """Given a job that keeps no result, when one push asks for it, then that one's is kept, for as long as it says."""
    start_worker("answering")
    handle = answering.keeps_none.options(result_ttl=30).push()
    assert handle.result(30) == 1
    assert 20_000 < store.client.pttl(store.keys.result(handle.id)) <= 30_000
    with pytest.raises(NoResult, match=r"is not stored: enable it with @queue.job\(result_ttl=3600\)"):
        answering.keeps_none.push().result(30)


def test_a_caller_sleeps_until_the_result_arrives(start_worker: StartWorker, server: ServerProcess) -> None:
    """Given many callers that wait before the job runs, when it ends, then all get the result at once, without polling."""
    server.admin.config_resetstat()
    handle = answering.slow.push(0.3)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(handle.result(20))) for _ in range(5)]
    for thread in threads:
        thread.start()
    start_worker("answering")
    for thread in threads:
        thread.join()
    assert found == ["slept"] * 5
    # A slice of 3 s each: a handful of blocked commands for all of the wait.
    assert server.admin.info("commandstats").get("cmdstat_blmove", {"calls": 0})["calls"] < 40


def test_results_in_async_code(start_worker: StartWorker) -> None:
    """Given an event loop, when it waits for many results at once, then it gets them, and ticks on meanwhile."""
    start_worker("answering")

    async def main() -> tuple[list[int], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        slow = await answering.slow.apush(0.2)
        handles = await answering.aadd.apush_many([(number, 1) for number in range(20)])
        found = await asyncio.gather(*(handle.aresult(10) for handle in handles))
        assert await slow.aresult(10) == "slept"
        assert (await slow.astatus()).state == "done"
        ticking.cancel()
        await answering.queue.aclose()
        return found, ticks

    found, ticks = asyncio.run(main())
    assert found == [number + 1 for number in range(20)]
    assert ticks >= 5


def test_a_failure_arrives_as_text(start_worker: StartWorker) -> None:
    """Given a job that fails permanently, then callers get JobFailed with its text and traceback, and never the class itself."""
    start_worker("answering")
    with pytest.raises(JobFailed, match="ValueError: no such file") as caught:
        answering.fails.push("no such file").result(30)
    assert caught.value.type == "ValueError"
    assert caught.value.attempt == 1
    assert "in fails" in caught.value.traceback
    assert "in fails" in "".join(caught.value.__notes__)


def test_retries_are_waited_through(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that fails twice before it succeeds, then callers get the value that it returned."""
    start_worker("answering")
    assert answering.at_last.push().result(30) == 3
    assert ledger.values("at_last") == [1, 2, 3]


def test_a_worker_that_dies_leaves_the_result_to_the_next_run(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job whose worker is killed while a caller waits, then the caller gets the result of the run after it."""
    start_worker("answering")
    assert answering.dies_once.push().result(15) == "survived"
    assert len(ledger.values("dies_once")) == 2


def test_what_the_supervisor_sets_aside_is_a_failure(start_worker: StartWorker) -> None:
    """Given a job that must not run again, and whose worker is killed, then callers get the error, although no worker is left."""
    start_worker("answering")
    with pytest.raises(JobFailed, match="SIGKILL"):
        answering.dies_for_good.push().result(15)


def test_what_cant_be_stored_fails_once(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a job that returns what no serializer can write, then it has failed permanently after one run, with that reason."""
    start_worker("answering")
    with pytest.raises(JobFailed, match=r"CannotStore: the job returned a lock that can't be stored with pickle"):
        answering.unstorable.push().result(30)
    assert ledger.values("unstorable") == [1]
    assert store.count(State.FAILED) == 1


def test_a_job_sets_its_own_outcome(start_worker: StartWorker) -> None:
    """Given jobs that return ACK or are dropped, then the result is None, or an error that says so."""
    start_worker("answering")
    assert answering.chooses.push("ack").result(30) is None
    with pytest.raises(NoResult, match="dropped it: not wanted"):
        answering.chooses.push("drop").result(30)


def test_a_result_that_isn_t_there_in_time(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that isn't done yet, when the timeout expires, then that raises, and a later call returns the result."""
    handle = answering.slow.push(0)
    with pytest.raises(ResultTimeout):
        handle.result(0)
    with pytest.raises(TimeoutError, match=r"no result .* within 0\.1 s"):
        handle.result(0.1)
    start_worker("answering")
    assert handle.result(30) == "slept"


def test_a_wait_for_a_deleted_message_ends(server: ServerProcess) -> None:
    """Given messages that are deleted, or lost with all of the server's data, then callers get an error within seconds."""
    for end in ("delete", "flushall"):
        handle = answering.add.push(1, 1)
        timer = threading.Timer(0.2, handle.delete if end == "delete" else server.admin.flushall)
        timer.start()
        began = time.monotonic()
        with pytest.raises(NoResult, match="deleted or flushed"):
            handle.result()
        assert time.monotonic() - began < 30
        timer.join()


def test_a_message_of_a_lost_worker_still_exists(server: ServerProcess) -> None:
    """Given a message that is reserved for a lost worker, then callers wait until it is rescued and has run."""
    handle = answering.add.push(1, 1)
    keys = Keys("queue")
    server.admin.lmove(keys.waiting, keys.reserved("dead"), "RIGHT", "RIGHT")
    with pytest.raises(ResultTimeout):
        handle.result(4.5)
    server.admin.delete(keys.reserved("dead"))
    with pytest.raises(NoResult, match="deleted or flushed"):
        handle.result()


def test_a_broken_connection_is_waited_through(start_worker: StartWorker, server: ServerProcess, ledger: Ledger) -> None:
    """Given a waiting caller, when the server closes all connections, then the result arrives anyway."""
    start_worker("answering")
    handle = answering.slow.push(0.6)
    ledger.wait_for("slow")
    timer = threading.Timer(0.2, lambda: server.admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
    timer.start()
    assert handle.result(30) == "slept"
    timer.join()


def test_where_a_message_is(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given messages in several states, then the status of each has its state, its worker, and its outcome."""
    gate = tmp_path / "gate"
    waiting, delayed = answering.waits.push(str(gate)), answering.slow.options(delay=60).push(0.5)
    assert (waiting.status().state, delayed.status().state) == ("waiting", "delayed")
    start_worker("answering")
    ledger.wait_for("waits")
    assert waiting.status().state in ("reserved", "running")
    gate.touch()
    assert waiting.result(30) == "waited"
    status = waiting.status()
    assert (status.state, status.attempt, status.is_ended) == ("done", 1, True)
    assert status.ended_at is not None
    failed = answering.fails.push("x")
    with pytest.raises(JobFailed):
        failed.result(30)
    assert (failed.status().state, failed.status().error) == ("failed", "ValueError: x")
    assert answering.queue.handle("0" * 32).status().state == "unknown"
    assert delayed.delete()
