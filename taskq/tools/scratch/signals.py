"""The signals that end what works in a scratch place: with all its clean-up, and not in the middle of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["STOPPING", "stop_signals", "undisturbed"]

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP (a closed terminal) end the block as Ctrl-C does: with all its clean-up."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(number)  # decides the exit code

    # An ignored signal stays ignored: with nohup, a closed terminal ends nothing.
    old = {number: signal.signal(number, stop) for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back these signals, while the block cleans up."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
