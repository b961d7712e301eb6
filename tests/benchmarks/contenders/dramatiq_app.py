"""Dramatiq, with its defaults: its Redis broker, JSON, the usual middleware, no results."""

from __future__ import annotations

import os

import dramatiq
import marks
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_URL"]))


@dramatiq.actor
def job(number: int) -> None:
    marks.run(number)


@dramatiq.actor
def note(number: int) -> None:
    marks.started(number)


push = job.send
push_note = note.send


def push_later(number: int, seconds: float) -> None:
    note.send_with_options(args=(number,), delay=round(seconds * 1000))
