"""Values of any kind as text and as data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taskq.inspector.render import call_text, data_of, text_of


def _bomb() -> list[Any]:
    value: list[Any] = ["x"]
    for _ in range(100):
        value = [value] * 10
    return value


def _cycle() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("args", "kwargs", "shown"),
    [
        ((), {}, ""),
        (("a@b.c", 2), {"subject": "hi"}, "'a@b.c', 2, subject='hi'"),
        (((1,), ()), {"not a name": {}}, "(1,), (), 'not a name'={}"),
        ((10**5000,), {}, "<int of 16610 bits>"),
        (({1: b"x"},), {}, "{1: b'x'}"),
    ],
)
def test_arguments_are_shown_as_in_a_call(args: tuple[Any, ...], kwargs: dict[str, Any], shown: str) -> None:
    """Given arguments, then they are shown in Python syntax."""
    assert call_text(args, kwargs) == shown


def test_text_is_cut_at_the_limit() -> None:
    """Given a long value, then the text is exactly as long as requested and shows that it was cut."""
    assert text_of("x" * 1000, 10) == "'xxxxxxxx…"
    assert text_of("x" * 8, 10) == repr("x" * 8)


@pytest.mark.parametrize("value", [_bomb(), _cycle()])
def test_a_value_without_end_is_bounded(value: Any) -> None:
    """Given a few objects that describe an endless value, then text and data end."""
    assert len(text_of(value, 500)) == 500 or "…" in text_of(value, 500)
    assert len(json.dumps(data_of(value))) < 10_000_000


def test_data_fits_json() -> None:
    """Given values that JSON has no word for, then they become text."""
    data = data_of([float("nan"), float("inf"), b"x", {1: (2,)}, 1 << 20_000, None, True])
    assert json.loads(json.dumps(data, allow_nan=False)) == ["nan", "inf", "b'x'", {"1": [2]}, "<int of 20001 bits>", None, True]
