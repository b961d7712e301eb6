"""A command is held back by the network until its sender has given it up and the message was reserved again. Then it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from taskq import Job
from taskq.channel import State
from taskq.config import load_settings
from taskq.driver.redis.scripts import load_script, script_names
from taskq.inspector import Inspector
from tests.e2e.apps import late
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger
from tests.support.relay import Relay
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until

ENGINES = {"serial": (), "concurrent": ("--concurrency", "4")}
BLMOVE = b"\r\nBLMOVE\r\n"


@pytest.fixture
def relay(own: ServerProcess) -> Iterator[Relay]:
    for name in script_names():
        own.admin.script_load(load_script(name).text)
    with Relay(own.socket) as made:
        yield made


@pytest.fixture
def url(relay: Relay) -> str:
    return relay.url


def mark(name: str) -> bytes:
    return BLMOVE if name == "BLMOVE" else load_script(name).sha.encode()


#: Only supervisors send it: it tells their connections from those of worker processes.
BEAT = mark("heartbeat")


def reload_failed(own: ServerProcess, store: Store) -> None:
    """Do what an operator does with a failed message."""
    wait_until(lambda: store.count(State.FAILED) == 1)
    with closing(Inspector(load_settings({"url": own.url}))) as operator:
        assert operator.reload("default", State.FAILED) == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("job", "script"), [(late.retry, "retry"), (late.requeue, "requeue"), (late.later, "requeue"), (late.fail, "fail")]
)
def test_a_late_settling_of_a_worker_moves_no_running_message(
    start_worker: StartWorker,
    relay: Relay,
    own: ServerProcess,
    store: Store,
    ledger: Ledger,
    tmp_path: Path,
    engine: str,
    job: Job[[str], object],
    script: str,
) -> None:
    """Given a settling that is given up and repeated, if the first one arrives while the message runs again, then the message stays."""
    worker = start_worker("late", *ENGINES[engine], settings={"lease": 2})
    relay.keep_request(mark(script), not_of=BEAT)
    job.push(str(tmp_path / "go"))
    wait_until(lambda: relay.has_kept)
    if script == "fail":
        reload_failed(own, store)
    ledger.wait_for("again")
    assert relay.deliver() == b""
    assert len(store.reserved()) == 1
    (tmp_path / "go").touch()
    ledger.wait_for("end")
    assert worker.stop() == 0
    assert len(ledger.lines("again")) == 1


def test_a_settling_is_late_by_more_than_its_worker_waits(
    start_worker: StartWorker, relay: Relay, store: Store, ledger: Ledger, tmp_path: Path
) -> None:
    """Given a retry that is held back on a connection that stays, until its worker has sent it again, then it has no effect."""
    worker = start_worker("late", settings={"lease": 2})
    relay.keep_request(mark("retry"), not_of=BEAT, cut=False)
    late.retry.push(str(tmp_path / "go"))
    ledger.wait_for("again", timeout=20)  # a worker process waits for five seconds
    assert relay.deliver() == b""
    assert len(store.reserved()) == 1
    (tmp_path / "go").touch()
    ledger.wait_for("end")
    assert worker.stop() == 0
    assert len(ledger.lines("again")) == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["reserve", "BLMOVE"])
def test_a_late_reserve_of_a_worker_takes_no_message(
    start_worker: StartWorker, relay: Relay, store: Store, ledger: Ledger, tmp_path: Path, engine: str, name: str
) -> None:
    """Given a reserve that is given up, if it arrives while the process runs as many jobs as it may, then it takes no message."""
    worker = start_worker("late", *ENGINES[engine], settings={"lease": 2})
    relay.keep_request(mark(name), not_of=BEAT)
    late.quick.push()  # ends the blocking reserve that is open
    wait_until(lambda: relay.has_kept)
    count = 4 if engine == "concurrent" else 1
    late.hold.push_many([(str(tmp_path / "go"),)] * count)
    ledger.wait_for("start", count)
    late.hold.push(str(tmp_path / "go"), "last")
    wait_until(lambda: store.count(State.WAITING) == 1)
    assert relay.deliver() == b""
    assert store.count(State.WAITING) == 1
    (tmp_path / "go").touch()
    ledger.wait_for("end", count + 1)
    assert worker.stop() == 0
    assert len(ledger.lines("start")) == count + 1


def push_behind(ledger: Ledger, tmp_path: Path) -> None:
    """Push a job that holds up others in the batch of its process; the first of them is held up by another file."""
    late.quick.push_many([(number,) for number in range(300)])
    ledger.wait_for("quick", 300)
    calls = [late.quick.bind(-1) for _ in range(30)]  # a process that sleeps in the server gets the first of them alone
    calls[10:10] = [late.hold.bind(str(tmp_path / name), name) for name in ("one", "two")]
    late.queue.send_many(calls)
    ledger.wait_for("start")


@pytest.mark.parametrize("how", ["cut", "timeout"])
def test_a_late_release_by_a_supervisor_moves_no_running_message(
    start_worker: StartWorker, relay: Relay, store: Store, ledger: Ledger, tmp_path: Path, how: str
) -> None:
    """Given messages behind a slow job, whose release is given up and arrives when the process runs the first of them, then that stays."""
    worker = start_worker("late", settings={"lease": 2})
    relay.keep_request(mark("requeue"), of=BEAT, cut=how == "cut")
    push_behind(ledger, tmp_path)
    wait_until(lambda: relay.has_kept)
    (tmp_path / "one").touch()
    ledger.wait_for("start", 2)
    assert relay.deliver() == b""
    assert len(store.reserved()) >= 1
    (tmp_path / "two").touch()
    ledger.wait_for("quick", 330)
    assert worker.stop() == 0
    assert len(ledger.lines("start")) == 2
    assert len(ledger.lines("quick")) == 330
    assert store.count(State.WAITING) == 0


def test_a_worker_takes_over_nothing_that_its_supervisor_may_still_move(
    start_worker: StartWorker, relay: Relay, store: Store, ledger: Ledger, tmp_path: Path
) -> None:
    """Given a release with an unknown outcome, and a supervisor that can't connect again, then its process waits for that."""
    worker = start_worker("late", settings={"lease": 10})
    relay.keep_request(mark("requeue"), of=BEAT)
    push_behind(ledger, tmp_path)
    relay.refusing = True
    wait_until(lambda: relay.has_kept)
    worker.wait_for_log("retrying")
    asked = len(relay.requests)
    (tmp_path / "one").touch()
    wait_until(lambda: any(mark("ack") in request for request in relay.requests[asked:]), what="the process to settle the slow job")
    with pytest.raises(AssertionError):
        ledger.wait_for("start", 2, timeout=1)
    assert relay.deliver() not in (b"", b":0\r\n")
    relay.refusing = False
    ledger.wait_for("start", 2)
    (tmp_path / "two").touch()
    ledger.wait_for("quick", 330)
    assert worker.stop() == 0
    assert len(ledger.lines("start")) == 2
    assert len(ledger.lines("quick")) == 330
    assert store.count(State.WAITING) == 0
