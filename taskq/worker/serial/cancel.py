"""Cancels the running job when the supervisor signals it."""

from __future__ import annotations

import signal
from types import FrameType

from taskq.scoreboard.slot import Slot
from taskq.worker.execute.executor import SyncExecutor
from taskq.worker.execute.runner import Runner
from taskq.worker.process.signals import SignalWait

__all__ = ["Canceller"]


class Canceller:
    """Handles the supervisor's cancel signal. The slot names the message."""

    def __init__(self, signals: SignalWait, slot: Slot, runner: Runner, executor: SyncExecutor) -> None:
        self._slot = slot
        self._runner = runner
        self._executor = executor
        signals.on_cancel = self._on_signal

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        request = self._slot.notice.take()
        if request is None or number != signal.SIGUSR2:
            return
        identity, by = request
        # The job may have just ended, and another may have started: that one must not be interrupted.
        if any(one.id == identity for one in self._slot.running()):
            self._runner.cancelled = {identity: by}
            self._executor.cancel(frame)
