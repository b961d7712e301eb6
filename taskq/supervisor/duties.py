"""The services of one channel, as the supervisor's loop runs them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from typing import Any

from taskq.supervisor.channel import ChannelState
from taskq.supervisor.rules import replaced_at_once
from taskq.supervisor.services.base import Service
from taskq.supervisor.services.cancels import Cancels
from taskq.supervisor.services.heartbeat import Heartbeat
from taskq.supervisor.services.lengths import Lengths
from taskq.supervisor.services.orphans import LateReservations
from taskq.supervisor.services.promote import Promote
from taskq.supervisor.services.rescue import Rescuer
from taskq.supervisor.services.unpark import Unpark
from taskq.supervisor.services.watchdog import Watchdog

__all__ = ["Duties", "run_due"]

_log = logging.getLogger("taskq.supervisor")
#: Seconds that a child without a job gets to exit in order, when the jobs of others are interrupted.
_INTERRUPT_SECONDS = 0.5
#: Work that is due later than in `_SOON` seconds is delayed to the next multiple of `_ROUND`. Promote is exact.
_SOON, _ROUND = 0.1, 0.02


def run_due(services: Iterable[Service], now: float, channel: str) -> None:
    """Run every service that is due. The log names the channel if one fails."""
    for service in services:
        if now < service.due:
            continue
        try:
            service.tick(now)
        except Exception:
            # A service that fails must not stop the others, and the worker processes with them.
            _log.exception("channel %s: the service %s failed; retrying", channel, type(service).__name__)
            service.due = now + 1.0


class Duties:
    """The services of one channel, and the replacement of its children in a rolling restart."""

    def __init__(self, channel: ChannelState, host: str, emit: Callable[[str, Any], None]) -> None:
        self.channel = channel
        self.heartbeat = Heartbeat(self.channel, host)
        self.promote = Promote(self.channel)
        self.rescue = Rescuer(self.channel)
        self.watchdog = Watchdog(self.channel)
        self.unpark = Unpark(self.channel)
        self.cancels = Cancels(self.channel)
        self.lengths = Lengths(self.channel, emit)
        duties = (
            self.heartbeat,
            self.promote,
            self.rescue,
            self.watchdog,
            self.unpark,
            self.lengths,
            LateReservations(channel),
            self.cancels,
        )
        self.services: tuple[Service, ...] = duties
        #: True if the reloaded app doesn't have this channel: its processes end.
        self.is_removed = False

    def tick(self, now: float) -> None:
        """Run every service that is due."""
        run_due(self.services, now, self.channel.name)

    def next_due(self, now: float) -> float:
        """Return when to call `tick` again. Work that isn't due soon is rounded up, so that one iteration does it for many."""
        due = min(service.due for service in self.services if service is not self.promote)
        if self.channel.spawn_after > now:
            due = min(due, self.channel.spawn_after)
        for child in self.channel.children.values():
            # One without a process can't be killed yet; the report that it has one is news.
            if child.kill_at is not None and child.killed_for is None and child.pid is not None:
                due = min(due, child.kill_at)
        return min(self.promote.due, due if due < now + _SOON else math.ceil(due / _ROUND) * _ROUND)

    def replace_all_old(self, newest: int, now: float, *, interrupt: bool) -> None:
        """Ask all children of older zygotes to stop. With `interrupt`, those that run jobs are killed soon."""
        for child in self.channel.children.values():
            if child.zygote != newest and child.kill_at is None:
                child.ask_to_stop(now + (_INTERRUPT_SECONDS if interrupt else self.channel.settings.stop_timeout))
                child.stop_cause = "by a reload" if interrupt else child.stop_cause

    def replace_old(self, newest: int, now: float) -> None:
        """Ask some children of older zygotes to stop: one in ten, at least one. Ask the next ones as these exit and replacements run."""
        old, busy = [], 0
        for child in self.channel.children.values():
            if child.zygote == newest:
                busy += child.pid is None
            elif child.kill_at is None:
                old.append(child)
            else:
                busy += not child.leaving
        for child in old[: max(0, replaced_at_once(self.channel.wanted) - busy)]:
            child.ask_to_stop(now + self.channel.settings.stop_timeout)

    def close(self) -> None:
        """Close the connection."""
        self.channel.link.close()
