"""The supervisor's loop, in the process of the test."""

from __future__ import annotations

import os
import signal
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


def test_a_worker_without_channels_waits(url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a worker of a pattern that no channel matches yet, then it looks for one now and then, instead of all the time."""
    pattern = f"{prefix}-*"
    queue = Queue(url, channels={pattern: {}})
    waits: list[float] = []

    def watch(watched: Any, timeout: float | None = None, **full: Any) -> list[Any]:
        if supervisor._burst is None and timeout is not None and manager.generations and manager.generations[-1].app is not None:
            waits.append(timeout)
            if len(waits) == 8:
                os.kill(os.getpid(), signal.SIGTERM)
            timeout = 0
        return wait_for(watched, timeout, **full)

    supervisor = Supervisor(queue, WorkerOptions(channels=(pattern,), log_level=None))
    manager = supervisor._manager
    monkeypatch.setattr("taskq.supervisor.supervisor.wait_for", watch)
    assert supervisor.run() == 0
    assert waits[1:8].count(0) < 4
