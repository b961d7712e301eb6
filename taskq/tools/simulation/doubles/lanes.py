"""Doubles for a worker process that runs several jobs at once: each of its threads is a party."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from taskq.errors import JobCancelled, JobTimeout
from taskq.tools.simulation import here
from taskq.tools.simulation.doubles.worker import Signals
from taskq.tools.simulation.party import Party, Source

__all__ = ["Lock", "Loop", "Thread", "ThreadExecutor", "Timers", "WakeableWait", "all_tasks"]


class Thread:
    """For `threading.Thread`."""

    def __init__(self, target: Callable[..., object], args: tuple[Any, ...] = (), name: str = "", daemon: bool = True) -> None:
        self._body = lambda: target(*args)
        self._name = name

    def start(self) -> None:
        here.system().begin_thread(self._name, self._body)


class Lock(Source):
    """For `threading.Lock`, among the threads of a process."""

    def __init__(self) -> None:
        super().__init__()
        self._is_held = False

    def acquire(self) -> None:
        here.system().world.wait(lambda: not self._is_held, on=(self,))
        self._is_held = True

    def release(self) -> None:
        self._is_held = False
        self.changed()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_raised: object) -> None:
        self.release()


class Loop(Source):
    """For the event loop of the main thread. Simulated jobs are not coroutines, so it only calls functions."""

    def __init__(self, _kind: str) -> None:
        super().__init__()
        self._calls: deque[Callable[[], object]] = deque()
        self._is_stopping = False

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        self._calls.append(lambda: function(*args))
        self.changed()

    call_soon_threadsafe = call_soon

    def stop(self) -> None:
        self._is_stopping = True

    def run_forever(self) -> None:
        while not self._is_stopping:
            here.system().world.wait(lambda: bool(self._calls), on=(self,))
            self._calls.popleft()()

    def run_until_complete(self, awaitable: object) -> None:
        pass

    def shutdown_asyncgens(self) -> None:
        pass


class WakeableWait(Signals):
    """For `WakeableWait`: signals and lanes end the wait of the pump."""

    def __init__(self, others: Iterable[int] = ()) -> None:
        super().__init__(others)
        self._is_asleep = self._is_woken = False

    def deliver(self, number: int) -> None:
        self.stopping = self.stopping or number == signal.SIGTERM
        self._is_woken = True
        self.changed()

    def wake(self) -> None:
        if self._is_asleep:
            self._is_asleep, self._is_woken = False, True
            self.changed()

    def prepare(self) -> None:
        self._is_asleep = True

    def wait(self, fileno: int | None, timeout: float) -> bool:
        system = here.system()
        connection = system.end(fileno) if fileno is not None else None
        sources = (self,) if connection is None else (self, connection)
        system.world.wait(lambda: self._is_woken or (connection is not None and connection.is_readable()), timeout, sources)
        self._is_asleep = self._is_woken = False
        return connection is not None and connection.is_readable()

    def pause(self, seconds: float) -> None:
        if not self.stopping:
            self.wait(None, seconds)


class _Timer:
    """For `Timer`."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call


class Timers:
    """For `Timers`."""

    def __init__(self) -> None:
        self._system = here.system()
        self._process = self._system.process()

    def set(self, when: float, call: Callable[[], None]) -> _Timer:
        timer = _Timer(call)

        def expire() -> None:
            if timer.call is not None and self._process.pid in self._system.processes:
                timer.call()

        self._system.world.at(when, expire)
        return timer

    def cancel(self, timer: _Timer) -> None:
        timer.call = None


class ThreadExecutor:
    """For `ThreadExecutor`: as `doubles.Executor`, in several threads."""

    def __init__(self, loop: Loop, timers: Timers, on_import: Callable[[], None] = lambda: None) -> None:
        """`on_import` isn't needed: simulated jobs import nothing."""
        process = here.system().process()
        #: The limit and the deadline of the call in each thread, shared by the lanes of a process: see `nap`.
        self._calls: dict[Party, tuple[float, float]] = process.executor._calls if process.executor else {}
        process.executor = self
        self._thread: Party | None = None

    def execute(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        world = here.system().world
        thread = self._thread = world.current
        self._calls[thread] = (timeout, world.now + timeout if timeout else 0.0)
        try:
            return function(*args, **kwargs)
        finally:
            self._thread = None
            self._calls.pop(thread, None)

    def nap(self, seconds: float, *, ignores_limit: bool = False) -> None:
        """Let the running job of any lane take some time."""
        world = here.system().world
        limit, deadline = self._calls[world.current]
        if deadline and not ignores_limit and world.now + seconds > deadline:
            world.sleep(deadline - world.now)
            raise JobTimeout(f"the job ran longer than its handle_timeout of {limit:g} s")
        world.sleep(seconds)

    def cancel(self) -> None:
        """Interrupt the running call. What has not arrived when the call returns is withdrawn."""
        thread = self._thread
        if thread is None:
            return
        call = self._calls.get(thread)

        def interrupt() -> None:
            if call is not None and self._calls.get(thread) is call:
                raise JobCancelled("the job was cancelled")

        thread.interrupts.append(interrupt)

    def close(self) -> None:
        pass


def all_tasks(loop: Loop) -> tuple[()]:
    """For `asyncio.all_tasks`."""
    return ()
