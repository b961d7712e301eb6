"""Apps in packages of every form, and apps with more than one queue."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from taskq.channel import State
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.worker import clean_environment

APP = """
    import sys
    import threading

    from taskq import Queue
    from tests.support.ledger import note

    from . import names

    queue, other = Queue(), Queue()

    @queue.job
    def mine(plan):
        note("mine", [__name__, plan is names.DEFAULT])

    @other.job
    def foreign(): ...

    if __name__ == "__main__":
        mine.push(names.DEFAULT)
        foreign.push()
        print(mine.name, foreign.name)
    else:
        threading.Thread(target=threading.Event().wait, name="idle", daemon=True).start()
"""
NAMES = """
    import enum

    class Plan(enum.Enum):
        FREE = 1

    DEFAULT = Plan.FREE
"""


def test_a_namespace_package_with_two_queues_and_a_thread(
    start_worker: StartWorker, ledger: Ledger, store: Store, url: str, tmp_path: Path
) -> None:
    """Given such an app, and warnings as errors, when a worker of one queue runs, then the log says that the other's message is parked."""
    folder = tmp_path / "ns" / "a"
    folder.mkdir(parents=True)
    (folder / "jobs.py").write_text(textwrap.dedent(APP))
    (folder / "names.py").write_text(textwrap.dedent(NAMES))
    strict = {"PYTHONWARNINGS": "error"}
    environ = {**clean_environment(), **strict, "TASKQ_URL": url}
    done = subprocess.run([sys.executable, "-m", "ns.a.jobs"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("ns.a.jobs:mine ns.a.jobs:foreign\n", "")
    worker = start_worker("ns.a.jobs:queue", "--burst", cwd=tmp_path, env=strict, ready=0)
    assert worker.wait() == 0
    assert ledger.values("mine") == [["ns.a.jobs", True]]
    assert "importing the app started 1 thread" in worker.log
    assert "parked: unknown job 'ns.a.jobs:foreign': this app has no job of that name" in worker.log
    assert store.count(State.PARKED) == 1
