"""Who brings back the messages of dead workers, and when a missing heartbeat is believed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from taskq import Queue
from taskq.clock import monotonic
from taskq.supervisor.services import Heartbeat, Rescuer
from taskq.supervisor.team import Team
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
    """The duty of a supervisor that has just started and has no children."""
    team = Team(queue.channel(prefix), url, 0)
    heartbeat = Heartbeat(team, "box")
    seconds, micros = team.ask(team.driver.time())
    heartbeat.server_ms = int(seconds) * 1000 + int(micros) // 1000
    yield Rescuer(team, heartbeat)
    team.link.close()


@pytest.fixture
def silent(queue: Queue, server: ServerProcess, prefix: str) -> str:
    """A worker that holds a message and whose last heartbeat is an hour old. Returns the key of what it holds."""
    queue.push_name("noop")
    worker = HandWorker(queue, prefix)
    assert len(worker.reserve()) == 1
    server.admin.zadd(worker.driver.keys.workers, {worker.name: time.time() * 1000 - 3_600_000})
    return worker.driver.keys.reserved(worker.name)


def test_whoever_has_just_started_gives_the_others_a_lease(rescuer: Rescuer, silent: str, server: ServerProcess) -> None:
    """Given a worker without heartbeats, if a supervisor starts (after an outage, say), then it rescues after a lease, not before."""
    began = monotonic()
    while monotonic() < began + 0.8 * LEASE:
        rescuer.tick(monotonic())
        assert server.admin.llen(silent) == 1
        time.sleep(0.05)
    wait_until(lambda: rescuer.tick(monotonic()) or not server.admin.exists(silent), timeout=5)
    assert monotonic() > began + LEASE


def test_after_a_gap_the_others_get_a_lease_anew(rescuer: Rescuer, silent: str, server: ServerProcess) -> None:
    """Given a supervisor that has looked for long, if it couldn't look for a while, then the next look rescues nobody."""
    began = monotonic()
    while monotonic() < began + 0.8 * LEASE:
        rescuer.tick(monotonic())
        time.sleep(0.05)
    time.sleep(0.6 * LEASE)  # the server was away, or the supervisor stopped: no condition to wait for
    rescuer.tick(monotonic())
    assert server.admin.llen(silent) == 1
