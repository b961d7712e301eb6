"""What workers and a server cost that have nothing to do."""

from __future__ import annotations

import time
from typing import NamedTuple

from tests.benchmarks.processes import WorkerGroup, ran
from tests.benchmarks.stage import Stage

__all__ = ["Idle", "idle_percent"]


class Idle(NamedTuple):
    """Percent of one core."""

    worker: float
    server: float


def idle_percent(stage: Stage, group: WorkerGroup, seconds: float) -> Idle:
    """Look at the processor time before and after."""
    pids = group.pids()
    worker, server, began = ran(pids), ran([stage.server.pid]), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    return Idle((ran(pids) - worker) / took * 100, (ran([stage.server.pid]) - server) / took * 100)
