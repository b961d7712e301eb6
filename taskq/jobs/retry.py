"""Retry policy: from the number of failed attempts and an exception to the retry delay. Pure, except for random jitter."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from taskq.clock import MAX_DELAY, seconds_of
from taskq.errors import ConfigError, DelayError, JobControl
from taskq.exception_groups import leaves_of

__all__ = ["Backoff", "RetryPolicy", "check_retry_seconds"]


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential backoff: a retry delay of `base * factor ** (attempt - 1)` seconds, at most `cap`.

    Attributes:
        base: the first delay in seconds (positive). Default: 1.
        factor: the factor from one delay to the next (at least 1). Default: 2.
        cap: the longest delay in seconds (at most ten years). Default: 3600.
        jitter: True for a random delay between 0 and the computed one, so that jobs that failed together are not retried
            together ("full jitter", AWS Architecture Blog, 2015). Default: True.

    Raises:
        ConfigError: a number is out of bounds.
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
            raise ConfigError("backoff must have base > 0, factor >= 1, and a cap from 0 to ten years, in seconds")

    def seconds(self, attempt: int) -> float:
        """Return the retry delay in seconds after failed attempt number `attempt` (the first is 1)."""
        try:
            wait = min(self.cap, self.base * self.factor ** (attempt - 1))
        except OverflowError:
            wait = self.cap
        if not self.jitter:
            return wait
        import random  # good enough for jitter; imported here because a program that only pushes never needs it

        return random.uniform(0, wait)


def check_retry_seconds(value: float | Iterable[float]) -> tuple[float, ...]:
    """Return retry delays as a tuple of seconds.

    Raises:
        ConfigError: the list is empty, or an item is not a valid delay.
    """
    values = tuple(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else (value,)
    if not values:
        raise ConfigError("retry_seconds must be a number of seconds or a non-empty list; got an empty list")
    try:
        return tuple(seconds_of(one) for one in values)  # type: ignore[arg-type]
    except DelayError as error:
        raise ConfigError(f"retry_seconds: {error}".replace("delay ", "")) from None


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules for retrying a job."""

    max_attempts: int = 3
    retry_seconds: tuple[float, ...] = (5.0,)
    backoff: Backoff | None = None
    retry_on: tuple[type[BaseException], ...] = ()
    give_up_on: tuple[type[BaseException], ...] = ()

    def seconds(self, attempt: int) -> float:
        """Return the retry delay in seconds after failed attempt number `attempt` (the first is 1)."""
        if self.backoff is not None:
            return self.backoff.seconds(attempt)
        return self.retry_seconds[min(attempt, len(self.retry_seconds)) - 1]

    def delay_after(self, attempt: int, error: BaseException | None = None) -> float | None:
        """Return the seconds until the next attempt after failed attempt `attempt`, or None if the job is not retried.

        A group is retried only if each error in it would be.
        """
        if attempt >= self.max_attempts:
            return None
        if error is not None:
            if self.give_up_on and any(isinstance(one, self.give_up_on) for one in _ordinary(error, self.give_up_on)):
                return None
            if self.retry_on and not all(isinstance(one, self.retry_on) for one in _ordinary(error, self.retry_on)):
                return None
        return self.seconds(attempt)


def _ordinary(error: BaseException, kinds: tuple[type[BaseException], ...]) -> list[BaseException]:
    """Return the errors in an exception, unless they decide about the message themselves. A group counts as one error if it is named."""
    groups = tuple(kind for kind in kinds if issubclass(kind, BaseExceptionGroup))
    return [one for one in leaves_of(error, groups) if not isinstance(one, JobControl)]
