"""`asyncio.get_event_loop()` in sync jobs: the event loop of the process, even after jobs that have changed it.

`asyncio.run` leaves a thread without a current event loop, and any job may set another one and close it. Python 3.14 deprecates the
policies of asyncio; there, `get_event_loop` raises in a sync job.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable

__all__ = ["keep_current"]


class _JobLoopPolicy(asyncio.DefaultEventLoopPolicy):
    """The standard policy, with the loop of the jobs as the main thread's loop while no other is set and open."""

    def __init__(self, loop_of_jobs: Callable[[], asyncio.AbstractEventLoop]) -> None:
        super().__init__()
        self._loop_of_jobs = loop_of_jobs
        self._pid = os.getpid()

    def get_event_loop(self) -> asyncio.AbstractEventLoop:
        loop: asyncio.AbstractEventLoop | None = self._local._loop  # type: ignore[attr-defined]
        if loop is None or loop.is_closed():
            # A process that a job has forked must not use this process's loop.
            if threading.current_thread() is threading.main_thread() and os.getpid() == self._pid:
                self.set_event_loop(self._loop_of_jobs())
            elif loop is not None:
                self.set_event_loop(None)
        return super().get_event_loop()


def keep_current(loop_of_jobs: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Make the loop of the jobs the current one of sync jobs in the main thread, unless the app has set a policy."""
    if sys.version_info < (3, 14) and type(asyncio.get_event_loop_policy()) is asyncio.DefaultEventLoopPolicy:
        asyncio.set_event_loop_policy(_JobLoopPolicy(loop_of_jobs))
