"""Runs the startup and shutdown hooks of the application, around the jobs of a process."""

from __future__ import annotations

import asyncio
import inspect
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context, copy_context
from types import FrameType
from typing import Any

from taskq.clock import monotonic
from taskq.context import adopt
from taskq.errors import TaskqError
from taskq.jobs.hooks import Hooks, state
from taskq.tracebacks import from_application
from taskq.worker.execute.places import PATIENCE, Place, place_of

__all__ = ["Lifespan", "Stopped", "ended_by_sigterm", "watched"]

_log = logging.getLogger("taskq.worker")


class Lifespan:
    """The hooks of one process. `wait_for` awaits on the event loop of its jobs."""

    def __init__(self, hooks: Hooks, wait_for: Callable[[Any], Any], is_stopping: Callable[[], bool] = lambda: False) -> None:
        self._hooks = hooks
        self._wait_for = wait_for
        self._is_stopping = is_stopping
        #: True if the process was asked to stop during startup.
        self.was_stopped = False
        #: The hook that runs.
        self._name = ""
        self._closers: list[tuple[str, Callable[[], object]]] = []

    def open(self) -> bool:
        """Open the lifespans, then call on_start. Return False if one raised or the process was asked to stop; all are closed then."""
        try:
            with ended_by_sigterm(self._is_stopping):
                self.enter()
        except Stopped:
            _log.info("stopped during startup%s", f", in {self._name}" if self._name else "")
            self.was_stopped = True
            self.close_lifespans()
            return False
        except BaseException as error:  # even sys.exit(): the supervisor decides about the exit
            trace = type(error), error, from_application(error)
            _log.error("the worker process can't start: %s %s", self._name, _what(error), exc_info=trace)
            self.close_lifespans()
            return False
        return True

    def enter(self) -> None:
        """Open the lifespans, then call on_start. Raises the exception of a hook; `close` then closes those that were opened."""
        values: dict[str, Any] = {}
        givers: dict[str, str] = {}
        state.open(values)
        for function in self._hooks.lifespans:
            self._name = f"the lifespan {_name(function)}"
            with watched(self._name):
                _merge(values, givers, self._enter(function, self._name), self._name)
        for function in self._hooks.starting:
            self._name = f"on_start {_name(function)}"
            with watched(self._name):
                self._call(function)

    def close(self) -> None:
        """Call on_stop, then close the lifespans, the last opened first. Exceptions are logged, and the others are closed anyway."""
        for function in self._hooks.stopping:
            self._safely(f"on_stop {_name(function)}", lambda function=function: self._call(function))  # type: ignore[misc]
        self.close_lifespans()

    def close_lifespans(self) -> None:
        """Close the lifespans, without on_stop."""
        while self._closers:
            self._safely(*self._closers.pop())
        state.open(None)

    @staticmethod
    def _safely(name: str, call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:
            _log.exception("%s %s; the worker process exits anyway", name, _what(error))

    def _call(self, function: Callable[[], Any]) -> None:
        result = function()
        if inspect.isawaitable(result):
            adopt(self._wait_for(_context_after(result)))

    def _enter(self, function: Callable[[], Any], name: str) -> Any:
        """Enter a context, and store how to leave it."""
        manager = _manager(function)
        if hasattr(manager, "__aenter__"):
            held = _Held(manager)
            value = self._wait_for(held.enter())
            adopt(held.context)
            self._closers.append((name, lambda: self._wait_for(held.leave())))
            return value
        if hasattr(manager, "__enter__"):
            value = manager.__enter__()
            self._closers.append((name, lambda: manager.__exit__(None, None, None)))
            return value
        raise TaskqError(f"{name} is not a context manager: write it as a generator function that yields once, or return a context manager")


class _Held:
    """An async context that one task enters and leaves: a task group or a cancel scope in it requires the same task for both."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._leaving = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        #: The sys.exit() that has ended it. asyncio would let it through the event loop, as if a job's leftover task had called it.
        self._exit: BaseException | None = None
        #: The context variables once it is entered: the jobs must see those that it has set in its task.
        self.context = Context()

    async def enter(self) -> Any:
        entered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        task = self._task = asyncio.ensure_future(self._hold(entered))
        await asyncio.wait({task, entered}, return_when=asyncio.FIRST_COMPLETED)
        if not entered.done():
            await self._end(task)  # raises the exception of entering
        return entered.result()

    async def leave(self) -> None:
        self._leaving.set()
        if self._task is not None:
            await self._end(self._task)

    async def _end(self, task: asyncio.Task[None]) -> None:
        await task
        if self._exit is not None:
            raise self._exit

    async def _hold(self, entered: asyncio.Future[Any]) -> None:
        try:
            async with self._manager as value:
                self.context = copy_context()
                entered.set_result(value)
                await self._leaving.wait()
        except Stopped:
            raise
        except (SystemExit, KeyboardInterrupt) as error:
            self._exit = error


async def _context_after(awaitable: Any) -> Context:
    await awaitable
    return copy_context()


def _manager(function: Callable[[], Any]) -> Any:
    if inspect.isasyncgenfunction(function):
        return asynccontextmanager(function)()
    if inspect.isgeneratorfunction(function):
        return contextmanager(function)()
    return function()


def _merge(values: dict[str, Any], givers: dict[str, str], more: Any, name: str) -> None:
    if more is None:
        return
    if not isinstance(more, Mapping) or not all(isinstance(key, str) for key in more):
        raise TaskqError(f'{name} yielded {more!r}: yield a dict with string keys, such as {{"pool": pool}}, or nothing')
    for key in more:
        if key in values:
            giver = givers.get(key, "other code")
            raise TaskqError(f"{name} yielded {key!r}, which is already in taskq.state: {giver} yielded it, too; rename one")
    values.update(more)
    givers.update(dict.fromkeys(more, name))


def _what(error: BaseException) -> str:
    """Describe the hook that raised. The standard library's text about a generator doesn't explain the fix."""
    if isinstance(error, RuntimeError) and str(error) in ("generator didn't yield", "generator didn't stop"):
        return "must yield exactly once"
    return "raised"


def _name(function: Any) -> str:
    """Return the name and the location of a function."""
    name = getattr(function, "__qualname__", None)
    if name is None:
        return repr(function)
    code = getattr(inspect.unwrap(function), "__code__", None)
    place = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return f"{function.__module__}:{name}{place}"


#: Seconds until a stop that waits is tried again.
_AGAIN = 0.001
#: A hook that runs longer than this is logged.
_SLOW = 10.0


class Stopped(SystemExit):
    """SIGTERM arrived during startup. An event loop lets it through at once, like every SystemExit."""


@contextmanager
def ended_by_sigterm(is_stopping: Callable[[], bool]) -> Iterator[None]:
    """Raise Stopped in the block when SIGTERM arrives, or at its start if `is_stopping()` already.

    As in a job, the exception waits until it is safe: see `places`.
    """
    before, alarm = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGALRM)
    patient_until = 0.0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal patient_until
        now = monotonic()
        patient_until = patient_until or now + PATIENCE
        if place_of(frame, Lifespan.open.__code__, is_late=now > patient_until) is Place.PROTECTED:
            signal.signal(signal.SIGALRM, stop)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
            return
        restore()  # only once: the lifespans must close undisturbed
        raise Stopped

    def restore() -> None:
        if signal.getsignal(signal.SIGALRM) is stop:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm)
        if signal.getsignal(signal.SIGTERM) is stop:
            signal.signal(signal.SIGTERM, before)

    signal.signal(signal.SIGTERM, stop)
    try:
        if is_stopping():
            raise Stopped
        yield
    finally:
        restore()
    if patient_until:  # SIGTERM has arrived, and the block ended before the next try
        raise Stopped


@contextmanager
def watched(name: str) -> Iterator[None]:
    """Log a warning if the block takes long, with the name of the hook in it."""
    text = "%s is still running after %g s; this process reserves no message until it finishes"
    timer = threading.Timer(_SLOW, _log.warning, (text, name, _SLOW))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
