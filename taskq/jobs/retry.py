"""Retry policy: from a number of failed attempts and an exception to a decision. Pure but for the dice of the jitter."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from taskq.clock import MAX_DELAY, seconds_of
from taskq.errors import ConfigError, DelayError

__all__ = ["Backoff", "RetryPolicy", "check_retry_seconds"]


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential waiting: base * factor ** (attempt - 1) seconds, at most `cap`.

    With `jitter` the wait is a random part of that, so that jobs which failed together don't come back together
    ("full jitter", AWS Architecture Blog, 2015).
    """

    base: float = 1.0
    factor: float = 2.0
    cap: float = 3600.0
    jitter: bool = True

    def __post_init__(self) -> None:
        numbers = (self.base, self.factor, self.cap)
        if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers) or not (
            self.base > 0 and self.factor >= 1 and 0 < self.cap <= MAX_DELAY
        ):
            raise ConfigError("backoff needs numbers: base > 0, factor >= 1, and a cap between 0 and ten years, in seconds")

    def seconds(self, attempt: int) -> float:
        """Return how long to wait after failed attempt number `attempt` (the first is 1)."""
        try:
            wait = min(self.cap, self.base * self.factor ** (attempt - 1))
        except OverflowError:
            wait = self.cap
        if not self.jitter:
            return wait
        import random  # jitter is no cryptography; who only pushes never throws these dice

        return random.uniform(0, wait)


def check_retry_seconds(value: float | Iterable[float]) -> tuple[float, ...]:
    """Return retry intervals as a tuple of seconds.

    Raises:
        ConfigError: the list is empty, or holds what is no delay.
    """
    values = tuple(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else (value,)
    if not values:
        raise ConfigError("retry_seconds is an empty list: give a number of seconds, or a list with at least one")
    try:
        return tuple(seconds_of(one) for one in values)  # type: ignore[arg-type]
    except DelayError as error:
        raise ConfigError(f"retry_seconds: {error}".replace("delay ", "")) from None


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a job runs again."""

    max_attempts: int = 3
    retry_seconds: tuple[float, ...] = (5.0,)
    backoff: Backoff | None = None
    retry_on: tuple[type[BaseException], ...] = ()
    give_up_on: tuple[type[BaseException], ...] = ()

    def seconds(self, attempt: int) -> float:
        """Return how long to wait after failed attempt number `attempt` (the first is 1)."""
        if self.backoff is not None:
            return self.backoff.seconds(attempt)
        return self.retry_seconds[min(attempt, len(self.retry_seconds)) - 1]

    def delay_after(self, attempt: int, error: BaseException | None = None) -> float | None:
        """Return the seconds until the next run after failed attempt `attempt`, or None when there is none."""
        if attempt >= self.max_attempts:
            return None
        if error is not None:
            if self.give_up_on and isinstance(error, self.give_up_on):
                return None
            if self.retry_on and not isinstance(error, self.retry_on):
                return None
        return self.seconds(attempt)
