"""While a process opens what its jobs need, it has reserved nothing: it may end at once, and whoever waits for it is told why."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Stopped", "ended_by_sigterm", "watched"]

_log = logging.getLogger("taskq.worker")
#: So long may a hook take before somebody is told.
_SLOW = 10.0


class Stopped(SystemExit):
    """SIGTERM came while the process started. An event loop lets it through at once, as it does with every SystemExit."""


@contextmanager
def ended_by_sigterm(is_told: Callable[[], bool]) -> Iterator[None]:
    """Raise Stopped in the block when SIGTERM comes, and at its start when the process `is_told` already to stop."""
    before = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, before)  # once: what is open shall be closed in peace
        raise Stopped

    signal.signal(signal.SIGTERM, stop)
    try:
        if is_told():
            raise Stopped
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is stop:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def watched(name: str) -> Iterator[None]:
    """Warn when the block takes long, with the name of what runs in it."""
    text = "%s is still running after %g s; this process takes no message before it has ended"
    timer = threading.Timer(_SLOW, _log.warning, (text, name, _SLOW))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
