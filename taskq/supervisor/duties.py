"""One channel with all its duties, as the supervisor's loop drives it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from taskq.supervisor.channel import Team
from taskq.supervisor.services.base import Service
from taskq.supervisor.services.cancels import Cancels
from taskq.supervisor.services.heartbeat import Heartbeat
from taskq.supervisor.services.lengths import Lengths
from taskq.supervisor.services.orphans import Ghosts, Sweep
from taskq.supervisor.services.promote import Promote
from taskq.supervisor.services.rescue import Rescuer
from taskq.supervisor.services.unpark import Unpark
from taskq.supervisor.services.watchdog import Watch

__all__ = ["Crew"]

_log = logging.getLogger("taskq.supervisor")


class Crew:
    """A team and its services."""

    def __init__(self, team: Team, host: str, tell: Callable[[str, Any], None]) -> None:
        self.team = team
        self.heartbeat = Heartbeat(self.team, host)
        self.promote = Promote(self.team)
        self.rescue = Rescuer(self.team, self.heartbeat)
        self.watch = Watch(self.team)
        self.unpark = Unpark(self.team)
        self.cancels = Cancels(self.team)
        self.promote.on_call = self.cancels.call
        self.lengths = Lengths(self.team, tell)
        duties = (self.heartbeat, self.promote, self.rescue, self.watch, self.unpark, self.lengths, Ghosts(team), Sweep(team), self.cancels)
        self.services: tuple[Service, ...] = duties
        self._replacing: str | None = None

    def tick(self, now: float) -> None:
        """Do every duty that is due."""
        for service in self.services:
            if now < service.due:
                continue
            try:
                service.tick(now)
            except Exception:
                # A duty that fails must not take the others, and the children, with it.
                _log.exception("channel %s: the duty %s failed; trying again", self.team.name, type(service).__name__)
                service.due = now + 1.0

    def replace_old(self, newest: int, now: float) -> None:
        """Ask one child of an older zygote to stop, then the next when that one has ended and its successor lives."""
        children = self.team.children
        if any(child.worker == self._replacing for child in children.values()) or any(child.pid is None for child in children.values()):
            return
        old = next((child for child in children.values() if child.zygote != newest and child.kill_at is None and not child.leaving), None)
        self._replacing = old.worker if old is not None else None
        if old is not None:
            old.ask_to_stop(now + self.team.settings.stop_timeout)

    def close(self) -> None:
        """Close the connections."""
        self.promote.close()
        self.team.link.close()
