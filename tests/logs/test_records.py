"""The texts of log lines, the JSON format, and lines that can't be written."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from taskq.logs import JsonFormatter, OutputHandler, TextFormatter, count_of
from taskq.stdio import output
from tests.support.pipes import UnreadPipe

Log = Callable[[str], object]


@pytest.mark.parametrize(
    ("number", "noun", "expected"),
    [(0, "message", "0 messages"), (1, "message", "1 message"), (2, "parked message", "2 parked messages"), (3, "process", "3 processes")],
)
def test_a_number_with_its_noun(number: int, noun: str, expected: str) -> None:
    """Given a number and a noun, then the noun is in the singular only after 1."""
    assert count_of(number, noun) == expected


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Iterator[UnreadPipe]:
    """A pipe that is not read, and a process that doesn't wait for it."""
    monkeypatch.setattr(output, "_PATIENCE", 0.01)
    pipe = UnreadPipe()
    yield pipe
    pipe.close()


@pytest.fixture
def log(unread: UnreadPipe) -> Iterator[Log]:
    """A function that logs a line to the pipe."""
    with open(unread.write, "w", encoding="ascii", closefd=False) as stream:
        handler = OutputHandler(stream)
        yield lambda text: handler.handle(logging.makeLogRecord({"msg": text}))
        handler.close()


def test_lines_that_nobody_reads_are_counted(unread: UnreadPipe, log: Log) -> None:
    """Given a full pipe, then its lines are dropped; the first one after there is room follows their number, once."""
    unread.fill()
    for number in range(214):
        log(f"line {number}")
    assert set(unread.read()) == {"."}
    log("there")
    log("again")
    assert unread.read() == "214 log lines lost: the log was not read, or could not be written\nthere\nagain\n"


def test_a_line_that_was_cut_does_not_spoil_the_next_one(unread: UnreadPipe, log: Log) -> None:
    """Given a pipe with room for a part of a line, then the line counts as lost, and the next one begins a new line."""
    log("x" * 1_000_000)
    assert set(unread.read()) == {"x"}
    log("whole")
    assert unread.read() == "\n1 log line lost: the log was not read, or could not be written\nwhole\n"


def test_any_text_can_be_written(unread: UnreadPipe, log: Log) -> None:
    """Given text that the encoding of standard error lacks, then it is written in escapes."""
    log("ü")
    assert unread.read() == "\\xfc\n"


def test_json_stays_json_in_any_locale(unread: UnreadPipe) -> None:
    """Given standard error with an encoding that lacks a character, then a line of JSON is UTF-8: another encoding's escape isn't JSON."""
    with open(unread.write, "w", encoding="ascii", closefd=False) as stream:
        handler = OutputHandler(stream)
        handler.setFormatter(JsonFormatter())
        handler.handle(logging.makeLogRecord({"msg": "w\xf6rld \udce9"}))
        handler.close()
    assert json.loads(unread.read())["message"] == "w\xf6rld \\udce9"


class Broken:
    def __eq__(self, other: object) -> bool:  # an array of numpy has no truth value
        raise ValueError("ambiguous")

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        raise RuntimeError("no text")


def cycle() -> list[object]:
    made: list[object] = []
    made.append(made)
    return made


def as_json(**attributes: object) -> dict[str, Any]:
    """Format a record with these attributes, and decode the line."""
    line = JsonFormatter().format(logging.makeLogRecord({"name": "shop", "levelname": "INFO", "msg": "paid", **attributes}))
    assert "\n" not in line
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def test_json_has_the_extra_fields() -> None:
    """Given a record with `extra` fields, then each is a field of the object; one with the name of a fixed field gets another name."""
    entry = as_json(order_id=42, tags={"a": (1, None)}, at=date(2026, 1, 2), level="gold")
    assert (entry["order_id"], entry["tags"], entry["at"]) == (42, {"a": [1, None]}, "2026-01-02")
    assert (entry["level"], entry["level_"]) == ("info", "gold")
    assert set(as_json()) == {"time", "level", "logger", "process", "message"}


def test_json_has_the_stack_and_the_traceback() -> None:
    """Given a record with stack_info and one with exc_info, then the object has a field for them; without an exception, it has none."""
    assert as_json(stack_info="Stack (most recent call last):\n  here")["stack"].endswith("  here")
    error = ValueError("\udce9")
    assert as_json(exc_info=(ValueError, error, None))["traceback"] == "ValueError: \\udce9"
    assert "traceback" not in as_json(exc_info=(None, None, None))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("\udce9té", "\\udce9té"),
        ({"\ud800": 1}, "{'\\ud800': 1}"),
        (cycle(), "[[...]]"),
        (Broken(), "<Broken: its repr() raised RuntimeError>"),
        (2**70, 2**70),
        (float("nan"), None),
    ],
    ids=["surrogate", "surrogate in a key", "cycle", "broken repr", "large integer", "not a number"],
)
def test_json_takes_any_value(value: object, expected: object) -> None:
    """Given a value that JSON can't represent, then it is written as text, and the other fields are as usual."""
    entry = as_json(strange=value, fine=[1])
    assert (entry["strange"], entry["fine"], entry["message"]) == (expected, [1], "paid")


def test_json_takes_any_text() -> None:
    """Given a message with a lone surrogate, or one that can't be formatted, then the line has the text and, for the latter, the place."""
    assert as_json(msg="name %s\n\x1b", args=("\udce9té",))["message"] == "name \\udce9té\n\x1b"
    broken = as_json(msg="%d of %s", args=("x", Broken()), pathname="jobs.py", lineno=7)["message"]
    assert broken.startswith("'%d of %s' % <tuple: its repr() raised RuntimeError> can't be formatted: TypeError: ")
    assert broken.endswith("(jobs.py:7)")


def test_all_processes_log_in_one_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an app that sets another time zone after the start, as Django does, then the log keeps the first one, and shows its offset."""
    before = TextFormatter()
    record = logging.makeLogRecord({"created": 1_700_000_000.5, "levelname": "INFO", "process": 7, "msg": "ready"})
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        inside = TextFormatter().format(record)
    time.tzset()
    assert inside == before.format(record)
    assert re.fullmatch(r"2023-11-1\d \d\d:\d\d:20\.500[+-]\d\d:\d\d INFO    \[7\] ready", inside)
