"""The variables with which a service manager (systemd, or one with its protocol) requests reports of a service's state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

__all__ = ["NotifySocket", "notify_socket"]

_SOCKET, _WATCHDOG, _WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class NotifySocket(NamedTuple):
    """Where a service manager receives the state of this process."""

    #: A path, or "@" and an abstract name.
    address: str
    #: The watchdog interval in seconds; None if this process must not send watchdog reports.
    watchdog_seconds: float | None


@contextmanager
def notify_socket() -> Iterator[NotifySocket | None]:
    """Remove the variables from the environment for the block, and return their meaning; None if they are not set.

    Processes that are started in the block don't inherit them: a program that a job starts must not report the state of the worker.
    """
    taken = {name: os.environ.pop(name) for name in (_SOCKET, _WATCHDOG, _WATCHDOG_PID) if name in os.environ}
    try:
        yield NotifySocket(taken[_SOCKET], _watchdog_seconds(taken)) if taken.get(_SOCKET) else None
    finally:
        os.environ.update(taken)  # for a program that continues after the worker


def _watchdog_seconds(taken: dict[str, str]) -> float | None:
    text, pid = taken.get(_WATCHDOG, ""), taken.get(_WATCHDOG_PID)
    if pid is not None and pid.strip() != str(os.getpid()):
        return None
    return int(text) / 1e6 if text.isascii() and text.isdigit() and int(text) else None
