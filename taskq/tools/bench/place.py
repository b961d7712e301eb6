"""Where the bench works: a scratch directory, a key prefix and a worker, all gone at the end, also after Ctrl-C."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from taskq.channel import Keys
from taskq.clock import monotonic
from taskq.config import Settings
from taskq.driver.contract import Command
from taskq.driver.embedded.server import is_available
from taskq.driver.load import DEFAULT_URL
from taskq.errors import TaskqError
from taskq.inspector import Inspector
from taskq.polling import wait_for
from taskq.tools.bench.app import CHANNEL, LATE, App, make_app
from taskq.tools.scratch.server import scratch_server
from taskq.tools.scratch.signals import stop_signals, undisturbed
from taskq.tools.scratch.worker import Worker

__all__ = ["Place", "scratch_place"]

#: Seconds in which something must move, or the bench gives up.
PATIENCE = 30.0
#: Keys per command.
_UNLINKED = 1_000


class Make(Protocol):
    """Protocol: `make_app` for one server."""

    def __call__(self, scratch: Path, /, *, prefix: str, concurrency: int) -> App: ...


class Place:
    """Everything that the bench may write to."""

    def __init__(self, make: Make, prefix: str, directory: Path, concurrency: int = 1) -> None:
        """Make the queue. `make` is `make_app` for the server."""
        self.app = app = make(directory, prefix=prefix, concurrency=concurrency)
        self.keys = Keys(prefix)
        self._make = make
        self._directory = directory
        self.sender = app.queue.sender(CHANNEL)
        self.worker = Worker(app.queue, CHANNEL, directory / "worker.log")
        self.pipe = directory / "pipe"
        os.mkfifo(self.pipe, 0o600)
        self._reports = os.open(self.pipe, os.O_RDWR | os.O_NONBLOCK)
        self._shelves: list[str] = []
        self._scratch: set[str] = set()

    def ask(self, *words: str | bytes | int) -> Any:
        """Send a command to the server. Raises as `LinkPool.call`."""
        return self.sender.call(Command(str(words[0]), tuple(word if isinstance(word, bytes) else str(word) for word in words)))

    # ---- messages

    def scratch_key(self, name: str) -> str:
        """Return a key that is removed at the end."""
        # Named like the marker of an idempotent push: in the same Cluster slot, and no service looks there.
        key = self.keys.once(name)
        self._scratch.add(key)
        return key

    def remember(self, ids: Iterable[str]) -> None:
        """Remove the results and items of these messages at the end."""
        for one in ids:
            self._scratch.update((self.keys.result(one), self.keys.parts(one), self.keys.reading(one)))

    def shelve(self) -> None:
        """Put all waiting messages aside, where no worker finds them."""
        shelf = self.keys.once(f"shelf-{len(self._shelves)}")
        self._shelves.append(shelf)
        self.ask("RENAME", self.keys.waiting, shelf)

    def take_down(self) -> None:
        """Put a shelf's messages to waiting, all in one moment."""
        self.ask("RENAME", self._shelves[-1], self.keys.waiting)
        self._shelves.pop()  # from here on, this key is removed at the end

    def clear(self) -> None:
        """Remove what is waiting and delayed, and the scratch keys."""
        self.ask("UNLINK", self.keys.waiting, self.keys.delayed, self.keys.wake)
        scratch = sorted(self._scratch)
        for first in range(0, len(scratch), _UNLINKED):
            self.ask("UNLINK", *scratch[first : first + _UNLINKED])
        self._scratch.clear()

    def left(self) -> int:
        """Return how many messages wait or are reserved."""
        driver, call = self.sender.driver, self.sender.call
        workers = [worker.decode(errors="replace") for worker in call(driver.workers())[::2]]
        waiting, due, reserved, later, _wait = call(driver.look(workers))
        return int(waiting + due + reserved + later)

    # ---- the worker

    def start_worker(self, processes: int) -> None:
        """Start it, and wait until all its processes are there. Not while threads run: it forks."""
        self.worker.start(processes)
        self.wait_until(lambda: len(self.pids()) > processes)

    def pids(self) -> list[int]:
        """Return the process ids of the supervisor and of its processes that run jobs."""
        return [self.worker.pid, *(worker.pid for worker in Inspector(self.app.queue).workers(CHANNEL) if worker.pid > 0)]

    def wait_until(self, is_so: Callable[[], bool], pause: float = 0.02) -> None:
        """Wait until something is so.

        Raises:
            TaskqError: the worker has ended, or it isn't so after 30 seconds.
        """
        deadline = monotonic() + PATIENCE
        while not is_so():
            self.check_worker(deadline)
            time.sleep(pause)

    def check_worker(self, deadline: float) -> None:
        """See that the worker lives, and that it isn't too late.

        Raises:
            TaskqError: it has ended, or it is.
        """
        if not self.worker.is_alive:
            raise TaskqError(f"the benchmark's worker has ended. Worker log:\n{self.worker.last_words()}")
        if monotonic() > deadline:
            raise TaskqError(f"nothing moved for {PATIENCE:g} s. Worker log:\n{self.worker.last_words()}")

    def next_report(self) -> float:
        """Wait until a job reports its lateness, in seconds.

        Raises:
            TaskqError: the worker has ended, or no job reports within 30 seconds.
        """
        deadline = monotonic() + PATIENCE
        while not wait_for([self._reports], 1.0):
            self.check_worker(deadline)
        late: float = LATE.unpack(os.read(self._reports, LATE.size))[0]
        return late

    @contextmanager
    def beside(self, concurrency: int) -> Iterator[Place]:
        """Yield another place on the same server whose worker processes have this concurrency. It is removed after the block."""
        directory = self._directory / f"concurrency-{concurrency}"
        directory.mkdir()
        place = Place(self._make, f"{self.keys.prefix}-{concurrency}", directory, concurrency)
        try:
            yield place
        finally:
            with undisturbed():
                place.close()

    # ---- the end

    def close(self) -> None:
        """End the worker, and leave no key behind."""
        try:
            self.worker.stop()
            self._wipe()
        finally:
            os.close(self._reports)
            self.app.queue.close()

    def _wipe(self) -> None:
        driver, keys = self.sender.driver, self.keys
        # Registered now is only who could not end in good order.
        workers = [worker.decode(errors="replace") for worker in self.sender.call(driver.workers())[::2]]
        theirs = [key for worker in workers for key in (keys.reserved(worker), keys.worker(worker))]
        self.clear()
        everybodys = (keys.failed, keys.timeout, keys.parked, keys.workers)
        self.ask("UNLINK", *everybodys, *theirs, *self._shelves)


@contextmanager
def scratch_place(settings: Settings) -> Iterator[Place]:
    """Give a place for one bench: on the server of the settings, or on a separate embedded one if they name none.

    Raises:
        ServerError: the server can't be started or used.
    """
    url = settings.url if settings.url is not None or is_available() else DEFAULT_URL
    directory = Path(tempfile.mkdtemp(prefix="taskq-bench-"))
    try:
        with stop_signals(), scratch_server(directory, url) as address:
            prefix = f"taskq-bench-{secrets.token_hex(4)}"
            place = Place(partial(make_app, settings, address), prefix, directory)
            try:
                yield place
            finally:
                with undisturbed():
                    place.close()
    finally:
        with undisturbed():
            shutil.rmtree(directory, ignore_errors=True)
