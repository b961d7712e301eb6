"""Tracebacks as an application's developer reads them: from the first line of the application."""

from __future__ import annotations

from types import TracebackType

__all__ = ["from_application"]

#: The packages whose frames call a job: the worker, and the event loop below it.
_CALLERS = ("taskq.worker.", "taskq.jobs.", "taskq.testing", "asyncio.")


def from_application(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames that called the job. If there are no others, return all of it."""
    rest = traceback
    while rest is not None and str(rest.tb_frame.f_globals.get("__name__")).startswith(_CALLERS):
        rest = rest.tb_next
    return rest or traceback
