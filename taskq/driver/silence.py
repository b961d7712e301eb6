"""Learns how long a connection may be silent: a proxy or firewall on the way may close one that carries no byte for some seconds."""

from __future__ import annotations

from taskq.clock import monotonic

__all__ = ["Silence"]

#: A connection that breaks sooner was not silent.
_LEAST = 0.1
#: The shortest time to block in the server, as a part of the best one: outages must not make idle processes poll for ever.
_PART = 1 / 8


class Silence:
    """How long a command may block in the server, while nothing passes over its connection."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is the time that is best without such a proxy."""
        self.seconds = seconds
        self._floor = seconds * _PART
        self._began = 0.0
        self._last: float | None = None

    def begin(self) -> None:
        """Note that a command blocks from now on."""
        self._began = monotonic()

    def ended(self) -> None:
        """Note that the server answered."""
        self._last = None

    def broke(self, *, is_given_up: bool = False) -> float | None:
        """Note that the connection broke, or was given up. If the one before did so after the same time, shorten `seconds`.

        A server that restarts breaks connections, too, but not twice in a row after the same time. Returns that time.
        """
        silence, last = self.seconds if is_given_up else monotonic() - self._began, self._last
        self._last = silence
        if last is None or silence < _LEAST or abs(silence - last) > 0.1 + 0.1 * last:
            return None
        self._last = None
        self.seconds = max(self._floor, min(silence, self.seconds) / 2)
        return silence
