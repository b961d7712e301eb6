"""The lines of `taskq dev`."""

from __future__ import annotations

import logging

import pytest

from taskq.context import Context
from taskq.events import JobEvent
from taskq.tools.dev import view
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


@pytest.mark.parametrize(("reason", "text"), [("", "requeued"), ("interrupted at stop_timeout", "interrupted at stop_timeout")])
def test_a_run_that_is_repeated_has_an_end(caplog: pytest.LogCaptureFixture, reason: str, text: str) -> None:
    """Given a run that ends with a requeue, then a line shows its end, too."""
    context = Context(id="ab" * 16, job="jobs:greet", channel="default", attempt=1, max_attempts=3, pushed_at_ms=0)
    with caplog.at_level(logging.INFO, "taskq.worker"):
        view._requeued(JobEvent(context=context, worker="", seconds=0.5, delay=2.0, reason=reason))
    assert caplog.messages == [f"requeue jobs:greet abababababab in 2 s: {text} after 500.0 ms"]
