"""Delays and moments: what is taken, what is refused, and that nothing starts early."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from taskq import clock
from taskq.clock import MAX_DELAY, delay_ms, moment_ms, now_ms, seconds_of
from taskq.errors import DelayError, PushError


def test_waits_go_on_below_a_test_that_freezes_time() -> None:
    """Given a test that freezes the time of all modules, then taskq's own clock goes on; a moment follows the clock of the test."""
    before = clock.monotonic()
    with freeze_time("2026-01-01 12:00:00"):
        assert time.monotonic() == time.monotonic()
        assert clock.monotonic() > before
        assert clock.moment_ms(datetime.now(UTC)) == now_ms() == 1_767_268_800_000
    assert abs(clock.monotonic() - time.monotonic()) < 1


@pytest.mark.parametrize(
    ("delay", "milliseconds"),
    [
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        (1, 1000),
        (0.001, 1),
        (0.0001, 1),
        (1.5, 1500),
        (0.1 + 0.2, 300),
        (timedelta(0), 0),
        (timedelta(milliseconds=250), 250),
        (timedelta(microseconds=1), 1),
        (timedelta(days=1), 86_400_000),
        (MAX_DELAY, 316_224_000_000),
    ],
)
def test_a_delay_becomes_milliseconds(delay: Any, milliseconds: int) -> None:
    """Given seconds or a timedelta, then it is whole milliseconds, rounded up."""
    assert delay_ms(delay) == milliseconds


@given(st.floats(min_value=0, max_value=MAX_DELAY))
def test_nothing_starts_early(delay: float) -> None:
    """Given any delay, then its milliseconds are never fewer than asked for, and less than one more (to a float's exactness)."""
    asked = delay * 1000
    assert -1e-3 <= delay_ms(delay) - asked < 1 + 1e-3


@pytest.mark.parametrize(
    ("delay", "why"),
    [
        (-1, "negative"),
        (-1e-9, "negative"),
        (timedelta(seconds=-1), "negative"),
        (math.nan, "finite"),
        (math.inf, "finite"),
        (-math.inf, "finite"),
        (MAX_DELAY + 1, "ten years"),
        pytest.param(10**400, "ten years", id="an int beyond float"),
        (timedelta.max, "ten years"),
        (True, "bool"),
        (False, "bool"),
        ("60", "str"),
        (None, "NoneType"),
        (Decimal(1), "Decimal"),
        (Fraction(1, 2), "Fraction"),
        ([1], "list"),
        (1j, "complex"),
        (datetime.now(UTC), "datetime"),
    ],
)
def test_what_is_no_delay_is_refused(delay: Any, why: str) -> None:
    """Given an invalid delay, then the error gives the reason; it is a PushError and a ValueError."""
    with pytest.raises(DelayError, match=why) as caught:
        seconds_of(delay)
    assert isinstance(caught.value, PushError)
    assert isinstance(caught.value, ValueError)


def test_a_moment_is_the_same_in_every_form() -> None:
    """Given one moment as seconds, in UTC and in another zone, then all are the same milliseconds."""
    moment = datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    expected = 1_893_553_445_678
    assert moment_ms(moment) == expected
    assert moment_ms(moment.astimezone(timezone(timedelta(hours=5, minutes=30)))) == expected
    assert moment_ms(moment.timestamp()) == expected
    assert moment_ms(moment.astimezone().replace(tzinfo=None)) == expected  # without a zone: local time


def test_a_moment_in_the_past_is_due_at_once() -> None:
    """Given a moment long ago, then it is a moment still, and never before the epoch."""
    assert moment_ms(5) == 5000
    assert moment_ms(-5) == 0
    assert moment_ms(datetime(1960, 1, 1, tzinfo=UTC)) == 0


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (math.nan, "at must be"),
        (math.inf, "at must be"),
        ("tomorrow", "at must be"),
        (None, "at must be"),
        (True, "at must be"),
        (timedelta(seconds=5), "at must be"),
        pytest.param(10**400, "ten years", id="an int beyond float"),
        (1e300, "ten years"),
        (datetime.max, "ten years"),  # noqa: DTZ901  (no time zone on purpose)
        (datetime.max.replace(tzinfo=UTC), "ten years"),
        pytest.param(datetime.now(UTC).timestamp() * 1000, "milliseconds", id="milliseconds"),
    ],
)
def test_what_is_no_moment_is_refused(at: Any, why: str) -> None:
    """Given an invalid moment, or one too far ahead, then the error gives the reason."""
    with pytest.raises(DelayError, match=why):
        moment_ms(at)


def test_the_earliest_datetime_is_a_moment() -> None:
    """Given the earliest datetime there is, then it is due at once, without an error."""
    assert moment_ms(datetime.min) == 0  # noqa: DTZ901  (no time zone on purpose)
    assert moment_ms(datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))) == 0


def test_now_is_in_milliseconds() -> None:
    """Given the clock, then it agrees with the standard library's."""
    assert abs(now_ms() - datetime.now(UTC).timestamp() * 1000) < 5000
