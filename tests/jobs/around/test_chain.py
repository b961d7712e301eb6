"""`@queue.around`: wrappers of runs, of every kind of job, in both engines."""

from __future__ import annotations

import asyncio
import gc
import re
import signal
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any

import pytest

from taskq import Context, Drop, JobCancelled, Outcome, Queue, Requeue, Retry
from taskq.app import load_app
from taskq.errors import AppError, JobDefinitionError
from taskq.jobs.around.wrapper import check_wrappers
from taskq.jobs.builtin import function_call, object_call
from taskq.jobs.call import Call
from taskq.wire.ending import read_ending, value_of
from taskq.wire.message import Message
from taskq.worker.concurrent.threads import ThreadExecutor
from taskq.worker.concurrent.timers import Timers
from taskq.worker.execute.async_runner import AsyncRunner
from taskq.worker.execute.executor import SyncExecutor
from taskq.worker.execute.frames import free_frames
from taskq.worker.execute.run import Run
from taskq.worker.execute.runner import Runner
from taskq.worker.execute.verdict import Action, Verdict
from tests.support.wait import wait_until
from tests.worker.conftest import Bench
from tests.worker.stage import MAX_CRASHES, FakeWatcher

pytestmark = pytest.mark.one_python
#: Set by a wrapper, and read by jobs.
tenant: ContextVar[str] = ContextVar("tenant", default="none")


class Scene:
    """A queue without a server, whose calls run at once in one of the two engines."""

    def __init__(self, executor: SyncExecutor | ThreadExecutor) -> None:
        self.bench = Bench()
        self.queue: Queue = self.bench.queue
        self.executor = executor
        self.seen: list[Any] = []

    def run(self, call: Call[Any]) -> tuple[Message, Verdict]:
        message = self.bench.pack(call)
        return message, self._run(message)

    def _run(self, message: Message) -> Verdict:
        runner: Runner
        if isinstance(self.executor, SyncExecutor):
            runner = Runner(self.bench.unpacker(), self.executor, FakeWatcher(), "w1", MAX_CRASHES)
            return self.in_new_context(lambda: runner.run(message, time.monotonic(), 1234))
        runner = AsyncRunner(self.bench.unpacker(), self.executor, FakeWatcher(), "w1", MAX_CRASHES)
        run = runner.prepare(message)
        assert isinstance(run, Run)
        if run.spec.is_async:
            return asyncio.run_coroutine_threadsafe(runner.arun(message, time.monotonic(), 1234), self.executor._loop).result(30)
        return self.in_new_context(lambda: runner.run(message, time.monotonic(), 1234))

    @staticmethod
    def in_new_context(call: Callable[[], Verdict]) -> Verdict:
        return copy_context().run(call)

    def ends(self, function: Callable[..., Any], *args: Any, **options: Any) -> tuple[str, Any]:
        """Run a function as a job, and return how it ended: ("done", result), or another kind and the text of its error."""
        name = f"work{len(self.queue.jobs)}"
        return self.end_of(self.queue.job(name=name, **{"result_ttl": 60, "max_attempts": 1, **options})(function).bind(*args))

    def end_of(self, call: Call[Any]) -> tuple[str, Any]:
        message, verdict = self.run(call)
        if verdict.error is not None:
            free_frames(verdict.error)
        assert verdict.ending is not None, verdict
        ending = read_ending(verdict.ending.data, message.id, None)
        return ending.kind, value_of(ending, message.hex_id) if ending.kind == "done" else ending.error


@pytest.fixture
def bench() -> Bench:
    """A queue without a server."""
    return Bench()


