"""Doubles for a worker process: its signals, the time limits of its jobs, and the lock of its slot."""

from __future__ import annotations

import inspect
import mmap
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from taskq.errors import JobCancelled, JobTimeout
from taskq.scoreboard.slot import Slot
from taskq.tools.simulation import here
from taskq.tools.simulation.party import Death, Party, Source, Violation

__all__ = ["Executor", "FailingLog", "Lifespan", "Lock", "Poke", "ProcessState", "Signals", "detach"]


class Lock:
    """A lock between processes. A process that dies while holding it leaves it locked."""

    def __init__(self) -> None:
        self._holder: Party | None = None
        self._is_held = False

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        world = here.system().world
        if world.random.random() < 0.2:
            world.sleep(world.random.uniform(0.0, 0.0005))
        if self._is_held and not world.wait(lambda: not self._is_held, (timeout if timeout is not None else 1e9) if block else 0.0):
            return False
        self._is_held, self._holder = True, world.current
        return True

    def release(self) -> None:
        current = here.system().world.current
        if current is not None and not current.is_dead:
            self._is_held = False


class Signals(Source):
    """For `SignalWait`: the signals of a worker process arrive while it waits."""

    def __init__(self, others: Iterable[int] = ()) -> None:
        super().__init__()
        process = here.system().process()
        process.signals = self
        self.stopping: bool = process.is_stopped_early
        self.on_cancel: Callable[[int, FrameType | None], None] = lambda number, frame: None

    def deliver(self, number: int) -> None:
        if number == signal.SIGTERM:
            self.stopping = True
            self.changed()
        elif number == signal.SIGUSR2:
            self.on_cancel(number, sys._getframe())  # the frames of the job are below this one

    def wait(self, fileno: int | None, timeout: float) -> bool:
        system = here.system()
        connection = system.end(fileno) if fileno is not None else None
        sources = (self,) if connection is None else (self, connection)
        system.world.wait(lambda: self.stopping or (connection is not None and connection.is_readable()), timeout, sources)
        return not self.stopping and connection is not None and connection.is_readable()

    def pause(self, seconds: float) -> None:
        self.wait(None, seconds)

    def install(self) -> None:
        pass

    def check(self) -> None:
        pass

    def descriptors(self) -> list[int]:
        return []


class Executor:
    """For `SyncExecutor`: a job takes virtual time, and its limit or a cancel may interrupt it."""

    def __init__(self, *_parts: object) -> None:
        """The parts aren't needed: simulated jobs import nothing, and are not coroutines."""
        self._depth = 0
        self._deadline = 0.0
        self._limit = 0.0

    def execute(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        here.system().process().executor = self
        self._limit, self._deadline = timeout, here.system().world.now + timeout if timeout else 0.0
        self._depth += 1
        try:
            result = function(*args, **kwargs)
            assert not inspect.isawaitable(result)
            return result
        finally:
            self._depth -= 1

    def nap(self, seconds: float, *, ignores_limit: bool = False) -> None:
        """Let the running job take some time."""
        world = here.system().world
        if self._deadline and not ignores_limit and world.now + seconds > self._deadline:
            world.sleep(self._deadline - world.now)
            raise JobTimeout(f"the job ran longer than its handle_timeout of {self._limit:g} s")
        world.sleep(seconds)

    def cancel(self, frame: FrameType | None) -> None:
        if self._depth:
            raise JobCancelled("the job was cancelled")

    def wait_for(self, awaitable: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        pass


class ProcessState:
    """For `ProcessState`: simulated jobs change nothing in their process."""

    def __init__(self, descriptors: Iterable[int]) -> None:
        pass

    def restore(self) -> bool:
        return True


class Lifespan:
    """For `Lifespan`: the app has no hooks."""

    was_stopped = False

    def __init__(self, *_parts: object) -> None:
        pass

    def open(self) -> bool:
        return True

    def close(self) -> None:
        pass


class FailingLog:
    """For a module's log: an exception that the module logs and survives is a violation. A death ends the thread."""

    def exception(self, text: str, *args: object) -> None:
        error = sys.exception()
        if isinstance(error, Death):
            raise error
        here.system().world.fail(Violation("no crash", f"{text % args}\n{traceback.format_exc()}"))

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  (the name of the logger's method)
        return False

    def error(self, text: str, *args: object) -> None:
        pass


def detach(slot: Slot) -> None:
    """Cut a dead worker process off its slot: what its code does on the way out must not reach the supervisor."""
    scratch = mmap.mmap(-1, len(slot._memory))
    slot._memory = scratch
    slot.lanes._memory = scratch
    slot.notice._memory = scratch


class Poke:
    """For `Poke`."""

    descriptor = -1

    def __init__(self, pokes: Any) -> None:
        self._pokes = pokes

    def __call__(self) -> None:
        self._pokes.poke()
