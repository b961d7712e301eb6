"""The application is imported once, before the worker processes are forked."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import StartWorker

DRIVER = """
import os
from taskq.driver.redis.driver import RedisDriver

class Own(RedisDriver):
    pass

with open(os.environ["IMPORTS"], "a") as file:
    print(os.getpid(), file=file)
"""


def test_a_driver_is_imported_before_the_processes_are_forked(start_worker: StartWorker, tmp_path: Path) -> None:
    """Given a channel with a custom driver class and two processes, then only supervisor and zygote have imported it."""
    (tmp_path / "own.py").write_text(DRIVER)
    (tmp_path / "jobs.py").write_text("import taskq\nqueue = taskq.Queue()\n")
    imports = tmp_path / "imports"
    settings = {"driver": "own:Own", "processes": 2}
    worker = start_worker("jobs:queue", settings=settings, env={"IMPORTS": str(imports)}, cwd=tmp_path, ready=2)
    assert sorted(map(int, imports.read_text().split())) == sorted([worker.pid, worker.zygote().pid])
