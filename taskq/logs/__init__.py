"""The log of `taskq worker`.

    records   log records: as lines of text or JSON, written to a file, a pipe or a terminal
    setup     set up logging: taskq's own log, that of a file, or that of the app

Each of these imports only from those above it.
"""

from __future__ import annotations

from taskq.logs.records import JsonFormatter, OutputHandler, TextFormatter, count_of, log_error, lost_lines
from taskq.logs.setup import before_import, keep_enabled, set_up_again, set_up_logging

__all__ = [
    "JsonFormatter",
    "OutputHandler",
    "TextFormatter",
    "before_import",
    "count_of",
    "keep_enabled",
    "log_error",
    "lost_lines",
    "set_up_again",
    "set_up_logging",
]
