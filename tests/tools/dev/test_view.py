"""The lines of `taskq dev`."""

from __future__ import annotations

import logging

import pytest

from taskq.tools.dev.view import DevFormatter


@pytest.mark.parametrize(
    ("colors", "level", "extra", "expected"),
    [
        (False, logging.INFO, {}, "two\nlines \\x1b"),
        (False, logging.ERROR, {}, "ERROR: two\nlines \\x1b"),
        (False, logging.INFO, {"taskq_dev": "failed"}, "two\nlines \\x1b"),
        (True, logging.INFO, {"taskq_dev": "failed"}, "\x1b[31mtwo\x1b[0m\n\x1b[2mlines \\x1b\x1b[0m"),
        (True, logging.WARNING, {}, "\x1b[33mWARNING: two\x1b[0m\n\x1b[2mlines \\x1b\x1b[0m"),
    ],
)
def test_a_line(colors: bool, level: int, extra: dict[str, str], expected: str) -> None:
    """Given a record, then its line has the time, the level of a problem, and colors only if they are wanted; a job can't send its own."""
    record = logging.makeLogRecord({"msg": "two\nlines \x1b", "levelno": level, "levelname": logging.getLevelName(level), **extra})
    at, _, text = DevFormatter(colors=colors).format(record).partition("  ")
    assert text == expected
    assert at.count(":") == 2
