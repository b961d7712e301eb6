"""The service that rescues the messages of lost workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from taskq.clock import monotonic
from taskq.errors import ServerRefused
from taskq.logs import count_of
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.reap import rescue_of_lost
from taskq.supervisor.rules import beat_seconds
from taskq.worker_id import lease_of

__all__ = ["Rescuer"]

_log = logging.getLogger("taskq.supervisor")
#: Workers per page, and the longest pause between two pages in seconds: a thousand lost workers must not hold up the other services.
_PAGE, _PAUSE = 100, 0.5
#: From this part of the lease on, a heartbeat may be overdue. It only decides how many pages are read.
_OVERDUE = 0.5


class _Beat(NamedTuple):
    """The last heartbeat of a worker, and since when (monotonic) this supervisor knows that none has followed."""

    value: bytes
    since: float


class Rescuer:
    """Rescues the messages of lost workers.

    A worker is lost if its last heartbeat has not changed for a lease by this supervisor's monotonic clock. The clock of the server may
    be set forward or back meanwhile: it only decides which workers are read first.

    A missing heartbeat is evidence only if heartbeats could have arrived. A supervisor that hasn't checked for half a lease (it was
    stopped, or the server was unreachable) therefore starts over, and gives the other workers a lease to send theirs.

    Supervisors may have different leases. A worker is declared lost only after the longer of two leases: the one in its id, and the
    rescuer's.
    """

    def __init__(self, channel: ChannelState) -> None:
        self.due = 0.0
        self._channel = channel
        self._looked = float("-inf")
        #: The heartbeats that the current walk over the pages has found, and those of the last one.
        self._beats: dict[bytes, _Beat] = {}
        self._last_beats: dict[bytes, _Beat] = {}
        #: The number of workers before the next page.
        self._skip = 0
        #: Workers whose rescue the server rejects.
        self._refused: set[str] = set()

    def tick(self, now: float) -> None:
        lease = self._channel.settings.lease
        self.due = now + beat_seconds(lease)
        began = monotonic()
        reply = self._channel.ask(self._channel.driver.heartbeats(self._skip, _PAGE, int(_OVERDUE * lease * 1000)))
        if reply is None:
            return
        seen = monotonic()
        if seen - self._looked > lease / 2:
            self._beats, self._last_beats = {}, {}
        self._looked = seen
        more, *page = reply
        removed = self._check(page, began, seen)
        pause = min(lease / 50, _PAUSE)
        if more:
            self._skip += len(page) // 2 - removed
            self.due = now + pause
            return
        self._last_beats, self._beats, self._skip = self._beats, {}, 0
        ends = [beat.since + self._lease(_name(entry)) for entry, beat in self._last_beats.items()]
        self.due = min([self.due, *(max(end, now + pause) for end in ends if end > seen)])

    def at_start(self, is_dead: Callable[[str], bool]) -> None:
        """Rescue the messages of workers of this machine whose processes have exited, without waiting for their leases."""
        found = self._channel.ask(self._channel.driver.workers()) or ()
        for worker in map(_name, found[::2]):
            if worker and is_dead(worker):
                self._rescue(worker, None, "its process has exited")
                self._channel.remember(worker)

    def _check(self, page: Sequence[bytes], began: float, seen: float) -> int:
        """Rescue the lost workers of a page that was asked for and received at these times. Return how many have left the page."""
        invalid, removed = [], 0
        for entry, value in zip(page[::2], page[1::2], strict=True):
            worker = _name(entry)
            if not worker:
                invalid.append(entry)
                continue
            beat = self._beats.get(entry) or self._last_beats.get(entry)
            if beat is None or beat.value != value:
                beat = _Beat(value, seen)
            lease = self._lease(worker)
            # The pending acks of an own child come first: finished messages would otherwise run again.
            is_own = worker in self._channel.pending
            if began - beat.since >= lease and not is_own and self._rescue(worker, value, f"no heartbeat for {lease:g} s"):
                removed += 1
            else:
                self._beats[entry] = beat
        if invalid:
            count = count_of(len(invalid), "invalid worker id")
            _log.warning("channel %s: removed %s from the workers; the first is %r", self._channel.name, count, invalid[0])
            self._channel.ask(self._channel.driver.dismiss(invalid))
        return removed + len(invalid)

    def _lease(self, worker: str) -> float:
        return max(self._channel.settings.lease, lease_of(worker))

    def _rescue(self, worker: str, beat: bytes | None, reason: str) -> bool:
        """Rescue the messages of a worker. Return False if the server is unreachable, or rejects this rescue."""
        rescue = rescue_of_lost(self._channel, worker, beat, f"worker process {worker} was lost: {reason}")
        count = self._channel.ask(self._channel.driver.rescue(rescue), lambda error: self._note_refusal(worker, error))
        if count is not None and count >= 0:
            _log.warning("worker process %s lost (%s); rescued %s", worker, reason, count_of(count, "message"))
        return count is not None

    def _note_refusal(self, worker: str, error: ServerRefused) -> None:
        """Log an error once. A key of another type, say, concerns this worker only: the others are rescued."""
        if worker not in self._refused:
            self._refused.add(worker)
            _log.error("worker process %s was lost, and its messages can't be rescued: %s; retrying", worker, error)


def _name(entry: bytes) -> str:
    """Return the id of a worker; "" for bytes that can't be one."""
    try:
        return entry.decode()
    except UnicodeDecodeError:
        return ""
