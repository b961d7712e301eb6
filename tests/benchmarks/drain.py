"""How fast workers work off what waits: the rate, the processor time a job, and whether each ran exactly once."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

from tests.benchmarks.processes import WorkerGroup
from tests.benchmarks.stage import Stage

__all__ = ["Drained", "drain"]

#: The part of the jobs that is not timed: what the processes need to start side by side is a measure of its own.
WARM_UP = 0.1


class Drained(NamedTuple):
    """What was seen: jobs a second, and microseconds of processor time a job."""

    rate: float
    worker_cpu: float
    server_cpu: float


def drain(stage: Stage, group: WorkerGroup, count: int, limit: float = math.inf) -> Drained:
    """Watch how workers that were just started drain the first `count` jobs, for at most `limit` seconds."""
    stage.wait(max(1, int(count * WARM_UP)), group, count=count)
    before, began = stage.done(count), time.monotonic()
    worker, server = group.cpu(), stage.server_cpu()
    stage.wait(count, group, count=count, limit=limit)
    ran, took = stage.done(count) - before, time.monotonic() - began
    spent, served = group.cpu() - worker, stage.server_cpu() - server
    return Drained(ran / took, spent / ran * 1e6, served / ran * 1e6) if ran else Drained(0, 0, 0)
