"""Retries of commands: the pause before each, and the time to give up."""

from __future__ import annotations

import random
from math import inf

from taskq.clock import monotonic

__all__ = ["Backoff"]


class Backoff:
    """The pauses between the tries of a command. They are random, and grow from try to try.

    Random (full jitter), because clients that lost the server together must not come back together.
    """

    def __init__(
        self, first: float = 0.1, longest: float = 2.0, *, least: float = 0.01, patience: float = inf, deadline: float = inf
    ) -> None:
        """Start with short pauses.

        Args:
            first: the upper bound of the first pause, in seconds. The bound doubles with each pause.
            longest: the upper bound of every pause.
            least: the lower bound of every pause.
            patience: give up once the server has been unreachable for this many seconds.
            deadline: give up at this time of the monotonic clock.
        """
        self._first = self._upper = min(first, longest)
        self._longest = longest
        self._least = least
        self._patience = patience
        self._deadline = deadline
        self._since: float | None = None

    def answered(self) -> None:
        """Note that the server answers: the next pause is short again."""
        self._since, self._upper = None, self._first

    def slow_down(self) -> None:
        """Let the next pauses be the longest: the server answers, but rejects the command."""
        self._upper = self._longest

    def pause(self) -> float:
        """Return the seconds to wait before the next try."""
        upper, self._upper = self._upper, min(self._longest, self._upper * 2)
        return random.uniform(min(self._least, upper), upper)

    def pause_after(self, error: Exception) -> float:
        """Return the seconds to wait before the next try, which comes at the deadline at the latest.

        Raises:
            Exception: `error`, if it is time to give up.
        """
        now = monotonic()
        self._since = self._since or now
        left = min(self._deadline, self._since + self._patience) - now
        if left <= 0:
            raise error
        return min(left, self.pause())
