"""The running job in every log record."""

from __future__ import annotations

import logging
from typing import Any

from taskq.context import Context, run_if_any

__all__ = ["FIELDS", "JobFilter", "fields_of"]

#: The names of the fields.
FIELDS = ("taskq_id", "taskq_job", "taskq_attempt", "taskq_channel")
_NO_JOB = dict.fromkeys(FIELDS, "")


def fields_of(context: Context) -> dict[str, Any]:
    """Return the fields of a job, by name."""
    # A literal, because each log record of a job needs them, and `zip` takes twice as long.
    return {"taskq_id": context.id, "taskq_job": context.job, "taskq_attempt": context.attempt, "taskq_channel": context.channel}


class JobFilter(logging.Filter):
    """Adds the running job to each record: `taskq_id`, `taskq_job`, `taskq_attempt` and `taskq_channel`.

    Add it to a handler, not to a logger: the filters of a logger don't see the records of the loggers below it. Outside a job, the
    values are empty texts, so that a format can name them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes that the record doesn't have. Every record passes."""
        run = run_if_any()
        for name, value in (_NO_JOB if run is None else fields_of(run.context)).items():
            record.__dict__.setdefault(name, value)
        return True
