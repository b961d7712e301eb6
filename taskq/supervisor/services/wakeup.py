"""The service that waits for wake-up tokens of the server, and wakes its subscribers: promote and cancels."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

from taskq.clock import monotonic
from taskq.driver.block_timeout import BlockTimeout
from taskq.driver.contract import Link
from taskq.errors import QueueFull, ServerError
from taskq.supervisor.channel import ChannelState
from taskq.worker_id import machine_name, machine_tag, new_worker_id

__all__ = ["WakeUp"]

_log = logging.getLogger("taskq.supervisor")
#: How long to wait for a token before asking again, in seconds: a dead connection is noticed by then.
_WAKE_SECONDS = 8.0
#: How often to check the wait, and how soon to start the next one, in seconds.
_CHECK, _RETRY = 1.0, 0.1


class WakeUp:
    """Waits in the server for a token, on a separate connection that the supervisor's loop polls.

    A token means that a message is due earlier than expected, or that a job of this supervisor was cancelled.
    """

    def __init__(self, channel: ChannelState, *, on_due: Callable[[], None], on_cancel: Callable[[], None]) -> None:
        """Wake `on_due` when an earlier delayed message arrives, and `on_cancel` when a job is cancelled."""
        self.due = 0.0
        self._channel = channel
        self._on_due = on_due
        self._on_cancel = on_cancel
        self._link: Link = channel.driver.link(1.0)
        self._asked: float | None = None
        self._block_timeout = BlockTimeout(_WAKE_SECONDS)
        self._is_logged = False
        self._listen_after = 0.0
        self._worker = new_worker_id(machine_name(), machine_tag())

    def tick(self, now: float) -> None:
        """Start a wait, unless one is open."""
        if self._asked is not None and now - self._asked >= self._block_timeout.seconds + 2.0:
            self.close()  # the server should have answered by now: the connection is dead
            self._broke(is_given_up=True)
        if self._asked is None and now >= self._listen_after and not self._channel.is_down:
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
        except (ServerError, QueueFull):
            self._broke()
            self._stop_listening()
            return
        self._block_timeout.ended()
        is_cancel = bool(reply) and reply[0] != self._channel.driver.keys.wake.encode()
        (self._on_cancel if is_cancel else self._on_due)()

    def close(self) -> None:
        """Close the connection."""
        self._asked = None
        self._link.close()

    def _listen(self, now: float) -> None:
        try:
            self._link.send(self._channel.driver.wait_for_wake(self._block_timeout.seconds, self._worker))
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
                *(self._channel.name, idle, _WAKE_SECONDS + 2.0),
            )

    def _stop_listening(self) -> None:
        """Don't listen for about a second: a server that rejects the command must not get it again at once."""
        self._link.close()
        self._listen_after = monotonic() + random.uniform(0.5, 1.5)
