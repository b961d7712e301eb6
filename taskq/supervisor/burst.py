"""Decides when `--burst` ends: when no message is waiting, reserved by this worker, or due, now or within the time to wait."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from taskq.supervisor.duties import Duties

__all__ = ["Burst"]

_log = logging.getLogger("taskq.supervisor")
_LOOK = 0.05
#: The maximum pause between two checks while a delayed message is awaited: a message that is due sooner may be pushed.
_LOOK_AHEAD = 1.0
#: A burst ends after this many processes in a row whose on_start or lifespan raised: otherwise it would never end.
_STARTS = 3


class Burst:
    """The condition that ends a worker in burst mode."""

    def __init__(self, channels: Mapping[str, Duties], wait_delayed: float = 0.0) -> None:
        self.due = 0.0
        self._channels = channels
        #: A delayed message that is due within this number of seconds is awaited.
        self._wait_delayed = wait_delayed

    def cannot_start(self) -> bool:
        """Return True, and log it, if the processes of a channel can't start."""
        for name, duties in self._channels.items():
            if duties.channel.failed_starts >= _STARTS:
                _log.error("channel %s: %d processes in a row could not start; stopping the burst", name, duties.channel.failed_starts)
                return True
        return False

    def end_reason(self, now: float) -> str | None:
        """Return a text for the log if no message is left to run now; otherwise None."""
        if now < self.due:
            return None
        self.due = now + _LOOK
        delayed = []
        for name, duties in self._channels.items():
            channel = duties.channel
            if any(child.pid is None for child in channel.children.values()):
                return None
            found = channel.ask(channel.driver.look([child.worker for child in channel.children.values()]))
            if found is None or any(found[:3]):
                return None
            if found[3] and found[4] / 1000 <= self._wait_delayed:
                self.due = now + min(max(found[4] / 1000, _LOOK), _LOOK_AHEAD)
                return None
            if found[3]:
                delayed.append(f"{found[3]} in channel {name} (next due in {found[4] / 1000:.1f} s)")
        return f"only delayed messages are left: {', '.join(delayed)}" if delayed else "the queue is empty"
