"""The seats of the chaos: who sits there hears every signal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq import Queue
from taskq.tools.chaos.app import CHANNEL
from taskq.tools.chaos.workers import ManagedWorker
from tests.support.wait import wait_until


@pytest.fixture
def noted() -> Iterator[list[int]]:
    """What the handler of the process that starts supervisors has noted, as that of the chaos does."""
    noted: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: noted.append(number))
    yield noted
    signal.signal(signal.SIGTERM, before)


def _is_free(worker: ManagedWorker) -> bool:
    assert worker.collect(0.0, has_worked=False) is None
    return worker.free_until is not None


def test_a_process_asked_to_end_while_it_starts_ends(url: str, prefix: str, tmp_path: Path, noted: list[int]) -> None:
    """Given a supervisor that was just forked, if it is told to end before it has its own signal handlers, then it ends."""
    queue = Queue(url, channels={CHANNEL: {"channel": prefix}})
    worker = ManagedWorker(0, queue, tmp_path, 1)
    for _ in range(5):
        worker.sit()
        worker.stop()
        wait_until(lambda: _is_free(worker), timeout=30)
    assert noted == []
    worker.close()
    queue.close()
