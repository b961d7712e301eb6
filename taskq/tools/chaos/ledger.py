"""The ledger: one file to which every process appends a line for each push, start and end. It is the truth that the verdict compares with.

A line is written by a single append, which the system doesn't mix with others, before the command goes to the server: a run that
is killed has its start in the file and no end.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from taskq.clock import monotonic

__all__ = ["FIRST_ASKED", "Birth", "Book", "Ending", "Push", "Pushed", "Run", "note"]

#: The numbers of the jobs whose results or items a caller reads begin here, above those of the pushers.
FIRST_ASKED = 1_000_000_000

Pushed = Literal["accepted", "unknown", "refused"]
Ending = Literal["done", "raised"]


class Push(msgspec.Struct, frozen=True):
    """One push. With an unknown outcome, the server may or may not have stored it. A refused push must not run."""

    number: int
    kind: str
    at: float
    outcome: Pushed


class Run(msgspec.Struct):
    """One run of a job. Without an end its process was killed, or still runs it."""

    number: int
    id: str
    attempt: int
    pid: int
    start: float
    end: float | None = None
    ending: Ending | None = None


class Birth(msgspec.Struct, frozen=True):
    """A worker process, and whose it is."""

    pid: int
    zygote: int
    supervisor: int
    at: float


def note(ledger: str | Path, *words: object) -> None:
    """Append a line, with the monotonic time (which all processes of a machine share) at its end."""
    line = " ".join(map(str, words)) + f" {monotonic():.6f}\n"
    target = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(target, line.encode())
    finally:
        os.close(target)


class Book:
    """The contents of the ledger, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self.pushes: dict[int, Push] = {}
        self.runs: dict[int, list[Run]] = {}
        self.births: list[Birth] = []
        #: Supervisors that have had a worker process.
        self.parents: set[int] = set()
        #: Numbers with a run that ended well.
        self.done: set[int] = set()
        #: Numbers whose answers a caller waits for, and the answer: "right", "wrong" or the name of an error.
        self.asked: set[int] = set()
        self.answers: dict[int, str] = {}
        self.accepted = 0
        self.run_count = 0
        self._open: dict[tuple[int, int, int], Run] = {}

    def read(self) -> None:
        """Take in the lines that are new."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.decode().splitlines():
            kind, *words, at = line.split(" ")
            self._take(kind, words, float(at))

    def running(self) -> set[int]:
        """Process ids with a run that hasn't ended. Those that were killed stay among them."""
        return {run.pid for run in self._open.values()}

    def _take(self, kind: str, words: list[str], at: float) -> None:
        if kind == "start":
            number, attempt, pid = int(words[0]), int(words[2]), int(words[3])
            run = Run(number, words[1], attempt, pid, at)
            self.runs.setdefault(number, []).append(run)
            self._open[number, attempt, pid] = run
            self.run_count += 1
        elif kind == "end":
            number, attempt, pid = map(int, words[:3])
            run = self._open.pop((number, attempt, pid))
            run.end, run.ending = at, "done" if words[3] == "done" else "raised"
            if run.ending == "done":
                self.done.add(number)
        elif kind == "push":
            outcome: Pushed = "accepted" if words[2] == "accepted" else "unknown" if words[2] == "unknown" else "refused"
            push = Push(int(words[0]), words[1], at, outcome)
            self.pushes[push.number] = push
            self.accepted += push.outcome == "accepted"
        elif kind == "asked":
            self.asked.add(int(words[0]))
        elif kind == "told":
            self.answers[int(words[0])] = words[1]
        elif kind == "born":
            self.births.append(Birth(int(words[0]), int(words[1]), int(words[2]), at))
            self.parents.add(int(words[2]))
