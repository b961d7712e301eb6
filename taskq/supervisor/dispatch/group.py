"""Channels of one server that share a wake-up connection and a poll."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from taskq.supervisor.channel import ChannelState
from taskq.supervisor.dispatch.shared_poll import SharedPoll
from taskq.supervisor.duties import Duties, run_due
from taskq.supervisor.services.base import Service
from taskq.supervisor.services.wakeup import WakeUp

__all__ = ["MEMBERS", "Group"]

#: The maximum number of channels: after each token, the supervisor sends the names of all their keys again.
MEMBERS = 100


class Group:
    """Some channels of one server, and the services that they share."""

    def __init__(self, changed: Callable[[Duties], object]) -> None:
        """Call `changed` with each channel of which the due time of a service has changed."""
        self.members: list[Duties] = []
        self._changed = changed
        #: A single one, or one for each channel after the server has rejected a wait for several.
        self._wakeups: list[WakeUp] = []
        self._is_split = False
        self._poll = SharedPoll(self.members, changed)

    def add(self, one: Duties) -> None:
        """Add a channel."""
        self.members.append(one)
        self._poll.due = 0.0
        if self._wakeups and not self._is_split:
            self._wakeups[0].add(one.channel)
        else:
            self._wakeups.append(self._wakeup([one.channel]))

    def remove(self, one: Duties) -> None:
        """Remove a channel."""
        self.members.remove(one)
        wakeup = next(wakeup for wakeup in self._wakeups if one.channel in wakeup.channels)
        if len(wakeup.channels) > 1:
            wakeup.remove(one.channel)
        else:
            wakeup.close()
            self._wakeups.remove(wakeup)

    def tick(self, now: float) -> None:
        """Run the services that are due."""
        for wakeup in [one for one in self._wakeups if one.is_refused and len(one.channels) > 1]:
            wakeup.close()
            self._wakeups.remove(wakeup)
            self._wakeups += [self._wakeup([channel]) for channel in wakeup.channels]
            self._is_split = True
        services: list[Service] = [*self._wakeups, self._poll]
        run_due(services, now, self.members[0].channel.name)

    def next_due(self, now: float) -> float:
        """Return when to call `tick` again."""
        return min(self._poll.due, *(wakeup.due for wakeup in self._wakeups))

    def wakers(self) -> dict[int, WakeUp]:
        """Return the open waits, by the sockets on which tokens arrive."""
        return {fd: wakeup for wakeup in self._wakeups if (fd := wakeup.fileno()) is not None}

    def close(self) -> None:
        """Close the wake-up connections."""
        for wakeup in self._wakeups:
            wakeup.close()

    def _wakeup(self, channels: Sequence[ChannelState]) -> WakeUp:
        return WakeUp(channels, on_due=self._on_due, on_cancel=self._on_cancel)

    def _member(self, channel: ChannelState) -> Duties:
        return next(one for one in self.members if one.channel is channel)

    def _on_due(self, channel: ChannelState) -> None:
        one = self._member(channel)
        one.promote.wake()
        self._changed(one)

    def _on_cancel(self, channel: ChannelState) -> None:
        one = self._member(channel)
        one.cancels.wake()
        self._changed(one)
