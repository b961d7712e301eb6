"""A blocking reserve (BLMOVE) on a second connection, so that the first can settle meanwhile."""

from __future__ import annotations

from taskq.clock import monotonic
from taskq.driver.block_timeout import BlockTimeout
from taskq.driver.contract import Command, Driver, Link
from taskq.errors import QueueFull, ServerRefused, ServerUnavailable
from taskq.scoreboard.state import block_seconds

__all__ = ["TROUBLE", "BlockingReserve"]

#: Errors of the server, or of the connection to it.
TROUBLE = (ServerUnavailable, QueueFull, ServerRefused)


class BlockingReserve:
    """One blocked command. Its message is in the reserved list, even if the reply is lost."""

    def __init__(self, driver: Driver, link: Link, worker: str, lease: float) -> None:
        self._link = link
        self._driver = driver
        self._worker = worker
        self._block_timeout = BlockTimeout(block_seconds(lease))
        self.command: Command = driver.reserve_one(worker, self._block_timeout.seconds)
        self._look = driver.held(worker)
        self._until = 0.0
        #: True once a command was given up.
        self._is_lost = False

    @property
    def is_open(self) -> bool:
        """True while the server is asked."""
        return self._until > 0

    def fileno(self) -> int | None:
        """Return the descriptor that becomes readable when the reply arrives."""
        return self._link.fileno() if self._until else None

    def remaining(self) -> float:
        """Seconds until the server must have answered."""
        return self._until - monotonic()

    def open(self) -> None:
        """Ask the server for the next message."""
        self._link.send(self.command)
        self._block_timeout.begin()
        self._until = monotonic() + self._block_timeout.seconds + 2.0  # the server's own timeouts end some 100 ms late
        self._is_lost = False

    def receive(self) -> list[bytes]:
        """Return the message that the server has replied with, if any."""
        self._until = 0.0
        self._is_lost = True
        try:
            raw = self._link.receive()
        except ServerUnavailable:
            self._broke()
            raise
        self._is_lost = False
        self._block_timeout.ended()
        return [] if raw is None else [raw]

    def _broke(self, *, is_given_up: bool = False) -> None:
        if self._block_timeout.broke(is_given_up=is_given_up):
            self.command = self._driver.reserve_one(self._worker, self._block_timeout.seconds)

    def give_up(self) -> None:
        """Close the connection, because the reply is overdue."""
        self._until = 0.0
        self._is_lost = True
        self._link.close()
        self._broke(is_given_up=True)
        raise ServerUnavailable("the server did not end a blocking command in time", sent=True)

    def close(self) -> list[bytes]:
        """End the blocking command now, and return the message that it may just have reserved.

        Raises:
            ServerUnavailable, ServerRefused: the outcome is unknown. The connection is closed.
        """
        if not self._until:
            return []
        self._is_lost = True
        try:
            self._link.unblock()
            return self.receive()
        except TROUBLE:
            self._link.close()
            raise

    def ensure_ended(self) -> None:
        """Make sure that a command that was given up can no longer reserve a message: a fenced link ends it before the next one.

        Raises:
            ServerUnavailable, ServerRefused: that is unknown.
        """
        if self._is_lost:
            self._link.call(self._look)
            self._is_lost = False
