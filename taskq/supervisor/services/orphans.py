"""Finds messages reserved for a worker process that missed the reply, or that is not registered."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from typing import Any

from taskq.clock import monotonic
from taskq.driver.contract import Command, Rescue
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

    One walk over the keys of a server serves all channels. A supervisor skips a channel if another one has begun a walk for it since
    this one last wanted to: many supervisors together make as many walks as one.

    If the server has lost a registration, the worker registers again with its next heartbeat. So a worker is lost only if it is still
    unregistered a lease later.
    """

    def __init__(self, channels: Sequence[ChannelState]) -> None:
        """`channels`: those of one server. It may change."""
        self._channels = channels
        self._id = random.randbytes(8).hex()
        #: The channels, by prefix, for which this supervisor makes the current walk.
        self._own: dict[str, ChannelState] = {}
        self._cursor: bytes = b"0"
        #: Workers that the current walk has found unregistered, each with its channel.
        self._found: set[tuple[str, str]] = set()
        #: Unregistered workers, and since when (monotonic) they are known to be.
        self._unregistered: dict[tuple[str, str], float] = {}
        self._wanted_at = monotonic()
        # Soon: this supervisor may replace one that was killed before it could check the lists of its exited children again.
        self.due = self._scan_at = self._wanted_at + random.uniform(0.5, 1.0) * _FIRST

    def tick(self, now: float) -> None:
        channels = {channel.driver.keys.prefix: channel for channel in self._channels}
        if now >= self._scan_at:
            if self._cursor == b"0":
                self._own = self._claimed(channels)
            if not self._own or not self._scan(now):
                self._cursor, self._found = b"0", set()
                # Spread, so that supervisors don't all scan the keys at once.
                self._scan_at = now + random.uniform(0.5, 1.0) * _EVERY
        ends = {one: since + self._lease(channels[one[0]], one[1]) for one, since in self._unregistered.items() if one[0] in channels}
        for prefix, worker in [one for one, end in ends.items() if now >= end][:_PAGE]:
            del self._unregistered[prefix, worker], ends[prefix, worker]
            self._rescue(channels[prefix], worker)
        self.due = min(self._scan_at, max(min(ends.values(), default=self._scan_at), now + _PAUSE))

    def _claimed(self, channels: Mapping[str, ChannelState]) -> dict[str, ChannelState]:
        """Return the channels for which no other supervisor has begun a walk since this one last wanted to."""
        age_ms, self._wanted_at = int((monotonic() - self._wanted_at) * 1000), monotonic()
        own: dict[str, ChannelState] = {}
        prefixes = list(channels)
        for start in range(0, len(prefixes), _PAGE):
            page = [channels[prefix] for prefix in prefixes[start : start + _PAGE]]
            claim = page[0].driver.claim_scan([channel.driver.keys for channel in page], self._id, age_ms=age_ms)
            for channel, is_own in zip(page, self._ask(page, claim) or [0] * len(page), strict=True):
                if is_own:
                    own[channel.driver.keys.prefix] = channel
        return own

    def _scan(self, now: float) -> bool:
        """Read a page of the keys. Return False if the walk is over, or the server is unreachable."""
        own = self._own
        first = next(iter(own.values()))
        reply = self._ask(list(own.values()), first.driver.scan_reserved(self._cursor, everywhere=len(own) > 1))
        if reply is None:
            return False
        workers: dict[str, list[str]] = {}
        for key in reply[1]:
            prefix, worker = first.driver.keys.owner_of(key)
            workers.setdefault(prefix, []).append(worker)
        for prefix in workers.keys() & own.keys():
            unregistered = own[prefix].ask(own[prefix].driver.unregistered(workers[prefix]))
            if unregistered is None:  # perhaps because of this channel only: the others go on
                del own[prefix]
                continue
            self._found |= {(prefix, worker.decode(errors="replace")) for worker in unregistered}
        for one in self._found:
            self._unregistered.setdefault(one, monotonic())
        self._cursor = b"%d" % int(reply[0])
        if self._cursor != b"0" and own:
            self._scan_at = now + _PAUSE
            return True
        known = self._unregistered.items()
        self._unregistered = {one: since for one, since in known if one in self._found or one[0] not in own}
        return False

    @staticmethod
    def _ask(channels: Sequence[ChannelState], command: Command) -> Any:
        """Send a command that concerns several channels over the connection of one."""
        return next((channel for channel in channels if not channel.is_down), channels[0]).ask(command)

    @staticmethod
    def _lease(channel: ChannelState, worker: str) -> float:
        return max(channel.settings.lease, lease_of(worker))

    @staticmethod
    def _rescue(channel: ChannelState, worker: str) -> None:
        """Rescue the messages of a worker if it is still unregistered."""
        if worker in channel.pending:  # an own child, whose acks come first: finished messages would run again
            return
        reply = channel.ask(channel.driver.rescue(rescue_of_lost(channel, worker, b"", f"worker process {worker} was not registered")))
        if reply is not None and (count := channel.note_rescue(worker, reply)) > 0:
            _log.warning("rescued %s of unregistered worker %s", count_of(count, "message"), worker)
