"""From a number of failed attempts and an exception to the seconds until the next run."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.clock import MAX_DELAY
from taskq.errors import ConfigError, Retry
from taskq.jobs.retry import Backoff, RetryPolicy, check_retry_seconds


@pytest.mark.parametrize(
    ("given_value", "seconds"),
    [
        (5, (5.0,)),
        (0, (0.0,)),
        (1.5, (1.5,)),
        ([1, 5, 30], (1.0, 5.0, 30.0)),
        ((1,), (1.0,)),
        (timedelta(minutes=1), (60.0,)),
        ([timedelta(seconds=1), 2], (1.0, 2.0)),
        (range(3), (0.0, 1.0, 2.0)),
        ((n for n in (1, 2)), (1.0, 2.0)),
    ],
)
def test_retry_seconds_are_a_number_or_a_list(given_value: Any, seconds: tuple[float, ...]) -> None:
    """Given a number, a timedelta or several, then they are a tuple of seconds."""
    assert check_retry_seconds(given_value) == seconds


@pytest.mark.parametrize("value", [[], (), "", "5", b"5", None, -1, [1, -1], math.nan, [math.inf], True, ["5"], [[1]], MAX_DELAY + 1, {}])
def test_what_is_no_interval_is_refused(value: Any) -> None:
    """Given an empty list or what is no delay, then the error names retry_seconds."""
    with pytest.raises(ConfigError, match="retry_seconds"):
        check_retry_seconds(value)


def test_a_list_is_indexed_by_attempt_and_its_last_repeats() -> None:
    """Given a list of intervals, when attempts fail, then each waits its own, and the last is used for all that follow."""
    policy = RetryPolicy(max_attempts=9, retry_seconds=(1.0, 5.0, 30.0))
    assert [policy.delay_after(attempt) for attempt in (1, 2, 3, 4, 8)] == [1.0, 5.0, 30.0, 30.0, 30.0]


@given(st.integers(1, 50), st.integers(1, 60))
def test_max_attempts_counts_runs(max_attempts: int, attempt: int) -> None:
    """Given a number of runs, then the last of them is followed by none, and every one before it by another."""
    delay = RetryPolicy(max_attempts=max_attempts).delay_after(attempt)
    assert (delay is None) == (attempt >= max_attempts)


def test_only_some_exceptions_are_tried_again() -> None:
    """Given retry_on, when another exception comes, then there is no next run; a lost run without an exception has one."""
    policy = RetryPolicy(retry_on=(ConnectionError,))
    assert policy.delay_after(1, ConnectionResetError()) == 5.0
    assert policy.delay_after(1, ValueError()) is None
    assert policy.delay_after(1, None) == 5.0


def test_giving_up_comes_before_trying_again() -> None:
    """Given an exception that matches both lists, then it is not retried."""
    policy = RetryPolicy(retry_on=(OSError,), give_up_on=(ConnectionError,))
    assert policy.delay_after(1, ConnectionResetError()) is None
    assert policy.delay_after(1, FileNotFoundError()) == 5.0


def test_a_group_is_tried_again_only_if_each_of_its_errors_is() -> None:
    """Given a group, however deep, when one of its errors ends the attempts, then the group does; errors that are outcomes don't count."""
    policy = RetryPolicy(retry_on=(OSError,), give_up_on=(FileNotFoundError,))
    lost, missing, wrong = ConnectionResetError(), FileNotFoundError(), ValueError()
    nested = ExceptionGroup("outer", [ExceptionGroup("inner", [lost, OSError()])])
    assert policy.delay_after(1, nested) == 5.0
    assert policy.delay_after(1, BaseExceptionGroup("", [lost, Retry()])) == 5.0
    assert policy.delay_after(1, ExceptionGroup("", [nested, wrong])) is None
    assert policy.delay_after(1, ExceptionGroup("", [nested, missing])) is None
    assert RetryPolicy(give_up_on=(BaseException,)).delay_after(1, BaseExceptionGroup("", [Retry()])) == 5.0


def test_a_policy_may_name_a_class_of_groups() -> None:
    """Given a policy with a class of groups, then a group of that class counts as one error, also inside another."""

    class ShopErrors(ExceptionGroup[Exception]):
        pass

    group = ExceptionGroup("", [ShopErrors("", [ValueError()])])
    assert RetryPolicy(retry_on=(ShopErrors,)).delay_after(1, group) == 5.0
    assert RetryPolicy(give_up_on=(ShopErrors,)).delay_after(1, group) is None


def test_backoff_grows_to_its_cap() -> None:
    """Given a backoff without jitter, then it doubles up to its cap, for any number of attempts."""
    backoff = Backoff(base=1, factor=2, cap=60, jitter=False)
    assert [backoff.seconds(attempt) for attempt in (1, 2, 3, 6, 7, 8, 65535)] == [1, 2, 4, 32, 60, 60, 60]
    assert Backoff(base=1, factor=1.5, cap=60, jitter=False).seconds(65535) == 60


@given(st.floats(0.001, 100), st.floats(1, 10), st.floats(0.001, 10_000), st.integers(1, 65535))
def test_jitter_stays_below_the_wait(base: float, factor: float, cap: float, attempt: int) -> None:
    """Given any backoff with jitter, then the wait is at least 0 and at most what it would be without."""
    most = Backoff(base=base, factor=factor, cap=cap, jitter=False).seconds(attempt)
    assert 0 <= Backoff(base=base, factor=factor, cap=cap).seconds(attempt) <= most <= cap


def test_jitter_spreads() -> None:
    """Given jobs that failed together, then they don't come back together."""
    assert len({Backoff().seconds(5) for _ in range(20)}) > 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"base": 0},
        {"base": -1},
        {"base": math.nan},
        {"base": math.inf},
        {"factor": 0.5},
        {"factor": math.nan},
        {"factor": math.inf},
        {"cap": 0},
        {"cap": math.inf},
        {"cap": math.nan},
        {"cap": MAX_DELAY * 2},
        {"base": "1"},
        {"cap": None},
    ],
)
def test_a_backoff_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    """Given numbers that make no wait (or an endless one), then the backoff can't be made."""
    with pytest.raises(ConfigError, match="backoff must have"):
        Backoff(**wrong)


def test_backoff_goes_before_the_list() -> None:
    """Given both, then the backoff counts."""
    policy = RetryPolicy(retry_seconds=(7.0,), backoff=Backoff(base=2, jitter=False))
    assert policy.delay_after(1) == 2
