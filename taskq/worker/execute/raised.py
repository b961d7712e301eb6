"""The outcome of a run that raised an exception.

If it is a group (as `asyncio.TaskGroup` raises), each error in it counts, and the most serious decides: first an error that makes the run
a failed attempt, then `Requeue`, then `Drop`, then `JobCancelled`.
"""

from __future__ import annotations

import sys

from taskq.clock import delay_ms
from taskq.errors import Drop, JobCancelled, JobTimeout, Requeue, Retry, TaskqError
from taskq.exception_groups import leaves_of
from taskq.jobs.retry import RetryPolicy
from taskq.worker.execute.results import CannotStore

__all__ = ["NoDebugger", "control_of", "explained", "is_timeout", "retry_delay"]


class NoDebugger(TaskqError):
    """A job has started a debugger, which a worker process can't show. The job is not retried."""

    def __init__(self) -> None:
        super().__init__(
            "a worker process has no terminal for a debugger: call the job's function in your own program, "
            "or set PYTHONBREAKPOINT to a debugger that listens on a socket"
        )


def explained(error: BaseException) -> BaseException:
    """Return an exception of a job, or `NoDebugger` if the job has called pdb, which has quit."""
    bdb = sys.modules.get("bdb")
    if bdb is None or not any(isinstance(leaf, bdb.BdbQuit) for leaf in leaves_of(error)):
        return error
    explanation = NoDebugger()
    explanation.__cause__ = error
    return explanation


def control_of(error: BaseException) -> Requeue | Drop | JobCancelled | None:
    """Return the exception that decides the outcome, or None for a failed attempt. Of several `Requeue`, the longest delay counts.

    Raises:
        DelayError: the delay of a `Requeue` is invalid.
    """
    found = [leaf for leaf in leaves_of(error) if not isinstance(leaf, JobCancelled)]
    if not found:
        return JobCancelled()
    controls = [leaf for leaf in found if isinstance(leaf, (Requeue, Drop))]
    if len(controls) < len(found):
        return None
    return max(controls, key=lambda leaf: delay_ms(leaf.delay) if isinstance(leaf, Requeue) else -1)


def is_timeout(error: BaseException) -> bool:
    """Return True if the job was interrupted at its time limit."""
    return any(isinstance(leaf, JobTimeout) for leaf in leaves_of(error))


def retry_delay(policy: RetryPolicy, attempts: int, error: BaseException) -> float | None:
    """Return the seconds until the next attempt, or None if there is none.

    Raises:
        DelayError: the delay of a `Retry` is invalid.
    """
    leaves = leaves_of(error)
    if any(isinstance(leaf, (CannotStore, NoDebugger)) for leaf in leaves):
        return None
    wait = policy.delay_after(attempts, error)
    asked = [leaf.delay for leaf in leaves if isinstance(leaf, Retry) and leaf.delay is not None]
    return wait if wait is None or not asked else max(map(delay_ms, asked)) / 1000
