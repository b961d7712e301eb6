"""The surroundings of a job in a test: startup hooks, `taskq.state`, and what they leave behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar

import pytest

import taskq
from taskq import Queue, TaskqError, testing

pytestmark = pytest.mark.one_python
variable: ContextVar[str] = ContextVar("variable", default="unset")


def test_startup_hooks_run_before_the_first_job_and_end_with_the_recording() -> None:
    queue, seen = Queue("redis://127.0.0.1:1/0"), []

    @queue.lifespan
    def pool() -> Iterator[dict[str, str]]:
        seen.append("open")
        variable.set("by the lifespan")
        yield {"pool": "a pool"}
        seen.append("close")

    @queue.lifespan
    async def client() -> AsyncIterator[dict[str, object]]:
        yield {"loop": asyncio.get_running_loop()}

    @queue.on_start
    def start() -> None:
        taskq.state.extra = 1

    @queue.on_stop
    def stop() -> None:
        seen.append(f"stop {taskq.state.extra}")

    @queue.job(name="job")
    async def job() -> None:
        assert taskq.state.loop is asyncio.get_running_loop()
        seen.append(f"{taskq.state.pool} {variable.get()}")

    with testing.record(queue) as t:
        job.push()
        assert seen == []  # a test that runs nothing opens nothing
        t.run_all()
        job.push()
        t.run_all()
        with pytest.raises(TaskqError, match="only in a worker process"):
            taskq.state.pool  # noqa: B018
        assert variable.get() == "unset"
    assert seen == ["open", "a pool by the lifespan", "a pool by the lifespan", "stop 1", "close"]


def test_the_values_of_the_test_replace_the_startup_hooks() -> None:
    queue, seen = Queue("redis://127.0.0.1:1/0"), []

    @queue.on_start
    def start() -> None:
        seen.append("started")

    job = queue.job(name="job")(lambda: seen.append(taskq.state.pool))
    taskq.state.open({"pool": "fake"})
    try:
        with testing.record(queue, mode="inline"):
            job.push()
            assert taskq.state.pool == "fake"
    finally:
        taskq.state.open(None)
    assert seen == ["fake"]


def test_a_startup_hook_that_raises_fails_the_test_and_closes_the_others() -> None:
    queue, seen = Queue("redis://127.0.0.1:1/0"), []

    @queue.lifespan
    def pool() -> Iterator[None]:
        yield
        seen.append("close")

    @queue.on_start
    def start() -> None:
        raise OSError("no database")

    job = queue.job(name="job")(lambda: seen.append("job"))
    with testing.record(queue) as t:
        job.push()
        with pytest.raises(OSError, match="no database"):
            t.run_all()
    assert seen == ["close"]


def test_wrappers_of_the_queue_run_around_each_job() -> None:
    queue, seen = Queue("redis://127.0.0.1:1/0"), []

    @queue.around
    def sync(context: taskq.Context) -> Iterator[None]:
        token = variable.set(context.job)
        try:
            yield
        finally:
            seen.append(f"after {variable.get()}")
            variable.reset(token)

    @queue.job(name="job")
    def job() -> None:
        seen.append(variable.get())

    @queue.job(name="ajob", max_attempts=1)
    async def ajob() -> None:
        await asyncio.sleep(0)
        raise ValueError(variable.get())

    with testing.record(queue, mode="inline"):
        job.push()
        with pytest.raises(ValueError, match="ajob"):
            ajob.push()
    assert seen == ["job", "after job", "after ajob"]


def test_a_wrapper_that_a_worker_would_refuse_fails_the_test() -> None:
    queue = Queue("redis://127.0.0.1:1/0")

    @queue.around
    async def wrapper(context: taskq.Context) -> AsyncIterator[None]:
        yield

    job = queue.job(name="job")(lambda: None)
    with testing.record(queue) as t:
        job.push()
        with pytest.raises(taskq.JobDefinitionError, match="async"):
            t.run_all()


def test_each_queue_has_its_own_state() -> None:
    queues, seen = [Queue("redis://127.0.0.1:1/0") for _ in range(2)], []
    for number, queue in enumerate(queues):
        queue.lifespan(lambda number=number: _give(number))
        queue.job(name="job")(lambda: seen.append(taskq.state.number))
    with testing.record(*queues) as t:
        for queue in (*queues, *queues):
            queue.push_name("job")
        t.run_all()
    assert seen == [0, 1, 0, 1]


class _give:  # noqa: N801
    def __init__(self, number: int) -> None:
        self.number = number

    def __enter__(self) -> dict[str, int]:
        return {"number": self.number}

    def __exit__(self, *_: object) -> None:
        pass


def test_a_recording_leaves_no_thread_and_no_event_loop_behind() -> None:
    queue = Queue("redis://127.0.0.1:1/0")

    @queue.job(name="job")
    async def job() -> None:
        taskq.progress(1)
        await asyncio.to_thread(lambda: None)

    before = threading.active_count()
    with testing.record(queue) as t:
        job.push()
        t.run_all()
    assert threading.active_count() <= before + 1  # asyncio's thread ends soon
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
