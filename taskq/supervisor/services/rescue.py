"""The service that rescues the messages of lost workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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
#: The part of the lease after which a worker is lost if its process seems to have exited: two heartbeats are missing.
_EXITED = 0.4


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

    If the id of a worker names a process of this machine that doesn't exist, part of the lease is enough. It proves little: clones of
    a virtual machine can't be distinguished, and the worker may be running on another one.

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
        #: Workers whose processes seem to have exited before this supervisor started.
        self._exited: set[str] = set()
        #: Workers whose rescue the server rejects.
        self._refused: set[str] = set()

    def tick(self, now: float) -> None:
        self.due = now + beat_seconds(self._channel.settings.lease)
        began = monotonic()
        reply = self._channel.ask(self._channel.driver.heartbeats(self._skip, _PAGE, self.overdue_ms))
        if reply is not None:
            self.read(reply[0], began, now)

    @property
    def overdue_ms(self) -> int:
        """The age of a heartbeat, in milliseconds, from which on it may be overdue."""
        return int(_OVERDUE * self._channel.settings.lease * 1000)

    @property
    def is_between_walks(self) -> bool:
        """True if the next page is the first one."""
        return not self._skip

    def read(self, reply: Sequence[Any], began: float, now: float) -> None:
        """Read the next page, which was asked for when the monotonic clock showed `began`."""
        lease = self._channel.settings.lease
        self.due = now + beat_seconds(lease)
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
        ends = [beat.since + self._patience(_name(entry)) for entry, beat in self._last_beats.items()]
        self.due = min([self.due, *(max(end, now + pause) for end in ends if end > seen)])

    def at_start(self, is_dead: Callable[[str], bool]) -> None:
        """Look for workers of this machine whose processes seem to have exited: they are rescued before their leases end."""
        found = self._channel.ask(self._channel.driver.workers()) or ()
        self._looked = monotonic()
        for entry, value in zip(found[::2], found[1::2], strict=True):
            if (worker := _name(entry)) and is_dead(worker):
                self._exited.add(worker)
                self._last_beats[entry] = _Beat(value, self._looked)

    def _check(self, page: Sequence[bytes], began: float, seen: float) -> int:
        """Rescue the lost workers of a page that was asked for and received at these times. Return how many have left the page."""
        invalid, removed = [], 0
        exited = {worker for _, worker in self._channel.exited}
        for entry, value in zip(page[::2], page[1::2], strict=True):
            worker = _name(entry)
            if not worker:
                invalid.append(entry)
                continue
            beat = self._beats.get(entry) or self._last_beats.get(entry)
            if beat is None or beat.value != value:
                if beat is not None:
                    self._exited.discard(worker)  # it is alive on another machine
                beat = _Beat(value, seen)
            # The pending acks of an own child come first: finished messages would otherwise run again. One that has exited is checked.
            is_own = worker in self._channel.pending or worker in exited
            if began - beat.since >= self._patience(worker) and not is_own and self._rescue(worker, value):
                removed += 1
            else:
                self._beats[entry] = beat
        if invalid:
            count = count_of(len(invalid), "invalid worker id")
            _log.warning("channel %s: removed %s from the workers; the first is %r", self._channel.name, count, invalid[0])
            self._channel.ask(self._channel.driver.dismiss(invalid))
        return removed + len(invalid)

    def _patience(self, worker: str) -> float:
        """Return how many seconds without a heartbeat make a worker a lost one."""
        lease = max(self._channel.settings.lease, lease_of(worker))
        return lease * _EXITED if worker in self._exited else lease

    def _rescue(self, worker: str, beat: bytes) -> bool:
        """Rescue the messages of a worker. Return False if the server is unreachable, or rejects this rescue."""
        has_exited = worker in self._exited
        reason = "its process has exited" if has_exited else f"no heartbeat for {self._patience(worker):g} s"
        rescue = rescue_of_lost(self._channel, worker, beat, f"worker process {worker} was lost: {reason}")
        reply = self._channel.ask(self._channel.driver.rescue(rescue), lambda error: self._note_refusal(worker, error))
        count = -1 if reply is None else self._channel.note_rescue(worker, reply)
        if count >= 0:
            _log.warning("worker process %s lost (%s); rescued %s", worker, reason, count_of(count, "message"))
            self._exited.discard(worker)
            if has_exited:
                self._channel.remember(worker)
        return reply is not None

    def _note_refusal(self, worker: str, error: ServerRefused) -> None:
        """Log an error once. It may concern this worker only, such as a key of another type: the others are rescued."""
        if worker not in self._refused:
            self._refused.add(worker)
            _log.error("worker process %s was lost, and its messages can't be rescued: %s; retrying", worker, error)


def _name(entry: bytes) -> str:
    """Return the id of a worker; "" for bytes that can't be one."""
    try:
        return entry.decode()
    except UnicodeDecodeError:
        return ""
