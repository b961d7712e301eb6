"""The commands that channels of one server share: what is due in them, their heartbeats, and those of the other workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from taskq.clock import monotonic
from taskq.driver.contract import Command
from taskq.errors import ServerRefused
from taskq.supervisor.duties import Duties

__all__ = ["SharedPoll"]

#: Seconds between two polls: fewer than between a channel's own checks, which are therefore never due.
_EVERY = 0.8
#: Work that a channel itself would do within this number of seconds is done now.
_SOON = 0.9
#: Seconds until the next poll, if the server has rejected one, or there is one channel only.
_REFUSED = _ALONE = 60.0
#: The maximum number of heartbeats in a command, and of workers of each channel that it reads: the overdue ones come first.
_TOGETHER, _READ = 50, 20


class SharedPoll:
    """Sends commands for many channels, and passes the replies on. Without a reply, each channel asks for itself when that is due."""

    def __init__(self, members: Sequence[Duties], changed: Callable[[Duties], object]) -> None:
        """`members` may change. Call `changed` with each channel whose services got a reply."""
        self.due = 0.0
        self._members = members
        self._changed = changed

    def tick(self, now: float) -> None:
        self.due = now + (_EVERY if len(self._members) > 1 else _ALONE)
        members = [one for one in self._members if one.channel.may_share]
        if len(members) < 2 or not self._look(members, now):
            return
        for some in _by_lease([one for one in members if one.heartbeat.due <= now + _SOON]):
            self._beat(some, now)
        for some in _by_lease([one for one in members if one.rescue.due <= now + _SOON and one.rescue.is_between_walks]):
            self._check(some, now)
        for one in members:
            self._changed(one)

    def _ask(self, members: Sequence[Duties], command: Command) -> Any:
        """Send a command over the connection of the first channel."""
        refused: list[ServerRefused] = []
        reply = members[0].channel.ask(command, refused.append)
        if refused:  # perhaps because of one channel only
            self.due = monotonic() + _REFUSED
        return reply

    def _look(self, members: Sequence[Duties], now: float) -> bool:
        """Ask whether promote or cancels have work. Return False without a reply."""
        keys = [one.channel.driver.keys for one in members]
        reply = self._ask(members, members[0].channel.driver.poll(keys))
        if reply is None:
            return False
        for one, wait_ms, is_cancelled in zip(members, reply[::2], reply[1::2], strict=True):
            if wait_ms != -2:
                one.promote.expect(wait_ms, now)
            if not is_cancelled:
                one.cancels.expect_none(now)
        return True

    def _beat(self, members: Sequence[Duties], now: float) -> None:
        """Send the heartbeats of channels with the same lease."""
        lease_ms = int(members[0].channel.settings.lease * 1000)
        sent = [(one, beats) for one in members if (beats := one.heartbeat.shared()) is not None]
        replies: list[int] = []
        words = [(one.channel.driver.keys, child.worker, fields) for one, beats in sent for child, fields in beats]
        for start in range(0, len(words), _TOGETHER):
            some = words[start : start + _TOGETHER]
            named = [(worker, fields) for _, worker, fields in some]
            command = members[0].channel.driver.heartbeat_all(named, lease_ms=lease_ms, channels=[keys for keys, _, _ in some])
            replies += self._ask(members, command) or [0] * 2 * len(some)
        pairs = zip(replies[::2], replies[1::2], strict=True)
        for one, own in sent:
            one.heartbeat.arrived([(child, *next(pairs)) for child, _ in own], now)

    def _check(self, members: Sequence[Duties], now: float) -> None:
        """Read the last heartbeats of the workers of channels with the same lease."""
        began = monotonic()
        keys, age_ms = [one.channel.driver.keys for one in members], members[0].rescue.overdue_ms
        reply = self._ask(members, members[0].channel.driver.heartbeats(0, _READ, age_ms, keys))
        for one, page in zip(members, reply or (), strict=False):
            one.rescue.read(page, began, now)


def _by_lease(members: Sequence[Duties]) -> Iterator[list[Duties]]:
    """Divide channels into those with the same lease."""
    leases = dict.fromkeys(one.channel.settings.lease for one in members)
    return ([one for one in members if one.channel.settings.lease == lease] for lease in leases)
