"""The cases: what a benchmark compares with a bare loop, and how much of it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ALL", "Case"]

#: The memory of a message on the server besides its argument, at most.
_OVERHEAD = 150


class Case(NamedTuple):
    """One kind of job, or of push."""

    name: str
    text: str
    #: The job: a field of `App`.
    job: str = "nothing"
    #: The part of `--jobs` that it gets in a round, so that each case takes about as long.
    share: float = 0.05
    #: Jobs at once in each process. 0: measured by pushing, without a worker.
    lanes: int = 1
    #: The size of the argument; None: `--payload`.
    size: int | None = None
    #: The unit of the rate.
    unit: str = "jobs"

    def count(self, jobs: int) -> int:
        """Return the number of jobs in a round."""
        return max(10, int(jobs * self.share))

    def argument(self, payload: int) -> str:
        """Return the argument of each job."""
        return "x" * (payload if self.size is None else self.size)

    def weight(self, jobs: int, payload: int) -> int:
        """Return about how many bytes of the server's memory a round takes."""
        return int(jobs * self.share) * ((payload if self.size is None else self.size) + _OVERHEAD)


ALL = {
    case.name: case
    for case in (
        Case("noop", "jobs that do nothing", share=0.4),
        Case("result", "jobs that return their argument, which is stored", job="give"),
        Case("1kb", "an argument of 1 KB", share=0.1, size=1_000),
        Case("100kb", "an argument of 100 KB", share=0.002, size=100_000),
        Case("failing", "jobs that raise, without a retry", job="fail", share=0.01),
        Case("stream", "items of generators that yield 20 each", job="items", share=0.002, unit="items"),
        Case("coroutines", "no-op coroutines, 100 at once in a process", job="anothing", share=0.1, lanes=100),
        Case("async_result", "coroutines with a stored result, 100 at once", job="agive", lanes=100),
        Case("threads", "no-op functions in 16 threads of a process", lanes=16),
        Case("apush", "100 tasks of an event loop that push", lanes=0),
        Case("bulk", "push_many, 10,000 calls at a time", share=0.5, lanes=0),
        Case("bulk_delayed", "push_many of delayed jobs", share=0.2, lanes=0),
    )
}
