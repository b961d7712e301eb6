"""An application that pushes all the time, and knows which of its pushes were acknowledged."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from taskq import Queue, TaskqError
from tests.support.wait import wait_until

__all__ = ["Load"]

_PAUSE = 0.001
_LONGEST = 60.0


class Load:
    """Pushes `faulty.quick` from a thread of its own, until it is stopped. Use it with `with`."""

    def __init__(self, queue: Queue, *, once: bool = False, name: str = "load") -> None:
        def quick(name: str) -> None: ...

        self._job = queue.job(name="tests.e2e.apps.faulty:quick")(quick).options(once=once)
        self._name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._push, daemon=True)
        #: The names of the pushes that returned, and the errors of the others.
        self.acknowledged: list[str] = []
        self.errors: list[TaskqError] = []

    def wait_for(self, more: int, *, timeout: float = 20.0) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.acknowledged) + more
        wait_until(lambda: len(self.acknowledged) >= wanted, timeout=timeout, what=f"{wanted} pushes; the last errors: {self.errors[-3:]}")

    def stop(self) -> None:
        """End it, and wait for its last push."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _push(self) -> None:
        number, end = 0, time.monotonic() + _LONGEST
        while not self._stop.wait(_PAUSE) and time.monotonic() < end:
            name = f"{self._name} {number}"
            number += 1
            try:
                self._job.push(name)
            except TaskqError as error:
                self.errors.append(error)
            else:
                self.acknowledged.append(name)
