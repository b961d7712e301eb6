"""The mode worker: a forked worker and an embedded server, which both end with the test."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from taskq import events
from taskq.channel import State
from taskq.clock import monotonic
from taskq.driver.contract import Command, Driver
from taskq.driver.embedded.server import EmbeddedServer
from taskq.driver.load import load_driver
from taskq.driver.pool import LinkPool
from taskq.errors import JobFailed, TaskqError
from taskq.logs import set_up_logging
from taskq.queue import Queue
from taskq.supervisor.processes.fork import die_with_parent, fork
from taskq.testing.install import uninstall
from taskq.testing.outbox import PushLog
from taskq.wire.history import Record, records
from taskq.wire.message import Message

__all__ = ["WorkerBackend"]

#: pytest leaves the functions of this module out of tracebacks.
__tracebackhide__ = True
#: Seconds for the worker to run all messages, and to stop.
_PATIENCE = 60.0
_LOOK = 0.005
_PAGE = 1000
_STATES = (State.WAITING, State.DELAYED, State.FAILED, State.TIMEOUT, State.PARKED)


class WorkerBackend:
    """A server in a temporary directory, and a worker for each queue. It is forked at the first push of the queue."""

    def __init__(self, push_log: PushLog) -> None:
        """Start the server.

        Raises:
            ServerUnavailable: the extra `embedded` is not installed.
        """
        self._push_log = push_log
        self._pid = os.getpid()
        self.url: str | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="taskq-test-"))
        self._server = EmbeddedServer(self._folder / ".taskq")
        self._workers: dict[Queue, Any] = {}
        atexit.register(self.close)
        try:
            self.url = self._server.ensure()
        except BaseException:
            self.close()
            raise
        self._starting = threading.Lock()
        #: The guards hold the reading end: when this process closes the other, or dies, they end.
        self._alive = os.pipe()
        #: Each run writes a byte.
        self._ran = os.pipe()
        for end in self._ran:
            os.set_blocking(end, False)
        self._runs = self._counted = 0
        #: How many records of failed attempts have been seen, by message.
        self._seen: dict[bytes, int] = {}

    def pool(self, queue: Queue, channel: str) -> LinkPool:
        """Return the connections of a channel."""
        return _Pool(load_driver(self.url or "", queue.channel(channel)), lambda: self._start(queue), self._push_log.record)

    def _start(self, queue: Queue) -> None:
        with self._starting:
            if queue not in self._workers:
                args = (queue, self.url, self._folder, self._alive, self._ran[1], os.getpid())
                self._workers[queue] = fork(_guard, *args)

    # ---- runs

    def run_one(self, *, raises: bool) -> str:
        """Refuse: the worker doesn't wait.

        Raises:
            TaskqError: always.
        """
        raise TaskqError("run_one() needs the mode manual or inline: in mode worker, the worker runs each message at once")

    def travel(self, milliseconds: int) -> None:
        """Refuse: the clock is that of the server.

        Raises:
            TaskqError: always.
        """
        raise TaskqError("travel() needs the mode manual or inline: in mode worker, the clock of the server decides")

    def run_all(self, *, delayed: bool, raises: bool, limit: int) -> int:
        """Wait until the worker has run all messages; return how many runs there were since the last call."""
        deadline = monotonic() + _PATIENCE
        before, calm = -1, 0
        while calm < 2:  # a job may push to a channel that was just looked at: then the next look finds a message, or another run
            is_idle, count = self._is_idle(delayed=delayed), self._count()
            calm = calm + 1 if is_idle and count == before else 0
            before = count
            self._check_worker()
            if count - self._counted > limit:
                raise TaskqError(f"{limit} jobs have run, and more are due: does a job push itself? Otherwise use run_all(limit=...)")
            if monotonic() > deadline:
                raise TaskqError(f"the worker of the test did not run all messages within {_PATIENCE:g} s; remaining: {self.pending()}")
            time.sleep(_LOOK)
        count, self._counted = before - self._counted, before
        failures = list(self._failures())
        if raises and failures:
            raise JobFailed(failures[0].error, failures[0].traceback, failures[0].attempt)
        return count

    def _count(self) -> int:
        try:
            while read := os.read(self._ran[0], 65536):
                self._runs += len(read)
        except BlockingIOError:
            pass
        return self._runs

    def _is_idle(self, *, delayed: bool) -> bool:
        for pool in self._pools():
            workers = [name.decode() for name in pool.call(pool.driver.workers())[::2]]
            waiting, due, reserved, later, _ = pool.call(pool.driver.look(workers))
            if waiting or due or reserved or (delayed and later):
                return False
        return True

    def _check_worker(self) -> None:
        for worker in self._workers.values():
            if worker.exitcode is not None:
                raise TaskqError(f"the worker of the test has exited (exit code {worker.exitcode}): see its output")

    def _pools(self) -> list[LinkPool]:
        return [queue.sender(channel) for queue in self._workers for channel in queue.channel_names()]

    def _messages(self, *states: State) -> Iterator[tuple[State, bytes]]:
        for pool in self._pools():
            for state in states:
                page = pool.call(pool.driver.page(state, 0, _PAGE))
                yield from ((state, raw) for raw in (page if state is State.WAITING else page[::2]))

    def _failures(self) -> Iterator[Record]:
        """Yield the last record of each message whose run has failed since the last call. A deliberate retry is not a failure."""
        for state, raw in self._messages(State.DELAYED, State.FAILED, State.TIMEOUT):
            past = records(Message(raw).history_bytes())
            seen, self._seen[Message(raw).id] = self._seen.get(Message(raw).id, 0), len(past)
            if len(past) > seen and not (state is State.DELAYED and past[-1].error.startswith("Retry:")):
                yield past[-1]

    # ---- state

    def pending(self) -> set[str]:
        """Return the ids of the messages that are waiting, delayed or running."""
        held = [
            raw
            for pool in self._pools()
            for name in pool.call(pool.driver.workers())[::2]
            for raw in pool.call(pool.driver.holdings(name.decode()))
        ]
        return {Message(raw).hex_id for raw in (*(raw for _, raw in self._messages(State.WAITING, State.DELAYED)), *held)}

    def clear(self) -> None:
        """Remove all messages that are not running."""
        for pool in self._pools():
            for state in _STATES:
                while pool.call(pool.driver.flush(state, _PAGE)):
                    pass

    def close(self) -> None:
        """Stop the workers and the server, and remove the folder."""
        if os.getpid() != self._pid:  # a forked process keeps the exit hooks of its parent
            return
        if self.url is not None:
            self.url = None
            os.close(self._alive[1])
            while self._workers:
                _, worker = self._workers.popitem()
                worker.join(_PATIENCE)
                worker.close()
            for end in (self._alive[0], *self._ran):
                os.close(end)
        _remove(self._server, self._folder)
        atexit.unregister(self.close)


class _Pool(LinkPool):
    """Records each push, and starts the worker before the first."""

    def __init__(self, driver: Driver, start: Callable[[], None], pushed: Callable[[Sequence[Any]], None]) -> None:
        super().__init__(driver)
        self._start = start
        self._pushed = pushed

    def call(self, command: Command, *, replicas: int = 0) -> Any:
        if command.move != "push":
            return super().call(command)
        self._start()
        reply = super().call(command)
        self._pushed(command.words)
        return reply

    async def acall(self, command: Command, *, replicas: int = 0) -> Any:
        if command.move != "push":
            return await super().acall(command)
        self._start()
        reply = await super().acall(command)
        self._pushed(command.words)
        return reply


def _remove(server: EmbeddedServer, folder: Path) -> None:
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


# ---- the processes of the worker


def _guard(queue: Queue, url: str, folder: Path, alive: tuple[int, int], ran: int, parent: int) -> None:
    """Run a worker until the test has ended, even if the test's process was killed: otherwise, the server would never be removed."""
    os.setsid()  # Ctrl-C at the terminal is for the test
    os.close(alive[1])
    worker = fork(_work, queue, url, ran, os.getpid())
    while worker.exitcode is None and not _has_ended(alive[0]):
        pass
    if worker.exitcode is None:
        os.kill(worker.pid, signal.SIGTERM)
        worker.join(_PATIENCE / 2)
    code = worker.exitcode
    if code is None:
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(_PATIENCE)
    if os.getppid() != parent:
        _remove(EmbeddedServer(folder / ".taskq"), folder)
    sys.exit(code)


def _has_ended(alive: int) -> bool:
    """Wait some time. Return True if the test has ended: no process has the other end of the pipe."""
    import select

    readable, _, _ = select.select([alive], [], [], 0.2)
    return bool(readable)


def _work(queue: Queue, url: str, ran: int, parent: int) -> None:
    die_with_parent(parent)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    uninstall(url)

    def count(_event: object) -> None:
        with suppress(BlockingIOError):  # the pipe is full: the test never asks for the number of runs
            os.write(ran, b".")

    events.before.connect(count, weak=False)
    set_up_logging("WARNING", "text")
    sys.exit(queue.work(processes=1))
