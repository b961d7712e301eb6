"""The service that watches running jobs: for ignored time limits, and for messages prefetched behind a slow job."""

from __future__ import annotations

import logging

from taskq.scoreboard.state import LATE_SECONDS, SLOW_SECONDS, Phase, Running
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.processes.child import Child
from taskq.supervisor.reap import settle_finished
from taskq.supervisor.rules import is_helpless, leave_until, must_release, overdue

__all__ = ["Watchdog"]

_log = logging.getLogger("taskq.supervisor")
_IDLE_POLL = 1.0


class Watchdog:
    """Kills jobs that ignore their deadline, and releases messages prefetched behind slow ones."""

    def __init__(self, channel: ChannelState) -> None:
        self.due = 0.0
        self._channel = channel

    def tick(self, now: float) -> None:
        wait = _IDLE_POLL
        for child in list(self._channel.children.values()):
            wait = min(wait, self._look(child, now))
        self.due = now + wait

    def _look(self, child: Child, now: float) -> float:
        """Check one child. Return the seconds until the next check."""
        slot, wait = child.slot, _IDLE_POLL
        phase = slot.phase
        if phase is Phase.STOPPING:
            # It exits by itself, unless a thread that a job left behind keeps it alive.
            child.ask_to_stop(now + self._channel.settings.stop_timeout)
        running = slot.running()
        if late := overdue(running, now):
            self._end(child, running, late, now)
            wait = 0.05
        elif phase is Phase.LEAVING:
            child.leaving = True
        if not running and not slot.lanes.count:
            return min(wait, self._unwatch(child))
        wait = min(wait, self._relieve(child, slot.began(now), now))
        return min([wait, *(max(0.05, one.deadline - now) for one in running if one.deadline)])

    def _end(self, child: Child, running: list[Running], late: list[Running], now: float) -> None:
        """Kill a child whose jobs ignored their deadlines. A child with several jobs gets time to finish the others."""
        if child.slot.lanes.count:
            if child.slot.phase in (Phase.LEAVING, Phase.STOPPING):
                if not child.leaving:
                    child.leave(leave_until(running, now, self._channel.settings.stop_timeout))
                return
            if not is_helpless(late, now):
                return
        is_first = child.killed_for is None
        if is_first:
            child.overdue = {one.id for one in late}
        child.kill("timeout")  # before the log, which may block
        if is_first:
            for one in late:
                _log.error("killing worker process %s: %s %s did not stop at its handle_timeout", child.worker, one.job, one.id.hex())

    def poked(self) -> bool:
        """Handle a poke: some child has reserved several messages, or is leaving. Return True if this channel has such a child."""
        for child in self._channel.children.values():
            if _must_watch(child):
                child.slot.set_watched(True)
                self.due = 0.0
            elif child.slot.phase in (Phase.LEAVING, Phase.STOPPING):
                self.due = 0.0
        return not self.due

    def _relieve(self, child: Child, began: float, now: float) -> float:
        """Release the messages behind a slow job, and settle the finished ones before it. Return the seconds until the next check."""
        slot, channel, running_for = child.slot, self._channel, now - began
        unstarted = slot.unstarted()
        if must_release(running_for, unstarted):
            with slot.taken_back() as ids:
                # Fewer: lost by the server, or reassigned. Then the worker process must reconcile, as with an unknown outcome.
                if ids and channel.move(child, channel.driver.requeue(child.worker, "front", ids)) != len(ids):
                    slot.ask_reconcile()
        # Callers wait for results: they are stored sooner.
        if running_for > (LATE_SECONDS if slot.has_endings else SLOW_SECONDS) and not slot.lanes.count:
            command = settle_finished(channel.driver, child) if child.settled_behind != began else None
            if command is None or channel.ask(command) is not None:
                child.settled_behind = began
        if not _must_watch(child):
            return self._unwatch(child)
        return SLOW_SECONDS / 2

    @staticmethod
    def _unwatch(child: Child) -> float:
        slot = child.slot
        if not slot.watched:
            return _IDLE_POLL
        slot.set_watched(False)
        # It may have begun a batch in the meantime, and seen that it is watched.
        if _must_watch(child):
            slot.set_watched(True)
            return SLOW_SECONDS / 2
        return _IDLE_POLL


def _must_watch(child: Child) -> bool:
    """Return True if messages are prefetched behind the running job of a child, or results wait for its end."""
    slot = child.slot
    return slot.unstarted() > 0 or (slot.has_endings and child.settled_behind != slot.began(0.0))
