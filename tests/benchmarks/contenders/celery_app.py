"""Celery, told to ignore results and, as its guide says for many short tasks, to prefetch 128 for each process."""

from __future__ import annotations

import os

import marks
from celery import Celery

app = Celery("celery_app", broker=os.environ["BENCH_URL"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=128)


@app.task
def job(number: int) -> None:
    marks.run(number)


@app.task
def note(number: int) -> None:
    marks.started(number)


push = job.delay
push_note = note.delay


def push_later(number: int, seconds: float) -> None:
    note.apply_async((number,), countdown=seconds)
