"""Learns how long a command may block: a proxy or firewall may close connections that have been idle for some seconds."""

from __future__ import annotations

from taskq.clock import monotonic

__all__ = ["BlockTimeout"]

#: A connection that breaks sooner was not closed because it was idle.
_MIN_IDLE = 0.1
#: The shortest timeout, as a part of the best one: outages must not make idle processes poll forever.
_MIN_PART = 1 / 8


class BlockTimeout:
    """The timeout of blocking commands, in seconds: shorter than the idle timeout of a proxy on the connection."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is the best timeout without such a proxy."""
        self.seconds = seconds
        self._floor = seconds * _MIN_PART
        self._began = 0.0
        self._last: float | None = None

    def begin(self) -> None:
        """Note that a blocking command was sent."""
        self._began = monotonic()

    def ended(self) -> None:
        """Note that the server answered."""
        self._last = None

    def broke(self, *, is_given_up: bool = False) -> float | None:
        """Note that the connection broke, or was given up. If the previous one did so after the same time, shorten `seconds`.

        A restarting server also breaks connections, but not twice in a row after the same time.

        Returns:
            That time, if `seconds` was shortened; otherwise None.
        """
        idle, last = self.seconds if is_given_up else monotonic() - self._began, self._last
        self._last = idle
        if last is None or idle < _MIN_IDLE or abs(idle - last) > 0.1 + 0.1 * last:
            return None
        self._last = None
        self.seconds = max(self._floor, min(idle, self.seconds) / 2)
        return idle
