"""The log of `taskq worker`.

    job_filter  the running job in every record
    records     log records: as lines of text or JSON, written to a file, a pipe or a terminal
    failures    the log of failed attempts
    setup       set up logging: taskq's own log, that of a file, or that of the app

Each of these imports only from those above it.
"""

from __future__ import annotations

from taskq.logs.failures import log_last, log_retried
from taskq.logs.job_filter import JobFilter
from taskq.logs.records import JsonFormatter, OutputHandler, TextFormatter, count_of, escape_controls, log_error, lost_lines
from taskq.logs.setup import before_import, keep_enabled, set_up_again, set_up_logging

__all__ = [
    "JobFilter",
    "JsonFormatter",
    "OutputHandler",
    "TextFormatter",
    "before_import",
    "count_of",
    "escape_controls",
    "keep_enabled",
    "log_error",
    "log_last",
    "log_retried",
    "lost_lines",
    "set_up_again",
    "set_up_logging",
]