@pytest.fixture(params=["main", "thread"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """One for each engine."""
    if request.param == "main":
        before = signal.getsignal(signal.SIGALRM)
        executor = SyncExecutor()
        yield Scene(executor)
        executor.close()
        signal.signal(signal.SIGALRM, before)
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield Scene(ThreadExecutor(loop, Timers()))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def bound(queue: Queue, name: str = "acme") -> list[Any]:
    """Set the tenant around every job, as a library does: with the token of the variable. Return the outcomes that the wrapper saw."""
    outcomes: list[Any] = []

    @queue.around
    def bind(context: Context) -> Generator[None, Any, None]:
        token = tenant.set(f"{name} {context.job.rpartition(':')[2]}")
        try:
            outcomes.append((yield))
        except BaseException as error:
            outcomes.append(type(error).__name__)
            raise
        finally:
            tenant.reset(token)

    return outcomes


# ---- every kind of job


class Task:
    result_ttl = 60

    def handle(self) -> str:
        return tenant.get()


class AsyncTask:
    result_ttl = 60

    async def handle(self) -> str:
        await asyncio.sleep(0)
        return tenant.get()


def plain() -> str:
    return tenant.get()


async def coroutine() -> str:
    await asyncio.sleep(0)
    return tenant.get()


def awaitable() -> Any:
    return coroutine()


def generator() -> Generator[int, None, str]:
    yield from range(2)
    return tenant.get()


async def async_generator() -> AsyncIterator[int]:
    await asyncio.sleep(0)
    yield 1
    assert tenant.get() == "acme async_generator"


def test_a_wrapper_is_active_in_every_kind_of_job(scene: Scene) -> None:
    """Given a wrapper that sets a context variable, then each kind of job sees it, and the wrapper sees what the job returned."""
    outcomes = bound(scene.queue)
    for function in (plain, coroutine, awaitable, generator, async_generator):
        job = scene.queue.job(result_ttl=60)(function)
        _, verdict = scene.run(job.bind().with_options(result_ttl=0))  # a generator would send its items
        assert verdict.action is Action.ACK
        assert outcomes.pop() == (None if function is async_generator else f"acme {function.__name__}")
    for target, expected in ((Task(), "acme Task"), (AsyncTask(), "acme AsyncTask")):
        assert scene.end_of(object_call(scene.queue._object, target, 0)) == ("done", expected)
    for function in (lambda: len("four"), lambda: asyncio.sleep(0, 4)):
        call = function_call(scene.queue._callable, function, (), {}).with_options(result_ttl=60)
        assert scene.end_of(call) == ("done", 4)
    assert tenant.get() == "none"


def test_the_first_wrapper_is_the_outermost(scene: Scene) -> None:
    """Given two wrappers, one with the job's arguments, then they nest in their order, around sync and async jobs."""
    seen: list[Any] = []

    @scene.queue.around
    def outer(context: Context) -> Iterator[None]:
        seen.append("outer")
        yield
        seen.append("outer end")

    @scene.queue.around
    def inner(context: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[None]:
        seen.append((args, kwargs))
        yield
        seen.append("inner end")

    async def add(a: int, b: int = 1) -> int:
        return a + b

    for function in (add, lambda a, b: a + b):
        assert scene.ends(function, 1, 2) == ("done", 3)
        assert seen == ["outer", ((1, 2), {}), "inner end", "outer end"]
        seen.clear()


def test_wrappers_cover_the_named_jobs_and_channels(scene: Scene) -> None:
    """Given wrappers for some jobs, by object and by name, and for a channel, then they wrap only the runs of these."""
    seen: list[str] = []
    work = scene.queue.job(name="work", result_ttl=60)(lambda: None)
    other = scene.queue.job(name="other", result_ttl=60)(lambda: None)

    def noting(text: str) -> Callable[[Context], Iterator[None]]:
        def note(context: Context) -> Iterator[None]:
            seen.append(text)
            yield

        return note

    scene.queue.around(jobs=[work])(noting("object"))
    scene.queue.around(jobs=["work"], channels=["default"])(noting("name"))
    scene.queue.around(channels=["bulk"])(noting("channel"))
    scene.end_of(work.bind())
    assert seen == ["object", "name"]
    scene.end_of(other.bind())
    assert seen == ["object", "name"]


def test_it_sees_exceptions_and_may_replace_or_swallow_them(scene: Scene) -> None:
    """Given a job that raises, then the wrapper may let the exception through, raise another, or end: then the result is None."""
    outcomes = bound(scene.queue)

    @scene.queue.around
    def handle(context: Context) -> Iterator[None]:
        try:
            yield
        except KeyError:
            raise ValueError("replaced") from None
        except IndexError:
            pass

    def fail(error: Exception) -> Any:
        raise error

    async def afail(error: Exception) -> Any:
        raise error

    def later(error: Exception) -> Any:
        return afail(error)

    for job in (fail, afail, later):
        stopped = ("StopIteration", "x") if job is fail else ("RuntimeError", "coroutine raised StopIteration")
        for error, end, seen in (
            (OSError("x"), ("failed", "OSError: x"), "OSError"),
            (KeyError("x"), ("failed", "ValueError: replaced"), "ValueError"),
            (IndexError("x"), ("done", None), None),
            (StopIteration("x"), ("failed", ": ".join(stopped)), stopped[0]),
        ):
            assert scene.ends(job, error) == end
            assert outcomes.pop() == seen


def test_control_exceptions_and_outcomes_travel_through(scene: Scene) -> None:
    """Given jobs that ask for a retry, requeue, drop or cancel, then the wrapper sees it, and it has its effect."""
    outcomes = bound(scene.queue)

    def leave(what: Any) -> Any:
        if isinstance(what, Outcome):
            return what
        raise what

    job = scene.queue.job(leave)
    for what, action, seen in (
        (Retry(delay=3), Action.RETRY, "Retry"),
        (Requeue(delay=3), Action.REQUEUE, "Requeue"),
        (Drop("why"), Action.ACK, "Drop"),
        (JobCancelled("why"), Action.ACK, "JobCancelled"),
        (Outcome.REQUEUE, Action.REQUEUE, Outcome.REQUEUE),
    ):
        _, verdict = scene.run(job.bind(what))
        assert (verdict.action, outcomes.pop()) == (action, seen)


# ---- mistakes of a wrapper


def test_a_wrapper_that_does_not_yield_once_fails_the_attempt(scene: Scene) -> None:
    """Given wrappers that never yield, yield twice after a success or an exception, or raise, then the attempt fails, and says which."""

    def never(context: Context) -> Iterator[None]:
        if not context.id:
            yield

    def twice(context: Context) -> Iterator[None]:
        with suppress(ValueError):
            yield
        yield

    def before(context: Context) -> Iterator[None]:
        if context.id:
            raise OSError("no database")
        yield

    def after(context: Context) -> Iterator[None]:
        yield
        raise OSError("no commit")

    async def anever(context: Context) -> AsyncIterator[None]:
        if not context.id:
            yield

    async def atwice(context: Context) -> AsyncIterator[None]:
        with suppress(ValueError):
            yield
        yield

    async def abefore(context: Context) -> AsyncIterator[None]:
        if context.id:
            raise OSError("no database")
        yield

    async def afail(value: int) -> float:
        return 1 / value if value else int("x")

    def fail(value: int) -> float:
        return 1 / value if value else int("x")

    place = f"JobDefinitionError: the wrapper {__name__}:test_a_wrapper_that_does_not_yield_once_fails_the_attempt.<locals>."
    end = ": it must yield exactly once"
    for wrapper, text in (
        (never, f"{place}never did not yield{end}"),
        (anever, f"{place}anever did not yield{end}"),
        (twice, f"{place}twice yielded again after the job{end}"),
        (atwice, f"{place}atwice yielded again after the job{end}"),
        (before, "OSError: no database"),
        (abefore, "OSError: no database"),
    ):
        scene.queue.wrappers.clear()
        scene.queue.around(wrapper)
        for function in (afail,) if wrapper.__name__.startswith("a") else (fail, afail):
            assert scene.ends(function, 1) == ("failed", text)
            assert scene.ends(function, 0) == ("failed", text)
    scene.queue.wrappers.clear()
    scene.queue.around(after)
    assert scene.ends(fail, 1) == ("failed", "OSError: no commit")


def test_what_can_not_wrap_jobs_is_refused_at_the_decorator(bench: Bench) -> None:
    """Given decorated things that can't wrap a job, then the error names the mistake and the remedy."""
    queue = bench.queue
    job = queue.job(name="sync")(lambda: None)

    async def session(context: Context) -> AsyncIterator[None]:
        yield

    def given(decorated: Any, **options: Any) -> str:
        with pytest.raises(JobDefinitionError) as caught:
            queue.around(**options)(decorated)
        return str(caught.value)

    def two(context: Context, args: Any) -> Iterator[None]:
        yield

    @contextmanager
    def manager(context: Context) -> Iterator[None]:
        yield

    assert given(lambda context: None).endswith("<lambda>, which doesn't yield")
    assert given(job).endswith("got the job sync")
    assert given(3).endswith("got 3")
    assert "remove that one" in given(manager)
    assert given(two).endswith("it must take one parameter, the context, or three: context, args, kwargs")
    assert given(session, jobs="sync") == "jobs of @queue.around must be a list of jobs or their names; got 'sync'"
    assert given(session, channels=[]) == "channels of @queue.around must be a list of names; got []"
    assert given(session, jobs=[job]).endswith(
        "session is an async generator and can't wrap sync, which is not an async function. "
        "Write it with `def`, which works for every job, or name its jobs: @queue.around(jobs=[...])"
    )
    assert queue.wrappers == []


def test_what_can_not_work_is_refused_when_the_app_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    """Given an async wrapper for all jobs and a sync job, or the name of an unknown job or channel, then the app doesn't load."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for number, (options, text) in enumerate(
        [
            ("", "is an async generator and can't wrap apps0:work"),
            ('(jobs=["apps1:wrok"])', "apps1:session wraps the unknown job 'apps1:wrok'; did you mean \"apps1:work\"?"),
            ('(channels=["bulk"])', "unknown channel 'bulk'"),
        ]
    ):
        name = f"apps{number}"
        source = f"from taskq import Queue\nqueue = Queue('unix:///nowhere.sock')\n@queue.job\ndef work(): ...\n@queue.around{options}\n"
        (tmp_path / f"{name}.py").write_text(source + "async def session(context):\n    yield\n")
        with pytest.raises(AppError, match=re.escape(text)):
            load_app(name, tmp_path)
        sys.modules.pop(name)


def test_an_async_wrapper_fails_the_attempts_of_sync_targets(scene: Scene) -> None:
    """Given an async wrapper, then it wraps pushed coroutine functions; the run of a sync function fails, with the reason."""

    @scene.queue.around
    async def session(context: Context) -> AsyncIterator[None]:
        tenant.set("acme session")
        await asyncio.sleep(0)
        yield

    check_wrappers(scene.queue)
    call = function_call(scene.queue._callable, coroutine, (), {}).with_options(result_ttl=60)
    assert scene.end_of(call) == ("done", "acme session")
    assert scene.ends(coroutine) == ("done", "acme session")
    call = function_call(scene.queue._callable, plain, (), {}).with_options(result_ttl=60, max_attempts=1)
    kind, text = scene.end_of(call)
    assert kind == "failed"
    assert "session is an async generator and can't wrap taskq:call" in text


# ---- limits, cancels and memory


@pytest.mark.parametrize("where", ["enter", "job", "leave"])
def test_the_time_limit_covers_the_wrapper(scene: Scene, where: str) -> None:
    """Given a wrapper or a job that hangs, sync or async, then the limit ends it, and the wrapper is left."""
    left: list[str] = []

    def hang(here: str) -> None:
        while here == where:
            time.sleep(0.001)

    async def ahang(here: str) -> None:
        while here == where:
            await asyncio.sleep(0.001)

    @scene.queue.around(jobs=["sync"])
    def around(context: Context) -> Iterator[None]:
        try:
            hang("enter")
            yield
            hang("leave")
        except BaseException as error:
            left.append(type(error).__name__)
            raise

    @scene.queue.around(jobs=["async"])
    async def aaround(context: Context) -> AsyncIterator[None]:
        try:
            await ahang("enter")
            yield
            await ahang("leave")
        except BaseException as error:
            left.append(type(error).__name__)
            raise

    limited: dict[str, Any] = {"handle_timeout": 0.05, "max_attempts": 1, "result_ttl": 60}
    kind, _ = scene.end_of(scene.queue.job(name="sync", **limited)(hang).bind("job"))
    assert (kind, left) == ("timeout", ["JobTimeout"])
    kind, _ = scene.end_of(scene.queue.job(name="async", **limited)(ahang).bind("job"))
    assert (kind, left) == ("timeout", ["JobTimeout", "CancelledError"])


def test_what_a_failed_job_held_is_free(scene: Scene) -> None:
    """Given a failed job inside two wrappers, then its arguments and local variables are free once it is settled."""
    alive: list[weakref.ref[Any]] = []

    class Blob:
        pass

    def note(context: Context, args: Any, kwargs: Any) -> Iterator[None]:
        held = Blob()
        alive.append(weakref.ref(held))
        yield

    def fail() -> None:
        blob = Blob()
        alive.append(weakref.ref(blob))
        raise ValueError

    async def afail() -> None:
        fail()

    scene.queue.around(note)
    scene.queue.around(note)
    gc.disable()
    try:
        for job in (fail, afail):
            assert scene.ends(job)[0] == "failed"
        wait_until(lambda: [one() for one in alive] == [None] * 6, timeout=30)  # the future of a task is dropped by another thread
    finally:
        gc.enable()


def test_without_a_wrapper_the_function_is_called_as_it_is(bench: Bench) -> None:
    """Given no wrapper for a job, then the worker calls its function itself: nothing is paid."""
    job = bench.queue.job(name="work")(plain)
    bench.queue.around(jobs=["other"])(note_nothing)
    assert bench.unpacker().find(job.name).function is plain


def note_nothing(context: Context) -> Iterator[None]:
    yield
