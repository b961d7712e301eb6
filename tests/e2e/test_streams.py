"""Streams: the items of generator jobs are read while they run."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from taskq import ArgumentsError, JobFailed, NoResult, ResultTimeout, StreamRestarted
from taskq.channel import State
from taskq.worker.execute.streams.writer import UNREAD_LIMIT
from tests.e2e.apps import yielding
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until


def test_parts_arrive_while_the_job_runs(start_worker: StartWorker, tmp_path: Path) -> None:
    """Given generator jobs, sync and async, then no item waits for the next one to be yielded, and the stream ends with the job."""
    start_worker("yielding")
    for job in (yielding.waits_after_three, yielding.awaits_after_three):
        handle = job.push(5, str(gate := tmp_path / job.name))
        stream = handle.stream(timeout=30)
        assert [next(stream) for _ in range(3)] == [0, 1, 2]
        assert not handle.status().is_ended
        gate.touch()
        assert list(stream) == [3, 4]
    assert yielding.count.push(2).result(30) == "2 parts"
    assert yielding.acount.push(2).result(30) is None
    assert [part["word"] for part in yielding.words.push("plain data only").stream(timeout=30)] == ["plain", "data", "only"]
    assert list(yielding.count.push(0).stream(timeout=30)) == []


def test_parts_in_async_code(start_worker: StartWorker) -> None:
    """Given an event loop that reads several streams at once, then it gets the items of each in their order."""
    start_worker("yielding", settings={"processes": 2}, ready=2)

    async def read(job: Any) -> list[int]:
        handle = await job.apush(20, 0.01)
        return [part async for part in handle.astream(timeout=30)]

    async def main() -> list[list[int]]:
        found = await asyncio.gather(read(yielding.count), read(yielding.acount))
        await yielding.queue.aclose()
        return found

    assert asyncio.run(main()) == [list(range(20))] * 2


def test_many_readers_from_the_start_and_from_anywhere(start_worker: StartWorker) -> None:
    """Given a stream, then several readers get all of it, also after its end, and another program can continue where one stopped."""
    start_worker("yielding")
    handle = yielding.count.push(10, 0.03)
    found: list[list[int]] = []
    threads = [threading.Thread(target=lambda: found.append(list(handle.stream(timeout=30)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    first = handle.stream(timeout=30)
    begun = [next(first), next(first), next(first)]
    rest = yielding.queue.handle(handle.id).stream(after=first.position, timeout=10)
    assert begun + list(rest) == list(range(10))
    for thread in threads:
        thread.join()
    assert found == [list(range(10))] * 3
    assert list(handle.stream()) == list(range(10))
    assert list(handle.stream(after=8)) == [8, 9]
    assert list(rest) == []


def test_a_failed_run_begins_anew(start_worker: StartWorker) -> None:
    """Given a job that fails after three items and is retried, then a reader learns that the stream restarted, and reads the new items."""
    start_worker("yielding")
    handle = yielding.fails_after.push(3)
    stream = handle.stream(timeout=30)
    assert [next(stream), next(stream), next(stream)] == ["1.0", "1.1", "1.2"]
    with pytest.raises(StreamRestarted, match="restarted"):
        next(stream)
    assert list(stream) == ["2.0", "2.1", "2.2"]
    assert list(handle.stream()) == ["2.0", "2.1", "2.2"]
    with pytest.raises(StreamRestarted):
        list(handle.stream(after=2))


def test_a_failure_ends_the_stream(start_worker: StartWorker) -> None:
    """Given a job that fails permanently after two items, then its readers get both, and then the failure."""
    start_worker("yielding")
    stream = yielding.fails_after.options(max_attempts=1).push(2, always=True).stream(timeout=30)
    assert [next(stream), next(stream)] == ["1.0", "1.1"]
    with pytest.raises(JobFailed, match="ValueError: in attempt 1"):
        next(stream)
    assert list(stream) == []


def test_a_worker_that_dies_between_parts(start_worker: StartWorker, tmp_path: Path) -> None:
    """Given a job whose worker is killed after two items, then the reader learns of the restart, and gets the items of the next run."""
    start_worker("yielding")
    stream = yielding.dies_after.push(2, str(tmp_path / "gate")).stream(timeout=30)
    assert [next(stream), next(stream)] == ["first 0", "first 1"]
    (tmp_path / "gate").touch()
    with pytest.raises(StreamRestarted):
        next(stream)
    assert list(stream) == ["second 0", "second 1"]


def test_a_time_limit_is_of_the_whole_generator(start_worker: StartWorker, store: Store) -> None:
    """Given generators without an end and a time limit, sync and async, then they are ended by it, and so are their streams."""
    start_worker("yielding")
    for handle in (yielding.endless.push(0.05), yielding.aendless.push()):
        seen: list[int] = []
        with pytest.raises(JobFailed, match="JobTimeout"):
            seen.extend(handle.stream(timeout=30))
        assert len(seen) >= 2
    assert store.count(State.TIMEOUT) == 2


def test_a_generator_waits_for_its_readers(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a generator of thousands of items without a reader, then it pauses at the limit, and continues once a reader reads."""
    count = 3 * UNREAD_LIMIT
    handle = yielding.floods.push(count)
    start_worker("yielding")
    ledger.wait_for("flooded", UNREAD_LIMIT // 100 + 1)
    stream = handle.stream(timeout=30)
    for _ in range(10):
        next(stream)
    assert max(ledger.values("flooded")) <= UNREAD_LIMIT + 200
    assert list(stream) == list(range(10, count))


def test_parts_that_nobody_reads_end_the_job(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a generator over the limit, and no reader until its items expire, then it fails permanently, and isn't run again."""
    handle = yielding.unread.push(UNREAD_LIMIT + 1)
    start_worker("yielding")
    wait_until(lambda: handle.status().state == "failed")
    assert "Unread: 1000 unread items in the stream" in handle.status().error
    assert ledger.values("unread") == [1]


def test_a_part_that_can_t_be_stored_fails_the_job(start_worker: StartWorker) -> None:
    """Given a generator that yields what no serializer can write, then its reader gets what came before, and the reason."""
    start_worker("yielding")
    stream = yielding.yields_a_lock.push().stream(timeout=30)
    assert next(stream) == 1
    with pytest.raises(JobFailed, match="CannotStore: the job returned a lock"):
        next(stream)


def test_reading_what_has_no_parts(start_worker: StartWorker) -> None:
    """Given a job that is no generator, one that keeps nothing, an unknown id, and a wrong position, then each is said to be so."""
    handle = yielding.plain.push()
    with pytest.raises(NoResult, match="not a generator"):
        handle.stream()
    with pytest.raises(NoResult, match="is not stored"):
        yielding.count.options(result_ttl=0).push(1).stream()
    with pytest.raises(NoResult, match="no message or result with the id"):
        list(yielding.queue.handle("0" * 32).stream())
    for after in (-1, 1.5, True, "1", 2**53 + 1, 10**30):
        with pytest.raises(ValueError, match="integer from 0"):
            yielding.count.push(1).stream(after=after)  # type: ignore[arg-type]
    start_worker("yielding")
    with pytest.raises(NoResult, match="not a generator"):
        list(yielding.queue.handle(handle.id).stream())


def test_reading_from_behind_the_end(start_worker: StartWorker) -> None:
    """Given a stream that has ended, if a reader starts at its last item, or after it, then that ends at once."""
    start_worker("yielding")
    handle = yielding.count.push(3)
    assert handle.result(30) == "3 parts"
    for after in (3, 4, 5, 2**53):
        began = time.monotonic()
        assert list(handle.stream(after=after)) == []
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("timeout", [-1, float("nan"), "5", True])
def test_what_is_no_timeout_is_refused_at_the_call(timeout: Any) -> None:
    """Given a timeout that is no number of seconds, then asking for a stream or a result is an error at the call."""
    handle = yielding.count.push(1)
    for ask in (handle.result, handle.stream, handle.astream):
        with pytest.raises(ArgumentsError, match="timeout must be None or a non-negative number of seconds"):
            ask(timeout=timeout)
    with pytest.raises(ArgumentsError, match="timeout must be None or a non-negative number of seconds"):
        asyncio.run(handle.aresult(timeout))


@pytest.mark.parametrize("timeout", [0, 0.1, timedelta(milliseconds=100)])
def test_a_short_wait_reports_the_state(timeout: Any, store: Store) -> None:
    """Given a wait too short for a check in between, when it ends, then a missing message is reported, and a waiting one is not."""
    handle = yielding.count.push(1)
    for read in (lambda: handle.result(timeout), lambda: next(handle.stream(timeout=timeout))):
        with pytest.raises(ResultTimeout):
            read()
    store.client.flushall()
    for read in (lambda: handle.result(timeout), lambda: next(handle.stream(timeout=timeout))):
        with pytest.raises(NoResult, match="deleted or flushed"):
            read()


def test_without_a_reader_to_come_nothing_is_stored(start_worker: StartWorker, store: Store, ledger: Ledger) -> None:
    """Given a generator job pushed by another program, or without result_ttl, then it runs to its end, and leaves no key."""
    yielding.count.options(result_ttl=0).push(3)
    store.client.lpush(store.keys.waiting, b'{"job": "tests.e2e.apps.yielding:count", "args": [3]}')
    assert run_burst(start_worker, "yielding") == 0
    assert sorted(ledger.values("yielded")) == [0, 0, 1, 1, 2, 2]
    assert [key for key in store.client.scan_iter() if b"parts" in key or b"reading" in key] == []


def test_a_slow_part_is_waited_for(start_worker: StartWorker) -> None:
    """Given a reader with a timeout, when the next item takes longer, then that raises, and the next read returns it."""
    start_worker("yielding")
    stream = yielding.count.push(2, 0.5).stream(timeout=0.2)
    found: list[int] = []
    timeouts = 0
    while len(found) < 2:
        try:
            found.append(next(stream))
        except ResultTimeout:
            timeouts += 1
    assert found == [0, 1]
    assert timeouts >= 1


def test_readers_and_writers_outlive_their_connections(start_worker: StartWorker, server: ServerProcess) -> None:
    """Given a stream, when the server closes all connections repeatedly, then every item arrives once and in order."""
    start_worker("yielding")
    handle = yielding.count.push(40, 0.02)
    stop = threading.Event()

    def cut() -> None:
        while not stop.wait(0.15):
            server.admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        assert list(handle.stream(timeout=20)) == list(range(40))
    finally:
        stop.set()
        cutting.join()


def test_nobody_reads_on_when_all_is_lost(start_worker: StartWorker, server: ServerProcess) -> None:
    """Given a reader, when the message is deleted before it runs, then the reader gets an error within seconds."""
    handle = yielding.count.push(3)
    timer = threading.Timer(0.2, handle.delete)
    timer.start()
    began = time.monotonic()
    with pytest.raises(NoResult, match="deleted or flushed"):
        list(handle.stream())
    assert time.monotonic() - began < 30
    timer.join()


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_lost_stream_is_yielded_anew(start_worker: StartWorker, server: ServerProcess, ledger: Ledger, concurrency: int) -> None:
    """Given a generator in its only attempt, when the server loses everything, then it restarts (no attempt used) and yields all items."""
    start_worker("yielding", settings={"concurrency": concurrency})
    handle = yielding.count.options(max_attempts=1).push(50, 0.02)
    ledger.wait_for("yielded", 3)
    server.flush()
    wait_until(lambda: ledger.values("yielded").count(0) == 2, timeout=20)
    assert handle.result(timeout=30) == "50 parts"
    assert list(handle.stream(timeout=30)) == list(range(50))


def test_many_streams_from_one_process(start_worker: StartWorker, tmp_path: Path) -> None:
    """Given a worker with many jobs at once, when generators of both kinds run concurrently, then each reader gets its own items."""
    start_worker("yielding", settings={"concurrency": 8})
    gate = tmp_path / "gate"
    handles = [job.push(20, str(gate)) for job in (yielding.waits_after_three, yielding.awaits_after_three) for _ in range(4)]
    streams = [handle.stream(timeout=30) for handle in handles]
    assert [[next(stream) for _ in range(3)] for stream in streams] == [[0, 1, 2]] * 8
    assert [handle.status().is_ended for handle in handles] == [False] * 8
    gate.touch()
    assert [list(stream) for stream in streams] == [list(range(3, 20))] * 8
    stream = yielding.fails_after.push(1).stream(timeout=30)
    assert next(stream) == "1.0"
    with pytest.raises(StreamRestarted):
        next(stream)
    assert list(stream) == ["2.0"]
    with pytest.raises(JobFailed, match="JobTimeout"):
        list(yielding.aendless.push().stream(timeout=30))
