"""Tracebacks as an application's developer reads them: from the first line of the application."""

from __future__ import annotations

from types import TracebackType

from taskq.errors import TaskqError

__all__ = ["from_application", "is_of_application"]

#: The packages whose frames call a job: the worker, and the event loop below it.
_CALLERS = ("taskq.worker.", "taskq.jobs.", "taskq.testing", "asyncio.")
#: The packages that store a value.
_SERIALIZERS = ("taskq", "cloudpickle", "pickle", "msgspec", "copyreg")


def from_application(error: BaseException) -> TracebackType | None:
    """Return the traceback of an exception without the frames that called the job.

    If there are no others, return all of it; but None if taskq has raised the exception to explain a mistake, so that only its text helps.
    """
    rest = error.__traceback__
    while rest is not None and str(rest.tb_frame.f_globals.get("__name__")).startswith(_CALLERS):
        rest = rest.tb_next
    return rest or (None if isinstance(error, TaskqError) else error.__traceback__)


def is_of_application(error: BaseException) -> bool:
    """Return True if the application's code has raised an error of a serializer, such as that of a `__reduce__`."""
    rest = error.__traceback__
    while rest is not None:
        if str(rest.tb_frame.f_globals.get("__name__")).partition(".")[0] not in _SERIALIZERS:
            return True
        rest = rest.tb_next
    return False
