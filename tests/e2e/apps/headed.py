"""Jobs that note their headers at every run, and pass them on."""

from __future__ import annotations

import os
from pathlib import Path

import taskq
from taskq import Queue, Requeue
from tests.support.ledger import LEDGER, Ledger, note

queue = Queue()


def _note(what: str) -> int:
    """Note the headers of this run, and return how often the job has run."""
    note(what, dict(taskq.current().headers))
    return len(Ledger(Path(os.environ[LEDGER])).lines(what))


@queue.job(max_attempts=2, retry_seconds=0)
def troubled() -> None:
    """Requeue, crash, fail twice, and then push a child with the same headers and one more."""
    match _note("troubled"):
        case 1:
            raise Requeue
        case 2:
            os._exit(3)
        case 3 | 4:
            raise ValueError("not yet")
    with queue.headers(taskq.current().headers):
        child.options(headers={"more": "1"}).push()
        with queue.buffer():
            achild.push()
    child.push()


@queue.job
def child() -> None:
    _note("child")


@queue.job
async def achild() -> None:
    _note("achild")
