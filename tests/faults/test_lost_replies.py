"""Each reply of the server is lost in turn: to a worker, its supervisor, or an application."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from taskq import PushOutcomeUnknown, ResultCancelled, ServerUnavailable
from taskq.channel import State
from taskq.driver.redis.scripts import load_script, script_names
from tests.e2e.apps import cancelled, faulty
from tests.e2e.conftest import StartWorker
from tests.faults.checks import runs, takes_new_jobs
from tests.support.ledger import Ledger
from tests.support.relay import Relay
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until

T = TypeVar("T")

#: Commands that are no scripts, with what a request of theirs has in it and no other has.
PLAIN = {
    "INFO": b"\r\nINFO\r\n",
    "LPUSH": b"\r\nLPUSH\r\n",
    "CLIENT ID": b"*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n",
    "CLIENT UNBLOCK": b"\r\nUNBLOCK\r\n",
    "BLMOVE": b"\r\nBLMOVE\r\n",
    "BLPOP": b"\r\nBLPOP\r\n",
    "ZRANGE": b"\r\nZRANGE\r\n",
}
#: Those that a worker tries at its start. One that isn't answered there ends.
TRIED = {PLAIN[name] for name in ("BLMOVE", "BLPOP", "CLIENT ID")}
#: Commands that come only after another's reply was lost.
AFTER = {"LRANGE": ("BLMOVE", b"\r\nLRANGE\r\n"), "forget": ("BLMOVE", b""), "standing": ("retry", b"")}
#: Those of results, parts and cancels, which have a test of their own below.
ASKED = ("finish", "begin", "part", "read", "cancel", "request_cancel", "find")
#: What has tests of its own, too; a worker that isn't answered at its start (`permissions`, `kinds`) ends, only a person uses `flush` and
#: `search`, the first scan for orphans (`claim_scan`, `unregistered`) may come after the end of the test, and a `poll` is for several
#: channels.
ELSEWHERE = {"ack", "adopt", "look", "restore", "flush", "search", "permissions", "kinds", "claim_scan", "unregistered", "poll", *ASKED}
SCRIPTS = [name for name in script_names() if name not in ELSEWHERE | set(AFTER)]
EXPECTED = {"a": 5, "json": 1, "later": 1, "fails": 1, "retried": 2, "requeued": 2, "crashed": 2, "slow": 1, "behind": 20}


@pytest.fixture
def relay(own: ServerProcess) -> Iterator[Relay]:
    for name in script_names():
        own.admin.script_load(load_script(name).text)
    with Relay(own.socket) as made:
        yield made


@pytest.fixture
def url(relay: Relay) -> str:
    return relay.url


def _mark(name: str) -> bytes:
    return PLAIN[name] if name in PLAIN else load_script(name).sha.encode()


def _push_everything(own: ServerProcess, store: Store) -> None:
    """Push what makes workers and supervisors use all their commands."""
    maybe = contextlib.suppress(PushOutcomeUnknown)  # its reply was the lost one: it is stored
    try:
        handle = faulty.quick.options(delay=60).push("withdrawn")
    except PushOutcomeUnknown as error:
        handle = error.handle
    with contextlib.suppress(ServerUnavailable):  # withdrawn as well
        handle.delete()
    with maybe:
        faulty.quick.push_many([("a",)] * 5)
    for job, name in (
        (faulty.fail, "fails"),
        (faulty.retry_once, "retried"),
        (faulty.requeue_once, "requeued"),
        (faulty.crash_once, "crashed"),
    ):
        with maybe:
            job.push(name)
    with maybe:
        faulty.quick.options(delay=0.2).push("later")
    for foreign in ({"job": "tests.e2e.apps.faulty:quick", "args": ["json"]}, {"job": "nobody:knows"}):
        own.admin.lpush(store.keys.waiting, json.dumps(foreign))
    with maybe:
        faulty.nap.push(0.3, "slow")
    with maybe:
        faulty.quick.push_many([("behind",)] * 20)


def _is_over(store: Store, ledger: Ledger) -> bool:
    rest = store.count(State.WAITING) + store.count(State.DELAYED) + len(store.reserved())
    return rest == 0 and len(ledger.lines("run")) >= sum(EXPECTED.values())


#: How many processes it takes until a command is used.
PROCESSES = {"heartbeat_all": "9"}


@pytest.mark.parametrize("name", [*PLAIN, *AFTER, *SCRIPTS])
def test_a_lost_reply_loses_and_doubles_nothing(
    start_worker: StartWorker, relay: Relay, own: ServerProcess, ledger: Ledger, store: Store, name: str
) -> None:
    """Given one command whose reply is lost while jobs end in every way, then each ran as often as it should, and no key is left."""
    first, mark = AFTER.get(name, (name, b""))
    for armed in dict.fromkeys((_mark(first), mark or _mark(name))):
        relay.lose_reply_to(armed, spared=armed in TRIED)
    worker = start_worker("faulty", "--processes", PROCESSES.get(name, "2"), settings={"lease": 2}, ready=0)
    _push_everything(own, store)
    wait_until(lambda: _is_over(store, ledger), timeout=20, what=f"everything to end; {runs(ledger)}")
    takes_new_jobs(ledger)
    assert worker.stop() == 0
    assert not relay.is_armed, "the command was never sent"
    expected = {**EXPECTED, f"new {sum(EXPECTED.values())}": 1}
    assert runs(ledger) == expected, worker.log
    assert (store.count(State.FAILED), store.count(State.PARKED)) == (1, 1)
    assert store.leaks() == []


def test_what_is_left_out_exists() -> None:
    """Given the scripts that the test above leaves out, then each exists: a renamed one is not left out by its old name."""
    assert ELSEWHERE | set(AFTER) - {"LRANGE"} <= set(script_names())


def _asked(question: Callable[[], T]) -> T:
    """Ask, and once more when no answer came: who asks where a message is, or cancels it, may do so as often as it likes."""
    try:
        return question()
    except ServerUnavailable:
        return question()


@pytest.mark.parametrize("name", ASKED)
def test_a_lost_reply_costs_nobody_an_answer(start_worker: StartWorker, relay: Relay, ledger: Ledger, store: Store, name: str) -> None:
    """Given a command of results, parts or cancels whose reply is lost, then each asker has its answer, and each job ran once."""
    start_worker("cancelled")
    relay.lose_reply_to(_mark(name))
    parts = cancelled.yields.push(3)
    assert list(parts.stream(timeout=15)) == [0, 1, 2]
    assert parts.result(15) is None
    assert cancelled.busy.push(0).result(15) == "done"
    waiting = cancelled.busy.options(delay=60).push(1)
    _asked(waiting.cancel)
    running = cancelled.busy.push(60)
    wait_until(lambda: _asked(running.status).state == "running")
    _asked(running.cancel)
    for handle in (waiting, running):
        with pytest.raises(ResultCancelled):
            handle.result(15)
    assert not relay.is_armed, "the command was never sent"
    assert sum(store.count(state) for state in (State.WAITING, State.DELAYED, State.FAILED)) + len(store.reserved()) == 0


def test_a_burst_ends_though_a_reply_was_lost(
    start_worker: StartWorker, relay: Relay, own: ServerProcess, ledger: Ledger, store: Store
) -> None:
    """Given a worker that looks whether anything is left, if that reply is lost, then it looks again, and ends when all is done."""
    relay.lose_reply_to(_mark("look"))
    _push_everything(own, store)
    worker = start_worker("faulty", "--burst", ready=0)
    assert worker.wait() == 1  # one job failed
    assert not relay.is_armed
    assert runs(ledger) == EXPECTED


def test_the_last_settling_is_repeated(start_worker: StartWorker, relay: Relay, ledger: Ledger, store: Store, tmp_path: Path) -> None:
    """Given a worker that ends after its running job, if the reply to its last settling is lost, then that job is settled, and ran once."""
    worker = start_worker("faulty")
    faulty.hold.push(str(tmp_path / "go"))
    ledger.wait_for("run")
    worker.signal(signal.SIGTERM)
    worker.wait_for_log("stopping: SIGTERM")
    relay.lose_reply_to(_mark("ack"))
    (tmp_path / "go").touch()
    assert worker.wait() == 0
    assert not relay.is_armed
    assert runs(ledger) == {"hold": 1}
    assert store.count(State.WAITING) + store.count(State.DELAYED) == 0


def test_what_is_put_back_twice_is_there_once(
    start_worker: StartWorker, relay: Relay, own: ServerProcess, ledger: Ledger, store: Store, tmp_path: Path
) -> None:
    """Given a server that lost everything, if the reply to the worker that puts its message back is lost, then that is there once."""
    worker = start_worker("faulty", settings={"lease": 2})
    faulty.hold_and_fail.push(str(tmp_path / "go"), "held")
    ledger.wait_for("run")
    own.admin.flushall()
    worker.wait_for_log("lost its registration")
    relay.lose_reply_to(_mark("adopt"))
    (tmp_path / "go").touch()
    ledger.wait_for("held")
    takes_new_jobs(ledger)
    assert worker.stop() == 0
    assert not relay.is_armed
    assert runs(ledger) == {"held": 2, "new 2": 1}
    assert store.leaks() == []


def test_what_is_brought_back_from_parked_comes_once(
    start_worker: StartWorker, relay: Relay, own: ServerProcess, ledger: Ledger, store: Store
) -> None:
    """Given parked messages that a new worker knows, if the reply to its bringing them back is lost, then each runs once."""
    faulty.quick.push_many([("parked",)] * 10)
    other = start_worker("basic")
    wait_until(lambda: store.count(State.PARKED) == 10)
    assert other.stop() == 0
    relay.lose_reply_to(_mark("restore"))
    worker = start_worker("faulty")
    ledger.wait_for("run", 10)
    takes_new_jobs(ledger)
    assert worker.stop() == 0
    assert not relay.is_armed
    assert runs(ledger) == {"parked": 10, "new 10": 1}


@pytest.mark.parametrize("how", ["slow", "in pieces"])
def test_a_bad_network_only_takes_longer(
    start_worker: StartWorker, relay: Relay, own: ServerProcess, ledger: Ledger, store: Store, how: str
) -> None:
    """Given a round trip of 200 ms, or a network that carries single bytes, then everything runs as often as it should."""
    if how == "slow":
        relay.delay = 0.2
    else:
        relay.splitting = True
    worker = start_worker("faulty", "--processes", "2", settings={"lease": 5}, ready=0)
    _push_everything(own, store)
    wait_until(lambda: _is_over(store, ledger), timeout=30, what="everything to end")
    assert worker.stop() == 0
    assert runs(ledger) == EXPECTED
    assert (store.count(State.FAILED), store.count(State.PARKED)) == (1, 1)
    assert "retrying" not in worker.log
    assert store.leaks() == []
