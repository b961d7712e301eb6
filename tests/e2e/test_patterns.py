"""Channels whose names come at run time: a running worker consumes those that match its patterns."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskq import Queue
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store

APP = """
import taskq
from tests.support.ledger import note

queue = taskq.Queue()

@queue.job
def visit(again=""):
    note("visit", taskq.current().channel)
    if again:
        visit.options(channel=again).push()
"""


@pytest.mark.one_python
def test_a_running_worker_finds_new_channels(start_worker: StartWorker, ledger: Ledger, store: Store, url: str, tmp_path: Path) -> None:
    """Given a pattern, when programs and jobs push to new channels that match, then a running worker consumes them; so does a burst."""
    (tmp_path / "taskq.toml").write_text('[channels."tenant-*"]\nmax_attempts = 1\n[channels.tenant-vip]\n')
    (tmp_path / "site_app.py").write_text(APP)
    worker = start_worker("site_app", cwd=tmp_path)
    queue = Queue(url, directory=tmp_path)
    queue.push_name("site_app:visit", ["tenant-2"], channel="tenant-1")
    queue.push_name("site_app:visit", channel="tenant-vip")
    ledger.wait_for("visit", 3)
    assert sorted(ledger.values("visit")) == ["tenant-1", "tenant-2", "tenant-vip"]
    assert worker.children("taskq: tenant-1") != []
    assert worker.stop() == 0
    queue.push_name("site_app:visit", ["tenant-4"], channel="tenant-3")
    burst = start_worker("site_app", "--burst", "--channel", "tenant-*", cwd=tmp_path, ready=0)
    assert burst.wait() == 0
    assert ledger.values("visit")[3:] == ["tenant-3", "tenant-4"]
    queue.close()
    assert store.client.delete("{tenant-*}:channels") == 1
