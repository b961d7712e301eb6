"""The supervisor's loop, in the process of the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from taskq import Queue
from taskq.polling import wait_for
from taskq.supervisor import WorkerOptions
from taskq.supervisor.supervisor import Supervisor
from tests.support.wait import wait_until


def test_a_stopping_burst_waits(url: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a burst whose process takes its time to end, then the supervisor waits for it, instead of looking all the time."""
    queue = Queue(url, channels={prefix: {"lease": 1}})
    queue.on_stop(lambda: wait_until((tmp_path / "go").exists))
    supervisor = Supervisor(queue, WorkerOptions(channels=(prefix,), burst=True, log_level=None))
    waits: list[float] = []

    def watch(watched: Any, timeout: float | None = None, **full: Any) -> list[Any]:
        if supervisor._stopping and timeout is not None:
            waits.append(timeout)
            if len(waits) == 8:
                (tmp_path / "go").touch()
        return wait_for(watched, timeout, **full)

    monkeypatch.setattr("taskq.supervisor.supervisor.wait_for", watch)
    assert supervisor.run() == 0
    assert waits[:8].count(0) < 4  # a service may be due at once
