"""Many delayed messages that are due at the same moment: how long the server stops, and how soon the jobs run."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.book import Book
from tests.benchmarks.measures.case import Case, Plan
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import TASKQ

__all__ = ["cases"]

PINGER = Path(__file__).parents[1] / "pinger.py"
#: Microseconds from which the server notes a command as slow.
SLOW = 200


def cases(plan: Plan) -> list[Case]:
    """Due at once, and the same jobs waiting: what the pinger sees then is the machine, and the work itself."""
    return [
        Case("all due at once", functools.partial(_round, plan, "due")),
        Case("all waiting", functools.partial(_round, plan, "waiting")),
    ]


def _round(plan: Plan, who: str, book: Book, _: int) -> None:
    count = plan.sizes.due
    with Stage(TASKQ, jobs=count) as stage:
        ahead = 2 + count / 20_000  # seconds that pushing takes, with room
        due = time.time() + ahead
        stage.push("call", "push_timed", count, *([due] if who == "due" else []))
        server = stage.server.admin
        server.config_set("slowlog-log-slower-than", SLOW)
        server.config_set("slowlog-max-len", 10_000)
        if who == "waiting":
            due = time.time()
        with subprocess.Popen(_pinger(stage.server.url), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as pinger:
            group = stage.start_worker()
            stage.wait(count, group, pause=0.05)
            pings = json.loads(pinger.communicate("stop\n", 10)[0])
        slow = max((entry["duration"] for entry in server.slowlog_get(10_000)), default=0)
        starts = [moment for moment in stage.moments("starts") if moment]
        moment = time.monotonic() - time.time() + due if who == "due" else min(starts)
        book.add("due_ping_max", who, max(pings))
        book.add("due_slowest", who, slow / 1000)
        book.add("due_first", who, (min(starts) - moment) * 1000)
        book.add("due_last", who, (max(starts) - moment) * 1000)
        book.add("due_lost", who, count - len(starts))


def _pinger(url: str) -> list[str]:
    return [sys.executable, str(PINGER), url]
