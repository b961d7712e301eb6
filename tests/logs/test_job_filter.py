"""The running job in each log record."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import context
from taskq.logs import JobFilter, JsonFormatter

_log = logging.getLogger("shop")


def run_in_job(work: Callable[[], object]) -> None:
    """Call a function as the worker does: in a separate context that the run has entered."""
    job = context.Context(id="0" * 32, job="work", channel="default", attempt=1, max_attempts=3, pushed_at_ms=0)
    run: Any = SimpleNamespace(context=job)

    def enter_and_work() -> None:
        context.enter(run)
        work()

    copy_context().run(enter_and_work)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a handler with the filter writes."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.addFilter(JobFilter())
    handler.setFormatter(logging.Formatter("%(taskq_job)s %(taskq_attempt)s %(taskq_channel)s %(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    yield text
    _log.removeHandler(handler)
    _log.setLevel(logging.NOTSET)


def test_each_record_of_a_job_names_it(written: io.StringIO) -> None:
    """Given records of a job, of its tasks and of threads that share its context, then each names the job; outside a job, none does."""

    async def tasks() -> None:
        await asyncio.create_task(asyncio.to_thread(_log.info, "thread"))

    def work() -> None:
        _log.info("job")
        asyncio.run(tasks())

    run_in_job(work)
    _log.info("outside")
    assert written.getvalue() == "work 1 default job\nwork 1 default thread\n   outside\n"


def test_json_shows_the_fields_in_a_job_only() -> None:
    """Given a record in a job and one outside, then JSON has the four fields in the first only; those that a record has are kept."""
    record = logging.makeLogRecord({"msg": "paid", "taskq_attempt": 7})
    other = logging.makeLogRecord({"msg": "idle"})
    run_in_job(lambda: JobFilter().filter(record))
    JobFilter().filter(other)
    entry = json.loads(JsonFormatter().format(record))
    assert (entry["taskq_job"], entry["taskq_attempt"], len(entry["taskq_id"]), entry["taskq_channel"]) == ("work", 7, 32, "default")
    assert not [name for name in json.loads(JsonFormatter().format(other)) if name.startswith("taskq")]
