"""A file into which jobs write what they do, line by line, so that a test can count every run."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.wait import wait_until

__all__ = ["LEDGER", "Ledger", "Line", "note"]

#: The variable that tells a job where the ledger is.
LEDGER = "TEST_LEDGER"


class Line(NamedTuple):
    """One note of a job."""

    what: str
    value: Any
    pid: int
    #: Monotonic, which all processes of a machine share.
    at: float


def note(what: str, value: Any = None) -> None:
    """Write a line, from whatever process: the file is opened for appending, and a short line is written at once."""
    line = json.dumps([what, value, os.getpid(), time.monotonic()], default=repr) + "\n"
    fd = os.open(os.environ[LEDGER], os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


class Ledger:
    """The test's side: reads the lines."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self, what: str | None = None) -> list[Line]:
        """Return all lines, or those of one kind, in the order in which they were written."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        # A reader may meet a line that is just being written.
        lines = [Line(*json.loads(line)) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in lines if what in (None, line.what)]

    def values(self, what: str) -> list[Any]:
        """Return what was noted with the lines of one kind."""
        return [line.value for line in self.lines(what)]

    def wait_for(self, what: str, count: int = 1, *, timeout: float = 30.0) -> list[Line]:
        """Wait until there are so many lines of one kind, and return them."""
        try:
            return wait_until(lambda: lines if len(lines := self.lines(what)) >= count else [], timeout=timeout)
        except AssertionError:
            found = [line[:2] for line in self.lines()]
            raise AssertionError(f"waited {timeout:g} s for {count} lines {what!r} in the ledger, which has {found}") from None
