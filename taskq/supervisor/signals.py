"""The signals of the supervisor: a handler only notes the number; the loop acts."""

from __future__ import annotations

import os
import signal
from collections import deque
from types import FrameType
from typing import Any

from taskq.scoreboard.pipe import drain, wake_pipe

__all__ = ["SignalInbox"]

_NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU)


class SignalInbox:
    """Collects signals while it is open; `close` restores the earlier handlers."""

    def __init__(self) -> None:
        self._noted: deque[int] = deque()
        self._read, self._write = wake_pipe()
        self._old_handlers: dict[int, Any] = {number: signal.signal(number, self._note) for number in _NUMBERS}
        self._old_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def fileno(self) -> int:
        return self._read

    def take(self) -> list[signal.Signals]:
        """Return the signals received since the last call."""
        drain(self._read)
        taken = []
        while self._noted:
            taken.append(signal.Signals(self._noted.popleft()))
        return taken

    def close(self) -> None:
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        os.close(self._read)
        os.close(self._write)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append(number)
