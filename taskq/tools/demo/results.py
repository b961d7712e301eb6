"""The results of the jobs: one line per file, appended to one file by every process. No database, and no locks.

A line is written by a single append, which the system doesn't mix with others. So a job that ran twice leaves two lines, and
one that never ran leaves none: that is what the check at the end looks for.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from taskq.tools.demo.counting import Counted

__all__ = ["Reader", "Result", "Tally", "append"]


class Result(NamedTuple):
    """The line of one file. `skipped` is the reason why it couldn't be counted, or ""."""

    path: str
    pid: int
    skipped: str
    counted: Counted


def append(results: str, path: str, counted: Counted | None, skipped: str = "") -> None:
    """Write one line."""
    # json escapes non-ASCII characters, and the lone surrogates of a file name that is not valid UTF-8.
    line = json.dumps([path, os.getpid(), skipped, counted or ("", 0, 0, 0)]) + "\n"
    target = os.open(results, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(target, line.encode())
    finally:
        os.close(target)


class Reader:
    """Reads what was appended since the last look."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._position = 0

    def new(self) -> list[Result]:
        try:
            with self._results.open("rb") as file:
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        return [Result(path, pid, skipped, Counted(*counted)) for path, pid, skipped, counted in map(json.loads, whole.splitlines())]


class Tally:
    """All results so far."""

    def __init__(self) -> None:
        self.by_path: dict[str, Result] = {}
        #: How often each path was counted beyond the first time.
        self.again: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        #: Of each process: how many files, and the last.
        self.processes: dict[int, tuple[int, str]] = {}
        self.bytes = self.lines = self.words = 0

    def add(self, result: Result) -> None:
        if result.path in self.by_path:
            self.again[result.path] += 1
            return
        self.by_path[result.path] = result
        done, _ = self.processes.get(result.pid, (0, ""))
        self.processes[result.pid] = (done + 1, result.path)
        if result.skipped:
            self.skipped[result.skipped] += 1
        self.bytes += result.counted.bytes
        self.lines += result.counted.lines
        self.words += result.counted.words

    @property
    def counted(self) -> int:
        """How many files could be counted."""
        return len(self.by_path) - self.skipped.total()

    def sums(self) -> dict[str, int]:
        """Return all sums."""
        return {"files": self.counted, "bytes": self.bytes, "lines": self.lines, "words": self.words}
