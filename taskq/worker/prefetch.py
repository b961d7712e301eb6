"""How many messages to reserve at once: pure rules. The fair share between workers is the script's."""

from __future__ import annotations

from taskq.scoreboard.slot import BATCH_LIMIT

__all__ = ["BATCH_SECONDS", "Prefetch", "next_size"]

#: A batch should run in about this time.
BATCH_SECONDS = 0.010
#: How much a quicker batch counts in the mean time of a job.
_WEIGHT = 0.3
#: A longer batch was slow, and counts alone. A shorter one may have been interrupted by the kernel for some milliseconds. With few
#: jobs, that distorts the mean: it counts alone only if it has at least `_MANY` jobs.
_SLOW_SECONDS = 2 * BATCH_SECONDS
_MANY = 64


def next_size(size: int, mean: float) -> int:
    """Return the next batch's size: at most doubled, at most what takes `BATCH_SECONDS`, at most `BATCH_LIMIT`.

    Args:
        size: of the last batch.
        mean: seconds a job takes.
    """
    affordable = BATCH_LIMIT if mean * BATCH_LIMIT <= BATCH_SECONDS else int(BATCH_SECONDS / mean)
    return max(1, min(2 * size, affordable, BATCH_LIMIT))


class Prefetch:
    """Follows the mean time of a job. Starts at one message: nothing is known of the jobs yet."""

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
    """How much a batch counts beside those before it."""
    if not slower:
        return _WEIGHT
    return 1.0 if seconds > _SLOW_SECONDS else min(1.0, jobs / _MANY)
