"""The number and the names of worker processes, and when one is replaced."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil

from tests.e2e.apps import slow
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.wait import wait_until


def test_titles_name_the_processes(start_worker: StartWorker) -> None:
    """Given a worker, then ps shows its supervisor, its zygote and its children."""
    worker = start_worker("slow", settings={"processes": 2}, ready=2)
    assert psutil.Process(worker.pid).cmdline()[0] == "taskq: supervisor of default"
    wait_until(lambda: len(worker.children()) == 2)
    assert worker.zygote().cmdline()[0] == "taskq: zygote"
    assert sorted(worker.children()) == sorted(child.pid for child in worker.zygote().children())


def test_the_server_knows_every_child(start_worker: StartWorker, store: Store) -> None:
    """Given two children, then the server holds a short-lived hash of each, with process ids, host, channel and counts."""
    worker = start_worker("slow", settings={"processes": 2}, ready=2)
    reported = store.workers()
    assert sorted(int(one["pid"]) for one in reported.values()) == sorted(wait_until(worker.children))
    for name, one in reported.items():
        assert (one["supervisor"], one["channel"], one["done"], one["job"]) == (str(worker.pid), "default", "0", "")
        assert 0 < store.client.pttl(store.keys.worker(name)) <= 30_000


def test_heartbeats_contain_the_running_job(start_worker: StartWorker, store: Store, ledger: Ledger) -> None:
    """Given a running job, then the next heartbeat contains its name, its id and its start."""
    start_worker("slow", settings={"lease": 1, "stop_timeout": 0.1})
    handle = slow.nap.push(60)
    ledger.wait_for("start")
    (reported,) = wait_until(lambda: [one for one in store.workers().values() if one["state"] == "running"])
    assert (reported["job"], reported["message"]) == ("tests.e2e.apps.slow:nap", handle.id)
    assert abs(int(reported["since_ms"]) - store.client.time()[0] * 1000) < 5000


def test_one_process_more_and_fewer(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given SIGTTIN and SIGTTOU, then there is one more process, and one fewer again, but never zero."""
    worker = start_worker("slow")
    wait_until(lambda: len(worker.children()) == 1)
    for _ in range(2):
        worker.signal(signal.SIGTTIN)
        worker.wait_for_log("SIGTTIN")
    wait_until(lambda: len(worker.children()) >= 2)
    for _ in range(4):
        worker.signal(signal.SIGTTOU)
        worker.wait_for_log("SIGTTOU")
    wait_until(lambda: len(worker.children()) == 1)
    slow.quick.push()
    ledger.wait_for("quick")
    assert len(worker.children()) == 1
    assert worker.stop() == 0


def test_fewer_processes_lose_nothing(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given running jobs in three processes, if two of them are removed, then every job runs exactly once."""
    worker = start_worker("slow", "--processes", "3", ready=3)
    slow.quick.push_many([(number,) for number in range(3000)])
    ledger.wait_for("quick", 20)
    worker.signal(signal.SIGTTOU)
    worker.wait_for_log("scaled to 2 processes")
    worker.signal(signal.SIGTTOU)
    ledger.wait_for("quick", 3000, timeout=30)
    assert worker.stop() == 0
    assert sorted(ledger.values("quick")) == list(range(3000))


def test_max_messages_replaces_a_process(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given max_messages = 10 and two processes, then no process runs more, each job runs once, and the log has the reason."""
    slow.quick.push_many([(number,) for number in range(100)])
    worker = start_worker("slow", settings={"max_messages": 10, "processes": 2}, ready=0)
    lines = ledger.wait_for("quick", 100)
    assert worker.stop() == 0
    assert sorted(line.value for line in lines) == list(range(100))
    counts = [sum(line.pid == pid for line in lines) for pid in {line.pid for line in lines}]
    assert max(counts) <= 10
    assert "after 10 jobs (max_messages)" in worker.log
    assert "ERROR" not in worker.log


def test_max_memory_replaces_a_process(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that keeps memory, then its process is replaced soon after it exceeds max_memory, and nothing is lost."""
    slow.eat.push(150)
    slow.quick.push_many([(number,) for number in range(300)])
    worker = start_worker("slow", settings={"max_memory": "120MiB"}, ready=0)
    ledger.wait_for("quick", 300)
    assert worker.stop() == 0
    (eater,) = ledger.values("eat")
    lines = ledger.lines("quick")
    assert [line.value for line in lines] == list(range(300))
    assert sum(line.pid == eater for line in lines) < 100
    assert "(max_memory)" in worker.log
    assert "ERROR" not in worker.log


def test_a_process_that_does_not_exit_is_replaced_anyway(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that leaves an endless thread behind, if its process is replaced, then it doesn't hold up the channel."""
    slow.start_thread.push()
    worker = start_worker("slow", settings={"max_messages": 1, "stop_timeout": 0.3})
    ((_, stuck, *_),) = ledger.wait_for("start_thread")
    slow.quick.push()
    (line,) = ledger.wait_for("quick")
    assert line.pid != stuck
    wait_until(lambda: stuck not in worker.children())
    assert worker.stop() == 0


def test_the_app_is_imported_once(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given an app with two channels and ten processes, then it is imported in one process, once, before the children are forked."""
    code = "import taskq\nfrom tests.support.ledger import note\nnote('import')\n"
    code += "queue = taskq.Queue(channels={'default': {'processes': 6}, 'bulk': {'processes': 4}})\n"
    (tmp_path / "heavy.py").write_text(code)
    worker = start_worker("heavy", cwd=tmp_path, ready=6)
    wait_until(lambda: len(worker.workers()) == 10)
    (line,) = ledger.lines("import")
    assert line.pid == worker.zygote().pid
    assert worker.stop() == 0
    assert len(ledger.lines("import")) == 1
