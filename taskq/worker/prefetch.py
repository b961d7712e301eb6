"""How many messages to reserve at once: pure rules. The reserve script ensures fair shares between workers."""

from __future__ import annotations

from taskq.scoreboard.slot import BATCH_LIMIT

__all__ = ["BATCH_SECONDS", "Prefetch", "next_size"]

#: A batch should run in about this time.
BATCH_SECONDS = 0.010
#: The weight of a faster batch in the mean time per job.
_WEIGHT = 0.3
#: A longer batch was slow, and counts alone. A shorter one may have been interrupted by the kernel for some milliseconds. With few
#: jobs, that distorts the mean: it counts alone only if it has at least `_MANY` jobs.
_SLOW_SECONDS = 2 * BATCH_SECONDS
_MANY = 64


def next_size(size: int, mean: float) -> int:
    """Return the size of the next batch: at most double, at most `BATCH_SECONDS` of work, at most `BATCH_LIMIT`.

    Args:
        size: the size of the last batch.
        mean: the mean seconds per job.
    """
    affordable = BATCH_LIMIT if mean * BATCH_LIMIT <= BATCH_SECONDS else int(BATCH_SECONDS / mean)
    return max(1, min(2 * size, affordable, BATCH_LIMIT))


class Prefetch:
    """Follows the mean time per job. Starts at one message, because the jobs are still unknown."""

    def __init__(self) -> None:
        self.size = 1
        self._mean: float | None = None

    def learn(self, jobs: int, seconds: float) -> None:
        """Take in a batch of `jobs` that took `seconds`."""
        if jobs <= 0:
            return
        now = seconds / jobs
        mean = self._mean
        self._mean = now if mean is None else mean + _weight(jobs, seconds, slower=now > mean) * (now - mean)
        self.size = next_size(self.size, self._mean)


def _weight(jobs: int, seconds: float, *, slower: bool) -> float:
    """Return the weight of a batch in the mean."""
    if not slower:
        return _WEIGHT
    return 1.0 if seconds > _SLOW_SECONDS else min(1.0, jobs / _MANY)
