"""The end of a burst: no message is waiting, reserved by this worker, or due."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from taskq.supervisor.duties import Duties

__all__ = ["Burst"]

_log = logging.getLogger("taskq.supervisor")
_LOOK = 0.05
#: A burst stops after this many processes in a row whose on_start or lifespan raised: it would never end.
_STARTS = 3


class Burst:
    """Decides when `--burst` ends."""

    def __init__(self, channels: Mapping[str, Duties]) -> None:
        self.due = 0.0
        self._channels = channels

    def cannot_start(self) -> bool:
        """Return True, and log it, if the processes of a channel can't start."""
        for name, duties in self._channels.items():
            if duties.channel.failed_starts >= _STARTS:
                _log.error("channel %s: %d processes in a row could not start; stopping the burst", name, duties.channel.failed_starts)
                return True
        return False

    def is_over(self, now: float) -> bool:
        """Return True if the queue is empty, and log the messages that are delayed for later."""
        if now < self.due:
            return False
        self.due = now + _LOOK
        later = []
        for name, duties in self._channels.items():
            channel = duties.channel
            if any(child.pid is None for child in channel.children.values()):
                return False
            found = channel.ask(channel.driver.look([child.worker for child in channel.children.values()]))
            if found is None or any(found[:3]):
                return False
            if found[3]:
                later.append((name, found[3], found[4] / 1000))
        for name, count, seconds in later:
            _log.info("channel %s: %d delayed messages left; next due in %.1f s", name, count, seconds)
        return True
