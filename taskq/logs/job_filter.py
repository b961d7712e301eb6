"""The running job in every log record."""

from __future__ import annotations

import logging

from taskq.context import Context, run_if_any

__all__ = ["FIELDS", "JobFilter", "fields_of"]

#: The fields, in the order of `fields_of`.
FIELDS = ("taskq_id", "taskq_job", "taskq_attempt", "taskq_channel")


def fields_of(context: Context) -> tuple[str, str, int, str]:
    """Return the values of `FIELDS` for a job."""
    return context.id, context.job, context.attempt, context.channel


class JobFilter(logging.Filter):
    """Adds the running job to each record: `taskq_id`, `taskq_job`, `taskq_attempt` and `taskq_channel`.

    Add it to a handler, not to a logger: the filters of a logger don't see the records of the loggers below it. Outside a job, the
    values are empty texts, so that a format can name them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes that the record doesn't have. Every record passes."""
        run = run_if_any()
        values: tuple[object, ...] = ("", "", "", "") if run is None else fields_of(run.context)
        for name, value in zip(FIELDS, values, strict=True):
            record.__dict__.setdefault(name, value)
        return True
