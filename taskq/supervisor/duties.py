"""The services of one channel, as the supervisor's loop runs them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from taskq.supervisor.channel import ChannelState
from taskq.supervisor.services.base import Service
from taskq.supervisor.services.cancels import Cancels
from taskq.supervisor.services.heartbeat import Heartbeat
from taskq.supervisor.services.lengths import Lengths
from taskq.supervisor.services.orphans import LateReservations, OrphanScan
from taskq.supervisor.services.promote import Promote
from taskq.supervisor.services.rescue import Rescuer
from taskq.supervisor.services.unpark import Unpark
from taskq.supervisor.services.wakeup import WakeUp
from taskq.supervisor.services.watchdog import Watchdog

__all__ = ["Duties"]

_log = logging.getLogger("taskq.supervisor")


class Duties:
    """The services of one channel, and the children that a rolling restart replaces one by one."""

    def __init__(self, channel: ChannelState, host: str, emit: Callable[[str, Any], None]) -> None:
        self.channel = channel
        self.heartbeat = Heartbeat(self.channel, host)
        self.promote = Promote(self.channel)
        self.rescue = Rescuer(self.channel)
        self.watchdog = Watchdog(self.channel)
        self.unpark = Unpark(self.channel)
        self.cancels = Cancels(self.channel)
        self.wakeup = WakeUp(self.channel, on_due=self.promote.wake, on_cancel=self.cancels.wake)
        self.lengths = Lengths(self.channel, emit)
        duties = (
            self.heartbeat,
            self.wakeup,
            self.promote,
            self.rescue,
            self.watchdog,
            self.unpark,
            self.lengths,
            LateReservations(channel),
            OrphanScan(channel),
            self.cancels,
        )
        self.services: tuple[Service, ...] = duties
        self._replacing: str | None = None

    def tick(self, now: float) -> None:
        """Run every service that is due."""
        for service in self.services:
            if now < service.due:
                continue
            try:
                service.tick(now)
            except Exception:
                # A service that fails must not stop the others, and the worker processes with them.
                _log.exception("channel %s: the service %s failed; retrying", self.channel.name, type(service).__name__)
                service.due = now + 1.0

    def replace_old(self, newest: int, now: float) -> None:
        """Ask one child of an older zygote to stop. Ask the next one once that has exited and its replacement runs."""
        children = self.channel.children
        if any(child.worker == self._replacing for child in children.values()) or any(child.pid is None for child in children.values()):
            return
        old = next((child for child in children.values() if child.zygote != newest and child.kill_at is None and not child.leaving), None)
        self._replacing = old.worker if old is not None else None
        if old is not None:
            old.ask_to_stop(now + self.channel.settings.stop_timeout)

    def close(self) -> None:
        """Close the connections."""
        self.wakeup.close()
        self.channel.link.close()
