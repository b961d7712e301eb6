"""Runs in the process of the test: what the worker does with a message, and the clock that a test moves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

import taskq
from taskq import Cancelled, Outcome, Queue, TaskqError, events, testing
from taskq.channel import State
from taskq.inspector import Inspector
from tests.testing.support import counting

pytestmark = pytest.mark.one_python


@pytest.fixture
def queue() -> Queue:
    return Queue("redis://127.0.0.1:1/0", channels={"mail": {}}, secret="s3cret")


def test_runs_follow_the_order_of_the_pushes_in_all_channels(queue: Queue) -> None:
    ran: list[int] = []
    job = queue.job(name="job")(ran.append)
    with testing.record(queue) as t:
        for number in range(6):
            job.options(channel="mail" if number % 2 else "default").push(number)
        assert t.run_one().args == (0,)
        assert [push.args for push in t.pending] == [(1,), (2,), (3,), (4,), (5,)]
        assert (t.run_all(), t.run_all(), ran) == (5, 0, [0, 1, 2, 3, 4, 5])


def test_retries_run_as_configured_when_the_test_travels(queue: Queue) -> None:
    attempts: list[tuple[int, int]] = []
    failures: list[str] = []

    @queue.job(name="job", max_attempts=3, retry_seconds=[10, 60], on_fail=lambda error: failures.append(str(error)), result_ttl=60)
    def job() -> None:
        attempts.append((taskq.current().attempt, taskq.current().max_attempts))
        raise ValueError(f"no {len(attempts)}")

    with testing.record(queue, raises=False) as t, counting(events.before, events.retry, events.failed) as seen:
        handle = job.push()
        assert (t.run_all(), t.run_all(), handle.status().state) == (1, 0, "delayed")
        t.travel(9.9)
        assert t.run_all() == 0
        t.travel(timedelta(seconds=0.1))
        assert t.run_all() == 1
        with pytest.raises(TaskqError, match=r"found no message that is due; the next is due in (60|59\.9\d*) s: use travel"):
            t.run_one()
        assert t.run_all(delayed=True) == 1
        with pytest.raises(TaskqError, match="no message that is due; none is delayed"):
            t.run_one()
        with pytest.raises(taskq.JobFailed, match="no 3"):
            handle.result()
        assert handle.status().state == "failed"
    assert (attempts, failures, seen) == ([(1, 3), (2, 3), (3, 3)], ["no 3"], {"before": 3, "retry": 2, "failed": 1})


def test_a_failed_run_raises_the_exception_of_the_job(queue: Queue) -> None:
    @queue.job(name="job", max_attempts=2)
    def job(number: int) -> None:
        raise ValueError(number)

    with testing.record(queue) as t:
        handle = job.push(7)
        with pytest.raises(ValueError, match="7") as found:
            t.run_all()
        # The traceback leads from the test into the job, without the worker's frames.
        assert [entry.name for entry in found.traceback][-1] == "job"
        assert [entry.name for entry in found.traceback if "worker" in str(entry.path)] == []
        assert handle.status().state == "delayed"  # settled before it was raised
        with pytest.raises(ValueError, match="7"):
            t.run_all(delayed=True)
        assert handle.status().state == "failed"


def test_a_result_that_cannot_be_stored_is_raised(queue: Queue) -> None:
    job = queue.job(name="job", result_ttl=60)(lambda: [threading.Lock()])
    with testing.record(queue) as t:
        job.push()
        with pytest.raises(taskq.JobFailed, match="CannotStore"):
            t.run_all()


def test_jobs_decide_their_outcome(queue: Queue) -> None:
    runs: list[str] = []

    @queue.job(name="job", result_ttl=60, max_attempts=2)
    def job(what: str) -> object:
        runs.append(what)
        if runs.count(what) == 1:
            if what == "requeue":
                raise taskq.Requeue(delay=5)
            if what == "retry":
                raise taskq.Retry(delay=7)
        if what == "drop":
            raise taskq.Drop("old")
        if what == "outcome":
            return Outcome.DROP
        return what

    with testing.record(queue) as t:
        handles = [job.push(what) for what in ("requeue", "retry", "drop", "outcome", "fine")]
        assert t.run_all() == 5  # no deliberate retry is a failure
        assert [handle.status().state for handle in handles] == ["delayed", "delayed", "dropped", "dropped", "done"]
        assert (t.run_all(delayed=True), handles[0].result(), handles[1].status().attempt) == (2, "requeue", 2)


def test_a_wait_that_nothing_would_end_says_what_to_do(queue: Queue) -> None:
    job = queue.job(name="job", result_ttl=60)(lambda: queue.handle(taskq.current().id).result())
    stream = queue.job(name="stream", result_ttl=60)(_count)
    with testing.record(queue) as t:
        for handle, text in [
            (job.push(), r"has not run: in mode manual, nothing runs it before run_one\(\) or run_all\(\)"),
            (job.options(delay=5).push(), r"is delayed, and nothing runs it in this test before travel\(seconds\)"),
        ]:
            with pytest.raises(taskq.ResultTimeout, match=text):
                handle.result()
            with pytest.raises(taskq.ResultTimeout, match=text):
                asyncio.run(handle.aresult(timeout=60))
        with pytest.raises(taskq.ResultTimeout, match="has not run"):
            next(stream.push(3).stream())
        with pytest.raises(taskq.ResultTimeout, match="is running: nothing else runs in this test before it ends"):
            t.run_all()
        with pytest.raises(taskq.NoResult, match="deleted or cleared"):
            queue.handle("0" * 32).result()


def test_results_expire_when_the_test_travels(queue: Queue) -> None:
    job = queue.job(name="job", result_ttl=60)(lambda: 1)
    with testing.record(queue) as t:
        handle = job.push()
        t.run_all()
        t.travel(59)
        assert handle.result() == 1
        t.travel(2)
        with pytest.raises(taskq.NoResult, match="its result expired"):
            handle.result()


def _count(end: int) -> Iterator[int]:
    yield from range(end)


def test_streams_and_progress(queue: Queue) -> None:
    @queue.job(name="numbers", result_ttl=60, max_attempts=2, retry_seconds=0)
    def numbers(end: int) -> Iterator[int]:
        yield from range(end)
        taskq.progress(1, 2, "half")
        if taskq.current().attempt == 1:
            raise ValueError

    @queue.job(name="anumbers", result_ttl=60)
    async def anumbers(end: int) -> AsyncIterator[int]:
        for number in range(end):
            await asyncio.sleep(0)
            yield number
        taskq.progress(1)

    with testing.record(queue, raises=False) as t:
        handle, other = numbers.push(1100), anumbers.push(3)
        assert t.run_all() == 3
        assert [*handle.stream()] == [*range(1100)]
        assert [*other.stream()] == [0, 1, 2]
        assert other.stream(after=2).position == 2
        progress = handle.progress()
        assert progress is not None
        assert (progress.done, progress.message, progress.attempt) == (1, "half", 2)
        assert asyncio.run(other.aprogress()) is not None
        assert handle.status().attempt == 2


def test_messages_can_be_cancelled_and_deleted(queue: Queue) -> None:
    @queue.job(name="job", result_ttl=60)
    def job() -> None:
        assert queue.cancel(taskq.current().id, by="me") is Cancelled.REQUESTED

    @queue.job(name="ajob", result_ttl=60)
    async def ajob() -> None:
        await queue.handle(taskq.current().id).acancel()
        await asyncio.sleep(60)

    with testing.record(queue) as t:
        waiting, delayed, deleted, running, arunning = job.push(), job.options(delay=9).push(), job.push(), job.push(), ajob.push()
        assert (waiting.cancel(by="you"), delayed.cancel(), deleted.delete()) == (Cancelled.NOW, Cancelled.NOW, True)
        assert t.run_all(delayed=True) == 2
        with pytest.raises(taskq.ResultCancelled, match="me"):
            running.result()
        assert [handle.status().state for handle in (waiting, deleted, running, arunning)] == [
            "cancelled",
            "unknown",
            "cancelled",
            "cancelled",
        ]
        assert running.cancel() is Cancelled.TOO_LATE


def test_a_message_of_an_unknown_job_is_parked(queue: Queue) -> None:
    with testing.record(queue) as t:
        handle = queue.push_name("other:job", options_of_push := [1])
        assert (t.run_all(), handle.status().state, options_of_push) == (0, "parked", [1])
        t.assert_pushed("other:job", 1)


def test_what_a_job_pushes_runs_with_run_all(queue: Queue) -> None:
    @queue.job(name="job")
    def job(depth: int) -> None:
        if depth:
            job.options(delay=100).push(depth - 1)
            job.push(0)

    @queue.job(name="endless")
    def endless(seconds: int = 0) -> None:
        endless.options(delay=seconds).push(seconds)

    with testing.record(queue) as t:
        job.push(3)
        assert (t.run_all(), len(t.pushed), len(t.pending), t.run_all(delayed=True)) == (2, 3, 1, 5)
        endless.push()
        with pytest.raises(TaskqError, match="20 jobs have run, and more are due: does a job push itself"):
            t.run_all(limit=20)
        t.clear()
        endless.push(60)
        with pytest.raises(TaskqError, match="20 jobs have run, and more are due: does a job push itself"):
            t.run_all(delayed=True, limit=20)


def test_inline_runs_each_push_at_once(queue: Queue) -> None:
    ran: list[str] = []

    @queue.job(name="job", result_ttl=60)
    def job(name: str) -> str:
        ran.append(name)
        if name == "a":
            inner = job.push("b")
            with pytest.raises(taskq.ResultTimeout, match="in mode inline, what a job pushes runs after that job"):
                inner.result()
            assert ran == ["a"]
        if name == "bad":
            raise ValueError(name)
        return name

    with testing.record(queue, mode="inline") as t:
        assert (job.push("a").result(), ran) == ("a", ["a", "b"])
        job.options(delay=30).push("later")
        assert ran == ["a", "b"]
        t.travel(30)
        assert ran == ["a", "b", "later"]
        job.push_many([("c",), ("d",)])
        with queue.buffer():
            job.push("e")
            assert ran[-1] == "d"
        assert ran[-1] == "e"
        assert asyncio.run(_push_async(job)) == "f"
        with pytest.raises(ValueError, match="bad"):
            job.push("bad")
        t.assert_pushed(job, "later", delay=30)
    with testing.record(queue, mode="inline", raises=False):
        assert job.options(max_attempts=1).push("bad").status().state == "failed"


async def _push_async(job: taskq.Job[[str], str]) -> str:
    return await (await job.apush("f")).aresult()


def test_jobs_run_outside_the_event_loop_of_the_test(queue: Queue) -> None:
    threads: list[int] = []

    @queue.job(name="sync")
    def sync() -> None:
        threads.append(threading.get_ident())
        asyncio.run(asyncio.sleep(0))

    @queue.job(name="coro", handle_timeout=0.01, max_attempts=1)
    async def coro(seconds: float) -> None:
        threads.append(id(asyncio.get_running_loop()))
        asyncio.get_running_loop().create_task(asyncio.sleep(3600))  # left behind
        await asyncio.sleep(seconds)

    async def test() -> None:
        await sync.apush()
        await coro.apush(0)
        assert t.run_all() == 2
        await coro.apush(60)
        with pytest.raises(taskq.JobTimeout):
            t.run_all()

    with testing.record(queue) as t:
        asyncio.run(test())
        sync.push()
        coro.push(0)
        assert t.run_all() == 2
    assert threads[0] != threading.get_ident() == threads[3]
    assert threads[1] == threads[2] == threads[4]  # one event loop for all jobs, as in a worker process


def test_a_job_sees_no_context_of_the_test(queue: Queue) -> None:
    seen: list[dict[str, str]] = []
    job = queue.job(name="job")(lambda: seen.append({**taskq.current().headers}))
    inner = queue.job(name="inner")(job.push)
    with testing.record(queue, mode="inline"), queue.headers(tenant="acme"):
        job.push()
        inner.push()
    assert seen == [{"tenant": "acme"}, {}]


def test_the_clock_follows_a_frozen_one(queue: Queue) -> None:
    job = queue.job(name="job")(lambda: None)
    with freeze_time("2020-01-01") as clock, testing.record(queue) as t:
        job.options(at=datetime(2020, 1, 2, tzinfo=UTC)).push()
        assert t.run_all() == 0
        clock.tick(timedelta(days=1))
        assert t.run_all() == 1


def test_the_inspector_reads_the_recorded_messages(queue: Queue) -> None:
    job = queue.job(name="job", max_attempts=1)(lambda number: 1 / number)
    with testing.record(queue, raises=False) as t:
        job.push(0)
        job.options(delay=60).push(2)
        t.run_all()
        inspector = Inspector(queue)
        counts = inspector.counts("default")
        assert (counts.waiting, counts.delayed, counts.failed) == (0, 1, 1)
        (entry,) = inspector.entries("default", State.FAILED)
        assert (entry.job, entry.args) == ("job", (0,))
        assert inspector.flush("default", State.DELAYED) == 1
        assert t.pending == []


def test_a_job_cannot_run_others(queue: Queue) -> None:
    with testing.record(queue) as t:
        queue.job(name="job")(t.run_all).push()
        with pytest.raises(TaskqError, match=r"run_all\(\) was called while a job of this recording is running"):
            t.run_all()


def test_a_worker_in_a_recording_is_refused(queue: Queue) -> None:
    with (
        testing.record(queue),
        pytest.raises(TaskqError, match=r"queue.work\(\) gets no messages here.*use run_all\(\), or the mode worker"),
    ):
        queue.work(burst=True)


def test_ctrl_c_and_the_outcomes_of_pytest_end_the_test(queue: Queue) -> None:
    @queue.job(name="job")
    def job(how: str) -> None:
        if how == "Ctrl-C":
            raise KeyboardInterrupt
        pytest.fail("found by the job")

    with testing.record(queue, raises=False) as t:
        job.push("Ctrl-C")
        with pytest.raises(KeyboardInterrupt):
            t.run_all()
        t.clear()
        job.push("fail")
        with pytest.raises(pytest.fail.Exception, match="found by the job"):
            t.run_all()
