"""The rescue of lost workers, and when a missing heartbeat is evidence."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from taskq import Queue
from taskq.clock import monotonic
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.services.heartbeat import Heartbeat
from taskq.supervisor.services.rescue import Rescuer
from tests.support.hand import HandWorker
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until

LEASE = 1.0


@pytest.fixture
def queue(url: str, prefix: str) -> Iterator[Queue]:
    """A queue with one channel, whose lease is short."""
    queue = Queue(url, channels={prefix: {"lease": LEASE}})
    queue.job(channel=prefix, name="noop")(lambda: None)
    yield queue
    queue.close()


@pytest.fixture
def rescuer(queue: Queue, url: str, prefix: str) -> Iterator[Rescuer]:
    """The service of a supervisor that has just started and has no children."""
    channel = ChannelState(queue.channel(prefix), url, 0)
    heartbeat = Heartbeat(channel, "box")
    seconds, micros = channel.ask(channel.driver.time())
    heartbeat.server_ms = int(seconds) * 1000 + int(micros) // 1000
    yield Rescuer(channel, heartbeat)
    channel.link.close()


@pytest.fixture
def silent(queue: Queue, server: ServerProcess, prefix: str) -> str:
    """A worker that has reserved a message and whose last heartbeat is an hour old. Returns the key of its reserved list."""
    queue.push_name("noop")
    worker = HandWorker(queue, prefix)
    assert len(worker.reserve()) == 1
    server.admin.zadd(worker.driver.keys.workers, {worker.name: time.time() * 1000 - 3_600_000})
    return worker.driver.keys.reserved(worker.name)


def test_a_new_supervisor_gives_the_others_a_lease(rescuer: Rescuer, silent: str, server: ServerProcess) -> None:
    """Given a worker without heartbeats, if a supervisor starts (after an outage, say), then it rescues after a lease, not before."""
    began = monotonic()
    while monotonic() < began + 0.8 * LEASE:
        rescuer.tick(monotonic())
        assert server.admin.llen(silent) == 1
        time.sleep(0.05)
    wait_until(lambda: rescuer.tick(monotonic()) or not server.admin.exists(silent), timeout=5)
    assert monotonic() > began + LEASE


def test_after_a_gap_the_others_get_another_lease(rescuer: Rescuer, silent: str, server: ServerProcess) -> None:
    """Given a supervisor that could not check for a while, then its next check rescues no worker."""
    began = monotonic()
    while monotonic() < began + 0.8 * LEASE:
        rescuer.tick(monotonic())
        time.sleep(0.05)
    time.sleep(0.6 * LEASE)  # the server was away, or the supervisor stopped: no condition to wait for
    rescuer.tick(monotonic())
    assert server.admin.llen(silent) == 1


def _fall_silent(queue: Queue, server: ServerProcess, prefix: str, name: str, seconds: float) -> str:
    """Let a worker reserve a message, with a last heartbeat of that age. Returns the key of its reserved list."""
    queue.push_name("noop")
    worker = HandWorker(queue, prefix, name)
    assert len(worker.reserve()) == 1
    server.admin.zadd(worker.driver.keys.workers, {name: time.time() * 1000 - seconds * 1000})
    return worker.driver.keys.reserved(name)


def test_the_longer_of_two_leases_counts(
    rescuer: Rescuer, queue: Queue, server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a supervisor with a lease of 1 s, then a worker with one of 60 s is lost after 60 s, and one with 0.5 s after 1 s."""
    long, longer, short = (f"box:cafe0123:1:0123abcd{traits}" for traits in ("t60", "t60x4", "t0.5"))
    kept = _fall_silent(queue, server, prefix, long, 50.0)
    over = _fall_silent(queue, server, prefix, longer, 70.0)
    quick = _fall_silent(queue, server, prefix, short, 2.0)
    clock = [100.0]
    monkeypatch.setattr("taskq.supervisor.services.rescue.monotonic", lambda: clock[0])
    seen = []
    for _ in range(200):  # it looks without a gap
        rescuer.tick(clock[0])
        seen.append((round(clock[0] - 100.0, 1), *(bool(server.admin.exists(key)) for key in (kept, over, quick))))
        clock[0] += 0.4
    lost_at = [next((at for at, *there in seen if not there[number]), None) for number in range(3)]
    assert lost_at[0] is None
    # Whoever hasn't looked gives each a lease to make itself heard: the longer one, too.
    assert 60.0 <= lost_at[1] <= 60.4
    assert 1.0 <= lost_at[2] <= 1.4


def test_an_invalid_worker_entry_is_removed(rescuer: Rescuer, silent: str, queue: Queue, server: ServerProcess) -> None:
    """Given bytes among the workers that can't be an id, then a start survives them, they are removed, and the lost worker is rescued."""
    workers = queue.sender(rescuer._channel.name).driver.keys.workers
    server.admin.zadd(workers, {b"\xff\xfe": 1, b"": 2})
    rescuer.at_start(lambda worker: False)
    wait_until(lambda: rescuer.tick(monotonic()) or not server.admin.exists(silent), timeout=5)
    assert server.admin.zrange(workers, 0, -1) == []
