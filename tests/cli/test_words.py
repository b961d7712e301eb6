"""Numbers, durations and foreign text as a person reads them."""

from __future__ import annotations

import json

import pytest

from taskq.cli.output import json_text, print_json_list
from taskq.cli.words import clean, count, duration, moment, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0ms"),
        (0.3504, "350ms"),
        (1, "1s"),
        (59.9, "59s"),
        (125, "2m 5s"),
        (3600, "1h"),
        (3661, "1h 1m"),
        (273600, "3d 4h"),
        (86400 * 400 + 59, "400d"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    """Given seconds, then the two largest units are shown."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (1 << 42, "4096.0 GiB")]
)
def test_sizes(number: int, text: str) -> None:
    """Given bytes, then a unit that fits."""
    assert size(number) == text


def test_counts_and_moments() -> None:
    """Given a number and a word, then they agree; a moment that is none doesn't raise."""
    assert (count(1, "message"), count(1234, "message")) == ("1 message", "1,234 messages")
    assert moment(0).startswith(("1970", "1969"))
    assert moment(1e300)


def test_text_that_can_not_harm() -> None:
    """Given control characters of every kind, then they are escaped, and what prints stays."""
    assert clean("é 漢 😀") == "é 漢 😀"
    assert clean("\x1b[2J\u202e\x9b\x7f\n\ud800") == "\\x1b[2J\\u202e\\x9b\\x7f\\n\\ud800"
    assert clean("a\n\tb\x07", lines=True) == "a\n    b\\x07"


def test_json_is_printable_and_means_the_same() -> None:
    """Given any text, then the JSON of it holds no letter that a terminal may obey, and reads back as it was."""
    data = {"é\x1b": ["\x9b\u2028\u202e\U000e0001\x7f", "\ud800", 1.5, None, True]}
    text = json_text(data)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert json.loads(text) == data
    assert json.loads(json_text({"a": float("nan"), "b": (float("inf"),)})) == {"a": "nan", "b": ["inf"]}


def test_a_list_is_printed_in_parts(capsys: pytest.CaptureFixture[str]) -> None:
    """Given values of any number, then they are printed as one JSON list, as if they were printed at once."""
    for items in (
        [],
        [1],
        [{"id": number, "args": [], "text": "é\x1b", "large": 1 << 70} for number in range(2500)],
        [{"plain": 1}] * 1000,
    ):
        print_json_list(iter(items))
        assert capsys.readouterr().out == json_text(items) + "\n"
