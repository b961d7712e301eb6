"""The threads of all lanes: calls that block run at once, short ones run one after the other in one thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from taskq.worker.concurrent.job_threads import JobThreads
from tests.support.wait import wait_until

pytestmark = pytest.mark.one_python


def _note(seen: list[tuple[int, int]], number: int) -> Callable[[], None]:
    return lambda: seen.append((number, threading.get_ident()))


def test_a_thread_that_has_ended_a_call_takes_the_next() -> None:
    """Given more calls than threads, then they run in the order in which they came, without another thread."""
    threads, gate, seen = JobThreads("w1", 1), threading.Event(), list[tuple[int, int]]()
    threads.put(lambda: gate.wait(30))
    for number in range(5):
        threads.put(_note(seen, number))
    gate.set()
    wait_until(lambda: len(seen) == 5)
    assert [number for number, _ in seen] == [0, 1, 2, 3, 4]
    assert len({thread for _, thread in seen}) == 1


def test_calls_that_block_run_at_once() -> None:
    """Given as many calls as threads, each of which waits for all others, then all return: in new threads, and in those that slept."""
    threads, met = JobThreads("w1", 8), list[int]()
    barrier = threading.Barrier(8)

    def call() -> None:
        met.append(barrier.wait(30))

    for turn in range(1, 21):
        for _ in range(8):
            threads.put(call)
        wait_until(lambda turn=turn: len(met) == 8 * turn)
    assert threads._count == 8


def test_calls_one_after_the_other_start_one_thread() -> None:
    """Given a thread that sleeps, then the next call wakes it, although more threads may be started."""
    threads, seen = JobThreads("w1", 8), list[tuple[int, int]]()
    for number in range(3):
        threads.put(_note(seen, number))
        wait_until(lambda: bool(threads._idle))
    assert ([number for number, _ in seen], len({thread for _, thread in seen})) == ([0, 1, 2], 1)


def test_the_last_call_is_announced_before_it_is_made() -> None:
    """Given several calls in the inbox, then it is announced once that the last one was taken, before that is made."""
    seen, gate = list[str](), threading.Event()
    threads = JobThreads("w1", 1, lambda: seen.append("empty"))
    threads.put(lambda: gate.wait(30))
    wait_until(lambda: seen == ["empty"])
    for name in ("first", "last"):
        threads.put(lambda name=name: seen.append(name))
    gate.set()
    wait_until(lambda: len(seen) == 4)
    assert seen == ["empty", "first", "empty", "last"]


def test_a_call_that_raises_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    """Given a call that raises, then the log names the worker, and the thread makes the next call."""
    threads, seen = JobThreads("w1", 1), list[tuple[int, int]]()
    with caplog.at_level(logging.ERROR, "taskq.worker"):
        threads.put(lambda: {}[1])
        threads.put(_note(seen, 1))
        wait_until(lambda: bool(seen))
    assert caplog.messages == ["a lane of worker process w1 failed"]


def test_each_of_many_calls_is_made_once() -> None:
    """Given calls of which some block and some don't, put while others end, then none is lost, and none is made twice."""
    threads, seen = JobThreads("w1", 16), list[tuple[int, int]]()
    room = threading.Semaphore(16)

    def call(number: int) -> None:
        if number % 7 == 0:
            threading.Event().wait(0.001)
        _note(seen, number)()
        room.release()

    for number in range(2000):
        assert room.acquire(timeout=30)
        threads.put(lambda number=number: call(number))
    wait_until(lambda: len(seen) == 2000)
    assert sorted(number for number, _ in seen) == list(range(2000))
