"""Celery, told to ignore results and, as its guide says for many short tasks, to prefetch 128 for each process."""

from __future__ import annotations

import os

import marks
from celery import Celery

app = Celery("celery_app", broker=os.environ["BENCH_URL"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=128)
if os.environ.get("BENCH_KIND") == "result":
    app.conf.result_backend = os.environ["BENCH_URL"]


@app.task
def job(number: int) -> None:
    marks.run(number)


@app.task
def note(number: int) -> None:
    marks.started(number)


@app.task(ignore_result=False)
def give(number: int) -> int:
    marks.run(number)
    return number


@app.task
def fail(number: int) -> None:
    marks.run(number)
    raise ValueError(number)


push = job.delay
push_note = note.delay
push_result = give.delay
push_failing = fail.delay


def push_delayed(number: int, seconds: float) -> None:
    job.apply_async((number,), countdown=seconds)
