"""The startup and shutdown hooks of a process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import taskq
from taskq.jobs.hooks import Hooks
from taskq.worker.execute.executor import SyncExecutor
from taskq.worker.execute.places import Place
from taskq.worker.process import lifespan as starting
from taskq.worker.process.lifespan import Lifespan
from tests.support.wait import main_thread_takes_a_lock, wait_until, when


@pytest.fixture(autouse=True)
def closed_state() -> Iterator[None]:
    """Close `taskq.state` after a test that leaves its lifespan open."""
    yield
    taskq.state.open(None)


@pytest.fixture
def wait_for() -> Iterator[Callable[[Any], Any]]:
    """A function that runs an awaitable on one loop."""
    loop = asyncio.new_event_loop()
    yield loop.run_until_complete
    loop.close()


def _yields(value: object) -> Callable[[], Iterator[object]]:
    def context() -> Iterator[object]:
        yield value

    return context


def test_values_are_merged_and_removed_at_the_end(wait_for: Callable[[Any], Any]) -> None:
    """Given three lifespans, of which one yields nothing, then the values of the others are merged, and removed at the close."""
    hooks = Hooks()
    for value in ({"a": 1}, None, {"b": 2}):
        hooks.lifespan(_yields(value))
    lifespan = Lifespan(hooks, wait_for)
    assert lifespan.open()
    assert {name: taskq.state[name] for name in taskq.state} == {"a": 1, "b": 2}
    lifespan.close()
    assert repr(taskq.state) == "<taskq.state: closed>"


@pytest.mark.parametrize(
    ("values", "logged"),
    [
        (
            [{"pool": 1}, {"pool": 2}],
            "yielded 'pool', which is already in taskq.state: the lifespan tests.worker.process.test_lifespan:_yields",
        ),
        ([5], 'yielded 5: yield a dict with string keys, such as {"pool": pool}, or nothing'),
        ([{1: 2}], "yielded {1: 2}: yield a dict with string keys"),
    ],
)
def test_what_can_not_be_merged_is_an_error(
    wait_for: Callable[[Any], Any], caplog: pytest.LogCaptureFixture, values: list[Any], logged: str
) -> None:
    """Given lifespans that yield the same name, or no dict, then the worker doesn't start, and the log has the lifespan and the reason."""
    hooks, closed = Hooks(), []

    @hooks.lifespan
    def first() -> Iterator[None]:
        yield
        closed.append("first")

    for value in values:
        hooks.lifespan(_yields(value))
    assert not Lifespan(hooks, wait_for).open()
    assert logged in caplog.text
    assert f"the lifespan {__name__}:_yields.<locals>.context ({__file__}:" in caplog.text
    assert closed == ["first"]


def _never() -> Iterator[None]:
    yield from ()


def _twice() -> Iterator[None]:
    yield
    yield


async def _anever() -> AsyncIterator[None]:
    for nothing in ():
        yield nothing


async def _atwice() -> AsyncIterator[None]:
    yield
    yield


@pytest.mark.parametrize("function", [_never, _twice, _anever, _atwice])
def test_a_lifespan_yields_exactly_once(wait_for: Callable[[Any], Any], caplog: pytest.LogCaptureFixture, function: Any) -> None:
    """Given a lifespan that never yields, or yields twice, then the log has the rule and the place of the function."""
    hooks = Hooks()
    hooks.lifespan(function)
    lifespan = Lifespan(hooks, wait_for)
    if lifespan.open():
        lifespan.close()
    place = f"{__file__}:{function.__code__.co_firstlineno}"
    assert f"the lifespan {__name__}:{function.__name__} ({place}) must yield exactly once" in caplog.text


