"""The log of `taskq dev`: short lines, one when a job starts and one when it ends, with a short traceback."""

from __future__ import annotations

import logging
import time

from taskq import events
from taskq.events import JobEvent
from taskq.logs import escape_controls
from taskq.wire.history import record_of

__all__ = ["DevFormatter", "show_jobs"]

_log = logging.getLogger("taskq.worker")
_RESET, _DIM, _RED, _GREEN, _YELLOW = "\x1b[0m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"
#: By the kind of a line.
_STYLES = {"start": _DIM, "done": _GREEN, "retry": _YELLOW, "failed": _RED}
_ID = 12


class DevFormatter(logging.Formatter):
    """The time and the text; the level of warnings and errors. In colors if wanted."""

    def __init__(self, *, colors: bool) -> None:
        super().__init__()
        self._colors = colors

    def format(self, record: logging.LogRecord) -> str:
        kind = getattr(record, "taskq_dev", "")
        text = escape_controls(super().format(record))
        if not kind and record.levelno >= logging.WARNING:
            text = f"{record.levelname}: {text}"
        style = _STYLES.get(kind) or (_RED if record.levelno >= logging.ERROR else _YELLOW if record.levelno >= logging.WARNING else "")
        at = time.strftime("%H:%M:%S", time.localtime(record.created)) + f".{int(record.msecs):03d}"
        if not self._colors:
            return f"{at}  {text}"
        first, *rest = text.split("\n")
        text = f"{style}{first}{_RESET}" if style else first
        lines = [f"{_DIM}{at}{_RESET}  {text}", *(f"{_DIM}{line}{_RESET}" for line in rest)]
        return "\n".join(lines)


def show_jobs() -> None:
    """Log each run in the processes that are forked from now on, instead of the records of failed attempts."""
    events.before.connect(_started)
    events.after.connect(_done)
    events.retry.connect(_retried)
    events.failed.connect(_failed)
    events.requeued.connect(_requeued)
    _log.addFilter(lambda record: record.module != "failures")


def _started(event: JobEvent) -> None:
    _line(event, "start", "")


def _done(event: JobEvent) -> None:
    _line(event, "done", f" in {_duration(event.seconds)}")


def _retried(event: JobEvent) -> None:
    _line(event, "retry", f" in {event.delay or 0:g} s: failed in {_duration(event.seconds)}, {_attempt(event)}{_error(event.error)}")


def _requeued(event: JobEvent) -> None:
    _line(event, "requeue", f" in {event.delay or 0:g} s: {event.reason or 'requeued'} after {_duration(event.seconds)}")


def _failed(event: JobEvent) -> None:
    _line(event, "failed", f" in {_duration(event.seconds)}, {_attempt(event)}{_error(event.error)}")


def _line(event: JobEvent, kind: str, text: str) -> None:
    context = event.context
    _log.info("%s %s %s%s", kind.ljust(7), context.job, context.id[:_ID], text, extra={"taskq_dev": kind})


def _attempt(event: JobEvent) -> str:
    return f"attempt {event.context.attempt} of {event.context.max_attempts}"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _error(error: BaseException | None) -> str:
    return "" if error is None else f"\n{record_of('failed', '', 0, error).traceback.rstrip()}"
