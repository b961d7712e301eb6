"""The signals of the supervisor: a handler only notes the number; the loop acts."""

from __future__ import annotations

import os
import signal
from collections import deque
from types import FrameType
from typing import Any

from taskq.clock import monotonic
from taskq.scoreboard.pipe import drain, wake_pipe

__all__ = ["STOP_SIGNALS", "SignalInbox"]

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_NUMBERS = (*STOP_SIGNALS, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU)
#: All signals that a worker and its processes use. The program that started it may have blocked them, and a mask is inherited.
_USED = (*_NUMBERS, signal.SIGCHLD, signal.SIGALRM, signal.SIGUSR2)
#: Stop signals within this many seconds of the first are one request: a runner sends SIGINT to the process group, then SIGTERM.
_ONE_REQUEST = 0.5


class SignalInbox:
    """Collects signals while it is open; `close` restores the earlier handlers."""

    def __init__(self) -> None:
        #: Each with the time when it arrived: the loop may read it later.
        self._noted: deque[tuple[int, float]] = deque()
        self._first_stop: float | None = None
        self._read, self._write = wake_pipe()
        self._old_handlers: dict[int, Any] = {number: signal.signal(number, self._note) for number in _NUMBERS}
        self._old_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        # Last: a signal that waited for this is delivered now.
        self._old_mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, _USED)
        #: True if closing the terminal must end this process. `nohup` ignores the signal, so that it does not.
        self._needs_terminal = self._old_handlers[signal.SIGHUP] is not signal.SIG_IGN and _has_terminal()

    def fileno(self) -> int:
        return self._read

    def take(self) -> list[signal.Signals]:
        """Return the signals received since the last call, without stop signals that only repeat the first."""
        drain(self._read)
        taken = []
        while self._noted:
            number, at = self._noted.popleft()
            if number in STOP_SIGNALS:
                if self._first_stop is not None and at - self._first_stop < _ONE_REQUEST:
                    continue
                self._first_stop = at if self._first_stop is None else self._first_stop
            taken.append(signal.Signals(number))
        return taken

    def has_lost_terminal(self) -> bool:
        """Return True if this process was started in a terminal that has been closed since: SIGHUP means that, not a reload."""
        return self._needs_terminal and not _has_terminal()

    def close(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._old_mask)
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        os.close(self._read)
        os.close(self._write)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append((number, monotonic()))


def _has_terminal() -> bool:
    """Return True if this process has a controlling terminal. It may have one without any standard stream on it."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
