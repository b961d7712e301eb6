"""The service that waits for wake-up tokens of the server, and wakes its subscribers: promote and cancels."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence

from taskq.clock import monotonic
from taskq.driver.block_timeout import BlockTimeout
from taskq.driver.contract import Link
from taskq.errors import QueueFull, ServerError, ServerRefused
from taskq.supervisor.channel import ChannelState
from taskq.worker_id import machine_name, machine_tag, new_worker_id

__all__ = ["WakeUp"]

_log = logging.getLogger("taskq.supervisor")
#: How long to wait for a token before asking again, in seconds: a dead connection is noticed by then.
_WAKE_SECONDS = 8.0
#: How often to check the wait, and how soon to start the next one, in seconds.
_CHECK, _RETRY = 1.0, 0.1

#: Wakes a service of a channel.
Wake = Callable[[ChannelState], None]


class WakeUp:
    """Waits in the server for a token of any of its channels, on a separate connection that the supervisor's loop polls.

    A token means that a message is due earlier than expected, or that a job of this supervisor was cancelled.
    """

    def __init__(self, channels: Sequence[ChannelState], *, on_due: Wake, on_cancel: Wake) -> None:
        """Wake `on_due` when an earlier delayed message arrives in a channel, and `on_cancel` when a job is cancelled."""
        self.due = 0.0
        #: True if the server has rejected a wait: perhaps because of one channel only.
        self.is_refused = False
        #: The channel of the last token is the last one: tokens that arrive all the time must not hide those of other channels.
        self._channels = list(channels)
        self._on_due = on_due
        self._on_cancel = on_cancel
        self._link: Link = channels[0].driver.link(1.0)
        self._asked: float | None = None
        self._block_timeout = BlockTimeout(_WAKE_SECONDS)
        self._is_logged = False
        self._listen_after = 0.0
        self._worker = new_worker_id(machine_name(), machine_tag())

    @property
    def channels(self) -> list[ChannelState]:
        return self._channels

    def add(self, channel: ChannelState) -> None:
        """Wait for the tokens of one more channel. The wait that is open ends at once: a token that is in transit is not lost."""
        self._channels.append(channel)
        if self._asked is not None:
            self._link.unblock()

    def remove(self, channel: ChannelState) -> None:
        """Don't wait for the tokens of a channel any longer, from the next wait on."""
        self._channels.remove(channel)

    def tick(self, now: float) -> None:
        """Start a wait, unless one is open."""
        if self._asked is not None and now - self._asked >= self._block_timeout.seconds + 2.0:
            self.close()  # the server should have answered by now: the connection is dead
            self._broke(is_given_up=True)
        if self._asked is None and now >= self._listen_after and not all(channel.is_down for channel in self._channels):
            self._listen(now)
        self.due = now + (_RETRY if self._asked is None else _CHECK)

    def fileno(self) -> int | None:
        """Return the socket on which the token arrives, while a wait is open."""
        return None if self._asked is None else self._link.fileno()

    def woken(self) -> None:
        """Handle the readable socket: a token, the end of the wait, or a broken connection."""
        self._asked = None
        self.due = 0.0
        try:
            reply = self._link.receive()
        except (ServerError, QueueFull) as error:
            self.is_refused = isinstance(error, ServerRefused)
            self._broke()
            self._stop_listening()
            return
        self._block_timeout.ended()
        for index, channel in enumerate(self._channels if reply else ()):
            keys = channel.driver.keys
            is_due = reply[0] == keys.wake.encode()
            if is_due or reply[0] == keys.cancel_wake(self._worker).encode():
                self._channels = self._channels[index + 1 :] + self._channels[: index + 1]
                (self._on_due if is_due else self._on_cancel)(channel)
                break

    def close(self) -> None:
        """Close the connection."""
        self._asked = None
        self._link.close()

    def _listen(self, now: float) -> None:
        try:
            keys = [channel.driver.keys for channel in self._channels]
            self._link.send(self._channels[0].driver.wait_for_wake(self._block_timeout.seconds, self._worker, keys))
            self._block_timeout.begin()
            self._asked = now
        except (ServerError, QueueFull):
            self._stop_listening()

    def _broke(self, *, is_given_up: bool = False) -> None:
        """Note a broken connection. Worker processes detect the same timeout, but only this service logs it, once."""
        idle = self._block_timeout.broke(is_given_up=is_given_up)
        if idle is not None and not self._is_logged:
            self._is_logged = True
            _log.warning(
                "channel %s: a proxy or firewall closes idle connections within %.1f s: polling more often. "
                "Raise its idle timeout above %g s",
                *(self._channels[0].name, idle, _WAKE_SECONDS + 2.0),
            )

    def _stop_listening(self) -> None:
        """Don't listen for about a second: a server that rejects the command must not get it again at once."""
        self._link.close()
        self._listen_after = monotonic() + random.uniform(0.5, 1.5)
