"""The texts that log lines are made of."""

from __future__ import annotations

import pytest

from taskq.logs import count_of


@pytest.mark.parametrize(
    ("number", "noun", "expected"),
    [(0, "message", "0 messages"), (1, "message", "1 message"), (2, "parked message", "2 parked messages"), (3, "process", "3 processes")],
)
def test_a_number_with_its_noun(number: int, noun: str, expected: str) -> None:
    """Given a number and a noun, then the noun is in the singular only after 1."""
    assert count_of(number, noun) == expected
