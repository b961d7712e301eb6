"""The service that rescues the messages of lost workers."""

from __future__ import annotations

import logging
from collections.abc import Callable

from taskq.clock import monotonic
from taskq.logs import count_of
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.reap import rescue_of_lost
from taskq.supervisor.rules import beat_seconds
from taskq.supervisor.services.heartbeat import Heartbeat
from taskq.worker_id import lease_of

__all__ = ["Rescuer"]

_log = logging.getLogger("taskq.supervisor")


class Rescuer:
    """Rescues the messages of lost workers.

    A missing heartbeat is evidence only if heartbeats could have arrived. A supervisor that hasn't checked for half a lease (it has just
    started, it was stopped, or the server was unreachable) first gives the other workers a lease to send theirs.

    Supervisors may have different leases. A worker is declared lost only after the longer of two leases: the one in its id, and the
    rescuer's.
    """

    def __init__(self, channel: ChannelState, heartbeat: Heartbeat) -> None:
        self.due = 0.0
        self._channel = channel
        self._heartbeat = heartbeat
        self._looked = float("-inf")
        self._since = 0.0

    def tick(self, now: float) -> None:
        lease = self._channel.settings.lease
        self.due = now + beat_seconds(lease)
        if not self._heartbeat.server_ms:
            self.due = now + 0.5
            return
        server_ms = self._heartbeat.server_ms
        found = self._channel.ask(self._channel.driver.expired(server_ms - int(lease * 1000)))
        if found is None:
            return
        seen = monotonic()
        if seen - self._looked > lease / 2:
            self._since = seen
        self._looked = seen
        for entry, beat in zip(found[::2], found[1::2], strict=True):
            worker = _name(entry)
            if not worker:
                _log.warning("removed invalid entry %r from the workers of channel %s", entry, self._channel.name)
                self._channel.ask(self._channel.driver.dismiss(entry))
                continue
            longest = max(lease, lease_of(worker))
            if seen >= self._since + longest and float(beat) <= server_ms - longest * 1000:
                self._rescue(worker, int(longest * 1000), f"no heartbeat for {longest:g} s")

    def at_start(self, is_dead: Callable[[str], bool]) -> None:
        """Rescue the messages of workers of this machine whose processes have exited, without waiting for their leases."""
        found = self._channel.ask(self._channel.driver.workers()) or ()
        for worker in map(_name, found[::2]):
            if worker and is_dead(worker):
                self._rescue(worker, 0, "its process has exited")
                self._channel.remember(worker)

    def _rescue(self, worker: str, lease_ms: int, reason: str) -> None:
        rescue = rescue_of_lost(worker, lease_ms, f"worker process {worker} was lost: {reason}")
        count = self._channel.ask(self._channel.driver.rescue(rescue))
        if count is not None and count >= 0:
            _log.warning("worker process %s lost (%s); rescued %s", worker, reason, count_of(count, "message"))


def _name(entry: bytes) -> str:
    """Return the id of a worker; "" for bytes that can't be one."""
    try:
        return entry.decode()
    except UnicodeDecodeError:
        return ""
