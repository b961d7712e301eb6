"""Clocks, and the validation of delays and timeouts. No other module reads a clock.

Waits are measured with `monotonic` (it never jumps, and tests can't freeze it). The server computes due times (`TIME` in the scripts),
so a wrong clock on one machine delays nothing. Only an absolute moment (`at=`) depends on the producer's clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import ModuleType
from typing import Annotated, Any

from msgspec import Meta

from taskq.errors import ArgumentsError, DelayError

__all__ = ["MAX_DELAY", "EpochMs", "Timeout", "delay_ms", "moment_ms", "monotonic", "now_ms", "seconds_of", "seconds_to_wait"]

#: The longest delay, in seconds: ten years of 366 days. Longer ones are nearly always milliseconds given as seconds.
MAX_DELAY = 10 * 366 * 86400.0

#: A stored moment in milliseconds since the epoch, up to the year 9999, which a datetime can hold.
EpochMs = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]


def _own_time() -> ModuleType:
    """Return a second copy of the module `time`.

    Libraries that freeze the time of tests (freezegun) replace `time.monotonic`, and each module attribute that is this object. Waits
    would never end, in this process and in the workers that it forks. They don't know the functions of the copy.
    """
    spec: Any = time.__spec__
    copied: ModuleType = spec.loader.create_module(spec)
    spec.loader.exec_module(copied)
    return copied


monotonic: Callable[[], float] = _own_time().monotonic


def now_ms() -> int:
    """Return the milliseconds since the epoch, by this machine's clock."""
    return time.time_ns() // 1_000_000


def seconds_of(delay: float | timedelta) -> float:
    """Return a delay in seconds.

    Raises:
        DelayError: the delay is negative, not finite, not a number, or longer than ten years.
    """
    if isinstance(delay, timedelta):
        seconds = delay.total_seconds()
    elif isinstance(delay, (int, float)) and not isinstance(delay, bool):
        try:
            seconds = float(delay)
        except OverflowError:
            raise DelayError("delay is longer than ten years") from None
    else:
        raise DelayError(f"delay must be seconds (int or float) or a timedelta; got {type(delay).__name__}")
    if not math.isfinite(seconds):
        raise DelayError(f"delay must be a finite number of seconds; got {seconds}")
    if seconds < 0:
        raise DelayError(f"delay must not be negative; got {seconds:g} s")
    if seconds > MAX_DELAY:
        raise DelayError(f"delay of {seconds:g} s is longer than ten years; is it in milliseconds? taskq takes seconds")
    return seconds


def delay_ms(delay: float | timedelta) -> int:
    """Return a delay in whole milliseconds, rounded up so that nothing starts early.

    Raises:
        DelayError: as `seconds_of`.
    """
    return math.ceil(round(seconds_of(delay) * 1000, 6))


def moment_ms(at: datetime | float) -> int:
    """Return an absolute moment as milliseconds since the epoch.

    A datetime without a time zone is local time, as everywhere in the standard library.

    Raises:
        DelayError: `at` is not a moment, or is more than ten years ahead.
    """
    seconds = _seconds_since_epoch(at)
    if seconds - time.time() > MAX_DELAY:
        raise DelayError("at is more than ten years ahead; is it in milliseconds? taskq takes seconds")
    return max(0, math.ceil(round(seconds * 1000, 6)))


def _seconds_since_epoch(at: datetime | float) -> float:
    if isinstance(at, datetime):
        try:
            return at.timestamp()
        except (ValueError, OverflowError, OSError):  # in local time beyond the years 1 to 9999
            return 0.0 if at.year < 1970 else math.inf
    if isinstance(at, (int, float)) and not isinstance(at, bool):
        try:
            seconds = float(at)
        except OverflowError:
            return math.inf
        if math.isfinite(seconds):
            return seconds
    raise DelayError(f"at must be a datetime or seconds since the epoch; got {at!r}")


#: A timeout: seconds or a timedelta, or None for no limit.
Timeout = float | timedelta | None


def seconds_to_wait(timeout: object) -> float:
    """Return a timeout in seconds. None means no limit.

    Raises:
        ArgumentsError: the timeout is not a number of seconds. (A wait with "not a number" would never end.)
    """
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if seconds is None:
        return math.inf
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds >= 0:
        return math.inf if seconds > MAX_DELAY else float(seconds)
    raise ArgumentsError(f"timeout must be None or a non-negative number of seconds; got {timeout!r}")
