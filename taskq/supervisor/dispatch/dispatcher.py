"""Runs what is due in each iteration of the supervisor's loop: services of channels, and services that channels share."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from taskq.clock import monotonic
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.dispatch.group import MEMBERS, Group
from taskq.supervisor.dispatch.schedule import Schedule
from taskq.supervisor.duties import Duties, run_due
from taskq.supervisor.services.orphans import OrphanScan
from taskq.supervisor.services.wakeup import WakeUp

__all__ = ["Dispatcher"]


@dataclass(eq=False)
class _Server:
    """The channels whose keys may be in one command, and their services."""

    channels: list[ChannelState] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._orphans = OrphanScan(self.channels)

    def tick(self, now: float) -> None:
        run_due([self._orphans], now, self.channels[0].name)

    def next_due(self, now: float) -> float:
        return self._orphans.due


class Dispatcher:
    """Runs the due services of the channels of a worker. Channels without due work cost nothing."""

    def __init__(self) -> None:
        self._servers: dict[Hashable, _Server] = {}
        #: Each channel's server and group.
        self._places: dict[Duties, tuple[_Server, Group]] = {}
        self._schedule: Schedule[Duties | Group | _Server] = Schedule()
        self._wakers: dict[int, tuple[Group, WakeUp]] = {}

    def update(self, channels: Iterable[Duties]) -> None:
        """Set the channels of the worker."""
        wanted = dict.fromkeys(channels)
        if self._places.keys() == wanted.keys():
            return
        for one in [known for known in self._places if known not in wanted]:
            self._remove(one)
        for one in [new for new in wanted if new not in self._places]:
            self._add(one)
        servers = self._servers.values()
        self._schedule.keep([*wanted, *servers, *(group for server in servers for group in server.groups)])

    def _add(self, one: Duties) -> None:
        driver = one.channel.driver
        server = self._servers.setdefault((type(driver), driver.shared or one), _Server())
        groups = [group for group in server.groups if len(group.members) < MEMBERS]
        if not groups:
            groups = [Group(self._changed)]
            server.groups += groups
        groups[0].add(one)
        server.channels.append(one.channel)
        self._places[one] = server, groups[0]
        for part in (one, groups[0], server):
            self._schedule.put(part, 0.0)

    def _remove(self, one: Duties) -> None:
        server, group = self._places.pop(one)
        group.remove(one)
        server.channels.remove(one.channel)
        if not group.members:
            server.groups.remove(group)
        self._servers = {key: known for key, known in self._servers.items() if known.channels}

    def tick(self, now: float, *, everything: bool) -> list[Duties]:
        """Run every service that is due. Return the channels that were checked: all of them with `everything`."""
        due = self._schedule.take(now)
        for part in due:
            if not isinstance(part, Duties):
                part.tick(now)
                self._schedule.put(part, part.next_due(now))
        checked = list(self._places) if everything else [part for part in due if isinstance(part, Duties)]
        for one in checked:
            one.tick(now)
        return checked

    def plan(self, checked: Iterable[Duties], channels: Mapping[str, Duties]) -> None:
        """Note when the checked channels have work to do next. `channels` are those of the worker now."""
        if len(channels) != len(self._places):
            self.update(channels.values())
        for one in checked:
            self._changed(one)

    def _changed(self, one: Duties) -> None:
        if one in self._places:
            self._schedule.put(one, one.next_due(monotonic()))

    def next_due(self) -> float:
        """Return when to call `tick` again."""
        return self._schedule.next_due() if self._places else math.inf

    def wakers(self) -> Collection[int]:
        """Return the sockets on which wake-up tokens arrive."""
        groups = [group for server in self._servers.values() for group in server.groups]
        self._wakers = {fd: (group, wakeup) for group in groups for fd, wakeup in group.wakers().items()}
        return self._wakers.keys()

    def woken(self, fd: int) -> None:
        """Handle a readable socket. The next wait begins in this iteration: a token that comes before it would be late."""
        group, wakeup = self._wakers[fd]
        wakeup.woken()
        self._schedule.put(group, 0.0)

    def poked(self) -> None:
        """Handle a poke of a worker process."""
        for one in self._places:
            if one.watchdog.poked():
                self._changed(one)

    def close(self) -> None:
        """Close the wake-up connections."""
        for server in self._servers.values():
            for group in server.groups:
                group.close()