def test_a_slow_start_is_logged(wait_for: Callable[[Any], Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given on_start that takes longer than it should, then a warning names it while it runs; a quick one is not named."""
    monkeypatch.setattr(starting, "_SLOW", 0.2)
    hooks = Hooks()
    hooks.on_start(_quick)
    hooks.on_start(lambda: wait_until(lambda: "is still running after 0.2 s" in caplog.text))
    assert Lifespan(hooks, wait_for).open()
    assert f"on_start {__name__}:test_a_slow_start_is_logged.<locals>.<lambda>" in caplog.text
    assert "_quick" not in caplog.text


def test_a_process_that_must_stop_opens_nothing(wait_for: Callable[[Any], Any]) -> None:
    """Given a process that was asked to stop before it opens anything, then it opens nothing."""
    hooks, opened = Hooks(), []
    hooks.on_start(lambda: opened.append(1))
    lifespan = Lifespan(hooks, wait_for, lambda: True)
    assert not lifespan.open()
    assert (lifespan.was_stopped, opened) == (True, [])


def test_a_stop_during_startup_waits_until_a_lock_is_released(wait_for: Callable[[Any], Any]) -> None:
    """Given a startup hook that is taking a lock when SIGTERM arrives, then it is interrupted after it has released the lock."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}
    lock, announced = threading.Lock(), []
    condition = threading.Condition(lock)
    hooks = Hooks()

    @hooks.on_start
    def take_the_lock() -> None:
        with condition:
            announced.append("has it")
        time.sleep(10)

    lock.acquire()
    when(main_thread_takes_a_lock, lambda: os.kill(os.getpid(), signal.SIGTERM))
    # The handler of SIGTERM sets itself as that of SIGALRM while it must wait.
    when(lambda: signal.getsignal(signal.SIGALRM) is not handlers[signal.SIGALRM], lock.release)
    lifespan = Lifespan(hooks, wait_for)
    assert not lifespan.open()
    assert lifespan.was_stopped
    assert announced == ["has it"]
    assert lock.acquire(timeout=30)
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_stop_at_the_very_end_of_startup_counts(wait_for: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given SIGTERM where an exception would do harm, and the startup ends before the next try, then the process stops anyway."""
    monkeypatch.setattr(starting, "place_of", lambda *_, **__: Place.PROTECTED)
    hooks = Hooks()
    hooks.on_start(lambda: os.kill(os.getpid(), signal.SIGTERM))
    lifespan = Lifespan(hooks, wait_for)
    assert not lifespan.open()
    assert lifespan.was_stopped


def _quick() -> None: ...


def test_what_is_no_context_is_an_error(wait_for: Callable[[Any], Any], caplog: pytest.LogCaptureFixture) -> None:
    """Given a lifespan that returns something other than a context manager, then the error explains how to write one."""
    hooks = Hooks()
    hooks.lifespan(lambda: 5)
    assert not Lifespan(hooks, wait_for).open()
    assert "is not a context manager: write it as a generator function that yields once" in caplog.text
    assert "File " not in caplog.text  # the lines of taskq don't help


def test_an_async_context_that_raises_at_the_start(wait_for: Callable[[Any], Any], caplog: pytest.LogCaptureFixture) -> None:
    """Given an async lifespan that raises before its yield, then its own error is logged, and no task is left waiting."""
    hooks = Hooks()

    @hooks.lifespan
    async def context() -> AsyncIterator[None]:
        await asyncio.sleep(0)
        raise OSError("no server")
        yield

    assert not Lifespan(hooks, wait_for).open()
    assert "OSError: no server" in caplog.text


@pytest.mark.parametrize("place", ["start", "end"])
def test_an_exit_in_an_async_lifespan_is_blamed_on_no_job(caplog: pytest.LogCaptureFixture, place: str) -> None:
    """Given an async lifespan that calls sys.exit(), then the log names the lifespan, and not a task that a job has left behind."""
    before = signal.getsignal(signal.SIGALRM)
    hooks, executor = Hooks(), SyncExecutor()

    @hooks.lifespan
    async def exits() -> AsyncIterator[None]:
        if place == "start":
            sys.exit("bad setting")
        yield
        sys.exit("bad end")

    lifespan = Lifespan(hooks, executor.wait_for)
    assert lifespan.open() is (place == "end")
    lifespan.close()
    executor.close()
    signal.signal(signal.SIGALRM, before)
    (logged,) = caplog.messages
    assert "lifespan" in logged
    assert "exits" in logged


def test_everything_is_closed_whatever_raises(wait_for: Callable[[Any], Any], caplog: pytest.LogCaptureFixture) -> None:
    """Given on_stop, a sync and an async lifespan that all raise at the end, then each is tried, in reverse, and each is logged."""
    hooks, order = Hooks(), []

    @hooks.lifespan
    def one() -> Iterator[None]:
        yield
        order.append("one")
        raise ValueError("one")

    @hooks.lifespan
    async def two() -> AsyncIterator[None]:
        yield
        order.append("two")
        raise ValueError("two")

    @hooks.on_stop
    async def stop() -> None:
        order.append("stop")
        raise SystemExit(3)

    lifespan = Lifespan(hooks, wait_for)
    assert lifespan.open()
    with caplog.at_level(logging.ERROR):
        lifespan.close()
    assert order == ["stop", "two", "one"]
    assert caplog.text.count("raised; the worker process exits anyway") == 3
