"""Finds messages reserved for a worker process that missed the reply, or that is not registered."""

from __future__ import annotations

import logging
import random

from taskq.clock import monotonic
from taskq.driver.contract import Rescue
from taskq.errors import ServerRefused
from taskq.logs import count_of
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.processes.child import Child
from taskq.supervisor.reap import rescue_of_lost
from taskq.wire.message import is_stamped, message_id
from taskq.worker_id import lease_of

__all__ = ["LateReservations", "OrphanScan", "release_unseen"]

_log = logging.getLogger("taskq.supervisor")
#: Seconds until the first scan at the latest, and between two scans.
_FIRST, _EVERY = 10.0, 600.0
#: Workers per tick that are rescued, and the pause between two pages in seconds.
_PAGE, _PAUSE = 100, 0.01


def release_unseen(channel: ChannelState, child: Child, last_beat: float) -> None:
    """Release messages whose reply a busy worker process missed: it would only notice after its running job.

    Only if the same job has been running since before the last heartbeat: then the process can't be in the middle of a reserve, and
    messages beyond its batch were never received.
    """
    # A process with several jobs reserves while they run, so replies in transit can't be distinguished. It reconciles itself.
    running = [] if child.slot.lanes.count else child.slot.running()
    if not running or running[0].started >= last_beat:
        return
    held = channel.ask(channel.driver.holdings(child.worker)) or ()
    known = set(child.slot.ids())
    # Plain JSON messages without a head have no id; the worker process finds them itself.
    unseen = [message_id(raw) for raw in held if is_stamped(raw) and message_id(raw) not in known]
    if not unseen:
        return
    # It may just have finished its job and reconciled: then it starts nothing until this is done, and reconciles again.
    with child.slot.held_still(running[0]) as is_same:
        count = channel.move(child, channel.driver.requeue(child.worker, "front", unseen)) if is_same else 0
    if count:
        _log.warning("worker process %s: released %s whose delivery was lost", child.worker, count_of(count, "message"))


class LateReservations:
    """Re-checks the reserved lists of exited children.

    The server notices a closed connection late. Until then it may serve a command that blocked there, and so reserve a message for a
    worker process whose messages were just released. The last check unregisters the worker.
    """

    def __init__(self, channel: ChannelState) -> None:
        self.due = 0.0
        self._channel = channel

    def tick(self, now: float) -> None:
        channel = self._channel
        # Send the acks of an exited child first: finished messages would otherwise run again.
        for exited in [one for one in channel.exited if one[0] <= now and one[1] not in channel.pending]:
            refused: list[ServerRefused] = []
            is_last = [worker for _, worker in channel.exited].count(exited[1]) == 1
            reply = channel.ask(channel.driver.rescue(Rescue(exited[1], stays=not is_last)), refused.append)
            if reply is None and not refused:
                break
            channel.exited.remove(exited)  # if the server rejects it, the scan for orphans tries again
            if reply is not None and (count := channel.note_rescue(exited[1], reply)):
                _log.warning("worker process %s: released %s reserved after it exited", exited[1], count_of(count, "message"))
        self.due = min((at for at, _ in channel.exited), default=now + 1.0)
        self.due = max(now + 0.1, min(self.due, now + 1.0))


class OrphanScan:
    """Looks every ten minutes for reserved lists of unregistered workers, and rescues their messages. A tick reads one page.

    If the server has lost a registration, the worker registers again with its next heartbeat. So a worker is lost only if it is still
    unregistered a lease later.
    """

    def __init__(self, channel: ChannelState) -> None:
        self._channel = channel
        self._cursor: bytes = b"0"
        #: Workers that the current scan has found unregistered.
        self._found: set[str] = set()
        #: Unregistered workers, and since when (monotonic) they are known to be.
        self._unregistered: dict[str, float] = {}
        # Soon: this supervisor may replace one that was killed before it could check the lists of its exited children again.
        self.due = self._scan_at = monotonic() + random.uniform(0.5, 1.0) * _FIRST

    def tick(self, now: float) -> None:
        if now >= self._scan_at:
            self._scan(now)
        ready = [worker for worker, since in self._unregistered.items() if now >= since + self._lease(worker)]
        for worker in ready[:_PAGE]:
            del self._unregistered[worker]
            self._rescue(worker)
        soonest = min((since + self._lease(worker) for worker, since in self._unregistered.items()), default=self._scan_at)
        self.due = min(self._scan_at, max(soonest, now + _PAUSE))

    def _scan(self, now: float) -> None:
        """Read a page of the keys."""
        channel = self._channel
        reply = channel.ask(channel.driver.scan_reserved(self._cursor))
        workers = [channel.driver.keys.worker_of(key) for key in reply[1]] if reply else []
        unregistered = channel.ask(channel.driver.unregistered(workers)) if workers else []
        if reply is not None and unregistered is not None:
            self._cursor = reply[0]
            self._found |= {worker.decode(errors="replace") for worker in unregistered}
            for worker in self._found:
                self._unregistered.setdefault(worker, monotonic())
            if int(self._cursor):
                self._scan_at = now + _PAUSE
                return
            self._unregistered = {worker: since for worker, since in self._unregistered.items() if worker in self._found}
        self._cursor, self._found = b"0", set()
        # Spread, so that supervisors don't all scan the keys at once.
        self._scan_at = now + random.uniform(0.5, 1.0) * _EVERY

    def _lease(self, worker: str) -> float:
        return max(self._channel.settings.lease, lease_of(worker))

    def _rescue(self, worker: str) -> None:
        """Rescue the messages of a worker if it is still unregistered."""
        channel = self._channel
        if worker in channel.pending:  # an own child, whose acks come first: finished messages would run again
            return
        reply = channel.ask(channel.driver.rescue(rescue_of_lost(channel, worker, b"", f"worker process {worker} was not registered")))
        if reply is not None and (count := channel.note_rescue(worker, reply)) > 0:
            _log.warning("rescued %s of unregistered worker %s", count_of(count, "message"), worker)
