"""Tracebacks as an application's developer reads them: from the first line of the application."""

from __future__ import annotations

from types import TracebackType

from taskq.errors import TaskqError

__all__ = ["from_application"]

#: The packages whose frames call a job: the worker, and the event loop below it.
_CALLERS = ("taskq.worker.", "taskq.jobs.", "taskq.testing", "asyncio.")


def from_application(error: BaseException) -> TracebackType | None:
    """Return the traceback of an exception without the frames that called the job.

    If there are no others, return all of it; but None if taskq has raised the exception to explain a mistake, so that only its text helps.
    """
    rest = error.__traceback__
    while rest is not None and str(rest.tb_frame.f_globals.get("__name__")).startswith(_CALLERS):
        rest = rest.tb_next
    return rest or (None if isinstance(error, TaskqError) else error.__traceback__)
