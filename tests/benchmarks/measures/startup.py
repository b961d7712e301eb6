"""How long taskq takes to be there: `taskq --help`, `import taskq`, and a worker's first job."""

from __future__ import annotations

import functools
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.benchmarks.book import Book
from tests.benchmarks.measures.case import Case, Plan
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import TASKQ
from tests.support.worker import ROOT

__all__ = ["cases"]

TIMES = 5
IMPORT = "import time; began = time.process_time(); {what}; print(time.process_time() - began)"


def cases(plan: Plan) -> list[Case]:
    """Each some times a round."""
    del plan  # as small in a quick run
    return [
        Case("--help", functools.partial(_repeat, _help)),
        Case("import", functools.partial(_repeat, _import)),
        Case("first job", functools.partial(_repeat, _first_job)),
    ]


def _repeat(measure: functools.partial[None], book: Book, _: int) -> None:
    for _ in range(TIMES):
        measure(book)


def _run(arguments: Sequence[str]) -> tuple[str, float]:
    """Return what a Python program printed, and its processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def _help(book: Book) -> None:
    book.add("help_cpu", "taskq", _run(["-m", "taskq", "--help"])[1])
    book.add("help_cpu", "python", _run(["-c", "pass"])[1])


def _import(book: Book) -> None:
    for who, what in (("taskq", "import taskq"), ("Queue", "from taskq import Queue"), ("redis", "import redis")):
        book.add("import", who, float(_run(["-c", IMPORT.format(what=what)])[0]) * 1000)


def _first_job(book: Book) -> None:
    """From the start of the process to the first line of a job that waits already; the app imports taskq and little else."""
    with Stage(TASKQ, jobs=1) as stage:
        stage.push("call", "push_timed", 1)
        began = time.monotonic()
        group = stage.start_worker()
        stage.wait(1, group)
        book.add("first_job", "taskq", (stage.moments("starts")[0] - began) * 1000)
