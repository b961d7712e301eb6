"""The log of failed attempts: one line for an attempt that is retried, the traceback of the last one."""

from __future__ import annotations

import logging

from taskq.context import Context
from taskq.errors import Retry
from taskq.exception_groups import leaves_of
from taskq.logs.job_filter import fields_of
from taskq.logs.records import log_error

__all__ = ["log_last", "log_retried"]

_log = logging.getLogger("taskq.worker")


def log_retried(context: Context, attempt: int, error: BaseException, text: str, wait: float) -> None:
    """Log an attempt that will be retried: as information if the job has asked for it, otherwise as a warning.

    Args:
        context: the job.
        attempt: the number of the attempt.
        error: what it raised.
        text: the class and the text of that.
        wait: seconds until the next attempt.
    """
    asked = all(isinstance(leaf, Retry) for leaf in leaves_of(error))
    level, what = (logging.INFO, "asked for a retry") if asked else (logging.WARNING, "failed")
    template = f"%s %s {what} in attempt %d of %d; retries in %g s: %s"
    _log.log(level, template, *_named(context, attempt), round(wait, 3), text, extra=_fields(context, attempt))


def log_last(context: Context, attempt: int, error: BaseException, text: str, traceback: str) -> None:
    """Log the last failed attempt as an error, with its traceback."""
    args = (*_named(context, attempt), text)
    log_error(_log, "%s %s failed in attempt %d of %d: %s", args, error, traceback, **_fields(context, attempt))


def _named(context: Context, attempt: int) -> tuple[str, str, int, int]:
    return context.job, context.id, attempt, context.max_attempts


def _fields(context: Context, attempt: int) -> dict[str, object]:
    return {**fields_of(context), "taskq_attempt": attempt}
