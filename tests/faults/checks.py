"""What must be true after every fault: new jobs run soon, and the log says once what happened, not in a flood."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from tests.e2e.apps import faulty
from tests.support.ledger import Ledger
from tests.support.worker import WorkerProcess

__all__ = ["Logged", "reported", "runs", "stop_after_one_log_line", "takes_new_jobs"]

_BEGAN = r"(?:retrying|continuing with waiting messages)$"
_OVER = r"(?:reachable again after .* s|has memory again)$"


class Logged(NamedTuple):
    """How often the log says that an outage began, and that it is over."""

    #: By the supervisor.
    began: int
    over: int
    #: By the most talkative of its children.
    child_began: int
    child_over: int


def reported(worker: WorkerProcess) -> Logged:
    """Count in a worker's log."""
    log = worker.log
    children: dict[str, list[str]] = {}
    for name, line in re.findall(r"^.*\] worker (\S+): (.*)$", log, re.MULTILINE):
        children.setdefault(name, []).append(line)
    supervisor = re.findall(r"^.*\] channel \w+: (.*)$", log, re.MULTILINE)
    return Logged(
        *(_count(supervisor, pattern) for pattern in (_BEGAN, _OVER)),
        *(max((_count(lines, pattern) for lines in children.values()), default=0) for pattern in (_BEGAN, _OVER)),
    )


def _count(lines: list[str], pattern: str) -> int:
    return sum(bool(re.search(pattern, line)) for line in lines)


def takes_new_jobs(ledger: Ledger, *, timeout: float = 6.0) -> None:
    """Push, and wait until it ran."""
    count = len(ledger.lines("run"))
    faulty.quick.options(once=True).push(f"new {count}")
    ledger.wait_for("run", count + 1, timeout=timeout)


def runs(ledger: Ledger) -> Counter[str]:
    """Count the runs of each name."""
    return Counter(ledger.values("run"))


def stop_after_one_log_line(worker: WorkerProcess) -> None:
    """Stop a worker, and fail unless its log tells of one outage, and of its end, by the supervisor; and by each child at most once."""
    worker.wait_for_log(r"channel \w+: the server is reachable again")
    assert worker.stop() == 0
    count = reported(worker)
    is_once = (count.began, count.over) == (1, 1) and count.child_began == count.child_over <= 1
    assert is_once, f"{count}; the log:\n{worker.log}"
