"""The options of a benchmark, and its measures."""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["MEASURES", "Plan", "Viewer"]

MEASURES = ("push", "push_many", "drain", "latency", "lateness", "memory", "cpu")


class Plan(NamedTuple):
    """How much is measured."""

    jobs: int
    processes: int
    payload: int
    rounds: int
    measures: frozenset[str]

    @property
    def arguments(self) -> str:
        """The argument of each job."""
        return "x" * self.payload

    @property
    def singles(self) -> int:
        """How many jobs are pushed one by one in a round: they take ten times longer."""
        return self.jobs // 10

    @property
    def samples(self) -> int:
        """How many single jobs are timed."""
        return max(5, min(1000, self.jobs // 200))

    @property
    def weight(self) -> int:
        """About how many bytes the server needs for it: all rounds lie there at once."""
        return self.jobs * self.rounds * (self.payload + 150)


class Viewer(Protocol):
    """Protocol: shows the progress of a benchmark."""

    def show(self, measure: str, done: int, total: int) -> None: ...
