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
        notice = self._slot.notice.take()
        if notice is None or number != signal.SIGUSR2:
            return
        # The job may have just ended, and another may have started: that one must not be interrupted, nor a later run of the same message.
        if any((one.id, one.started) == (notice.id, notice.started) for one in self._slot.running()):
            self._runner.cancelled = {notice.id: notice.by}
            if not _is_in_on_fail(frame):
                self._executor.cancel(frame)


#: Its message is settled.
_ON_FAIL = Runner._call_on_fail.__code__


def _is_in_on_fail(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code is _ON_FAIL:
            return True
        frame = frame.f_back
    return False
