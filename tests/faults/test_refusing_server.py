"""A server that refuses: full, out of connections, busy, paused, or without a permission."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import pytest
import redis

from taskq import PushOutcomeUnknown, QueueFull, ServerUnavailable
from taskq.channel import State
from tests.conftest import OwnServer
from tests.e2e.apps import faulty
from tests.e2e.conftest import StartWorker
from tests.faults.checks import reported, runs, stop_after_one_log_line, takes_new_jobs
from tests.support.ledger import Ledger
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until


@pytest.fixture
def own(own_server: OwnServer) -> ServerProcess:
    return own_server()


def test_a_full_server_is_drained(start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given a server that reached its maxmemory, then all that waits is run and settled in every way, and pushes raise QueueFull."""
    worker = start_worker("faulty", settings={"lease": 2})
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    faulty.quick.push_many([(str(number),) for number in range(200)])
    faulty.fail.push("fails")
    faulty.retry_once.push("retried")
    faulty.quick.push("later", delay=0.5)
    own.admin.config_set("maxmemory", 1)
    (tmp_path / "go").touch()
    ledger.wait_for("run", 205)
    wait_until(lambda: store.count(State.FAILED) == 1)
    worker.wait_for_log("is out of memory")
    with pytest.raises(QueueFull, match="is out of memory"):
        faulty.quick.push("refused")
    time.sleep(2.5)  # longer than the lease: a worker whose heartbeats were refused would be given up
    own.admin.config_set("maxmemory", 0)
    takes_new_jobs(ledger)
    worker.wait_for_log("the server has memory again")
    assert worker.stop() == 0
    assert runs(ledger) == {**{str(number): 1 for number in range(200)}, "hold": 1, "fails": 1, "retried": 2, "later": 1, "new 205": 1}
    assert (reported(worker).child_began, reported(worker).child_over) == (1, 1)
    assert reported(worker).began <= 1
    assert "declared lost" not in worker.log


def test_a_server_without_a_free_connection_is_waited_for(
    start_worker: StartWorker, own: ServerProcess, ledger: Ledger, tmp_path: Path
) -> None:
    """Given a worker that lost its connections while others took them all, then it and a push say so, and it goes on when there is room."""
    worker = start_worker("faulty", settings={"lease": 5})
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    own.admin.config_set("maxclients", 20)
    faulty.queue.close()
    own.admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with contextlib.ExitStack() as others:
        for _ in range(20):
            with contextlib.suppress(redis.ConnectionError):
                other = redis.Redis(unix_socket_path=str(own.socket), single_connection_client=True)
                others.callback(other.close)
                other.ping()
        (tmp_path / "go").touch()
        worker.wait_for_log("max number of clients reached", count=2)
        with pytest.raises(ServerUnavailable, match="max number of clients reached"):
            faulty.quick.push("refused")
        late = start_worker("faulty", ready=0)
        assert late.wait() == 2
        assert "max number of clients reached" in late.log
    takes_new_jobs(ledger)
    stop_after_one_log_line(worker)
    assert set(runs(ledger).values()) == {1}
    assert reported(worker).child_began == 1


def test_a_busy_server_is_waited_for(start_worker: StartWorker, own: ServerProcess, ledger: Ledger, tmp_path: Path) -> None:
    """Given somebody's script that keeps the server busy for seconds, then the worker and a push say so, and nothing runs twice."""
    worker = start_worker("faulty", settings={"lease": 5})
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    own.admin.config_set("lua-time-limit", 100)
    other = redis.Redis(unix_socket_path=str(own.socket))

    def keep_busy() -> None:
        with contextlib.suppress(redis.ResponseError):
            other.eval("while true do end", 0)

    busy = threading.Thread(target=keep_busy)
    busy.start()
    (tmp_path / "go").touch()
    worker.wait_for_log("channel default: .* can't serve now: .*[Bb]usy")
    with pytest.raises(ServerUnavailable, match=r"[Bb]usy"):
        faulty.quick.push("refused")
    time.sleep(1.0)  # the outage itself
    own.admin.script_kill()
    busy.join(5)
    other.close()
    takes_new_jobs(ledger)
    stop_after_one_log_line(worker)
    assert set(runs(ledger).values()) == {1}


def test_a_long_pause_doubles_nothing(start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given CLIENT PAUSE for 30 s, ten times the lease, with a running job and a repeated push, then each runs once."""
    workers = [start_worker("faulty", settings={"lease": 3}) for _ in range(2)]
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    faulty.quick.push_many([("waits",)])
    own.admin.execute_command("CLIENT", "PAUSE", 30_000, "ALL")
    paused = time.monotonic()
    with pytest.raises(PushOutcomeUnknown):
        faulty.quick.options(once=True).push("repeated")
    (tmp_path / "go").touch()
    wait_until(lambda: time.monotonic() - paused > 30, timeout=35)
    takes_new_jobs(ledger)
    time.sleep(3)  # as long as it would take to give anybody up
    for worker in workers:
        stop_after_one_log_line(worker)
    assert max(runs(ledger).values()) == 1
    assert {"hold", "waits"} < set(runs(ledger))
    assert sum(store.count(state) for state in (State.WAITING, State.DELAYED, State.FAILED)) == 0


@pytest.mark.parametrize(
    ("wrong", "texts"),
    [
        ("a key of another type", "WRONGTYPE|wrong kind of value"),
        ("a user without scripts", "ACL SETUSER"),
        ("a user without BLMOVE", "ACL SETUSER"),
    ],
)
def test_a_refusal_has_a_remedy_and_is_survived(
    start_worker: StartWorker, own: ServerProcess, ledger: Ledger, store: Store, wrong: str, texts: str
) -> None:
    """Given a server that suddenly refuses what a worker needs, then the log says why, once, and it works again when that is mended."""
    worker = start_worker("faulty")
    if wrong == "a key of another type":
        own.admin.set(store.keys.waiting, "text")
    else:
        denied = ("-evalsha", "-eval") if "scripts" in wrong else ("-blmove",)
        own.admin.execute_command("ACL", "SETUSER", "default", *denied)
    worker.wait_for_log(texts)
    time.sleep(6)  # longer than the pause after a refusal
    own.admin.execute_command("ACL", "SETUSER", "default", "+@all")
    own.admin.delete(store.keys.waiting)
    takes_new_jobs(ledger, timeout=12)
    assert worker.stop() == 0
    assert reported(worker).began <= 1
    assert reported(worker).child_began <= 1
