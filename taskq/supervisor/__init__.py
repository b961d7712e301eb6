"""The supervisor: one process without application code. It starts the workers, keeps them alive, and does the channel's duties."""

from __future__ import annotations

from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.run import run_worker, work

__all__ = ["WorkerOptions", "run_worker", "work"]
