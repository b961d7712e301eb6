"""A worker finds the modules of jobs, and a producer needs none of them."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from taskq import Queue
from taskq.channel import State
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until

JOB = """
from shop.q import queue
from tests.support.ledger import note

@queue.job{options}
def send(number):
    note("{name}", number)
    return number
"""


def _write(folder: Path, name: str, options: str = "") -> None:
    path = folder / f"{name.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(JOB.format(name=name, options=options))


@pytest.mark.one_python
def test_jobs_are_found_by_the_worker_and_pushed_by_name(
    start_worker: StartWorker, ledger: Ledger, store: Store, url: str, tmp_path: Path
) -> None:
    """Given modules in `imports` and on the command line, then pushes by name run, signed; those of a later module run after SIGHUP."""
    _write(tmp_path, "shop.mail.jobs")
    _write(tmp_path, "shop.tasks")
    (tmp_path / "shop" / "q.py").write_text("import taskq\nqueue = taskq.Queue()\n")
    (tmp_path / "taskq.toml").write_text('imports = ["shop.*.jobs"]\n')
    worker = start_worker("shop.q", "shop.tasks", cwd=tmp_path, env={"TASKQ_SECRET": "key"})
    producer = Queue(url, secret="key", directory=tmp_path)
    handles = [producer.push_name(f"shop.{module}:send", [1], result_ttl=60) for module in ("mail.jobs", "tasks")]
    assert [handle.result(30) for handle in handles] == [1, 1]
    late = producer.push_name("shop.late.jobs:send", [2], result_ttl=60)
    hint = "this app has no job of that name; the module shop.late.jobs was not imported: add it to the setting `imports`"
    worker.wait_for_log(f"parked: unknown job 'shop.late.jobs:send': {hint}")
    wait_until(lambda: store.count(State.PARKED) == 1)
    _write(tmp_path, "shop.late.jobs")
    worker.signal(signal.SIGHUP)
    assert late.result(30) == 2
    producer.close()
    assert worker.stop() == 0
    assert [line[0] for line in ledger.lines()] == ["shop.mail.jobs", "shop.tasks", "shop.late.jobs"]
