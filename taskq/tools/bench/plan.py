"""The options of a benchmark, and its measures."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from taskq.tools.bench.cases import ALL

__all__ = ["MEASURES", "Plan", "Viewer"]

MEASURES = ("push", "push_many", "drain", "latency", "lateness", "memory", "cpu", *ALL)


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
        """About how many bytes the server needs for it: the messages of all rounds are there at the same time."""
        cases = sum(case.weight(self.jobs, self.payload) for case in ALL.values() if case.name in self.measures)
        return self.rounds * max(self.jobs * (self.payload + 150), cases)


class Viewer(Protocol):
    """Protocol: shows the progress of a benchmark."""

    def show(self, measure: str, done: int, total: int) -> None: ...
