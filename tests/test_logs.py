"""The texts that log lines are made of, and what happens to lines that nobody reads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from taskq import logs
from taskq.logs import OutputHandler, count_of
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
    """A pipe that nobody reads, and a process that doesn't wait for it."""
    monkeypatch.setattr(logs, "_PATIENCE", 0.01)
    pipe = UnreadPipe()
    yield pipe
    pipe.close()


@pytest.fixture
def log(unread: UnreadPipe) -> Iterator[Log]:
    """A function that logs a line to the pipe."""
    with open(unread.write, "w", encoding="ascii", closefd=False) as stream:
        handler = OutputHandler(stream)
        yield lambda text: handler.handle(logging.makeLogRecord({"msg": text}))


def test_lines_that_nobody_reads_are_counted(unread: UnreadPipe, log: Log) -> None:
    """Given a full pipe, then its lines are dropped; the first one after there is room follows their number, once."""
    unread.fill()
    for number in range(214):
        log(f"line {number}")
    assert set(unread.read()) == {"."}
    log("there")
    log("again")
    assert unread.read() == "214 log lines lost: the log was not read\nthere\nagain\n"


def test_a_line_that_was_cut_does_not_spoil_the_next_one(unread: UnreadPipe, log: Log) -> None:
    """Given a pipe with room for a part of a line, then the line counts as lost, and the next one begins a new line."""
    log("x" * 1_000_000)
    assert set(unread.read()) == {"x"}
    log("whole")
    assert unread.read() == "\n1 log line lost: the log was not read\nwhole\n"


def test_any_text_can_be_written(unread: UnreadPipe, log: Log) -> None:
    """Given text that the encoding of standard error lacks, then it is written in escapes."""
    log("ü")
    assert unread.read() == "\\xfc\n"
