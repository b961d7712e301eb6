"""The rescue of lost workers, and when a missing heartbeat is evidence."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from taskq import Queue
from taskq.clock import monotonic
from taskq.driver.contract import Command, Rescue
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.services.rescue import Rescuer
from taskq.worker_id import is_surely_dead, machine_tag
from tests.support.hand import HandWorker
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until

LEASE = 1.0
#: No process has this id.
NOBODY = 2**31 - 1


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
    yield Rescuer(channel)
    channel.link.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The supervisor's monotonic clock, set by the test."""
    clock = [100.0]
    monkeypatch.setattr("taskq.supervisor.services.rescue.monotonic", lambda: clock[0])
    return clock


def _watch(rescuer: Rescuer, clock: list[float], seconds: float) -> int:
    """Let the service do all that is due within that time; return the number of ticks."""
    until, ticks = clock[0] + seconds, 0
    while clock[0] < until:
        rescuer.tick(clock[0])
        ticks += 1
        assert rescuer.due > clock[0]  # it must not spin
        clock[0] = min(rescuer.due, until)
    return ticks


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
    wait_until(lambda: rescuer.tick(monotonic()) or not server.admin.exists(silent), timeout=30)
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


@pytest.mark.usefixtures("silent")
def test_a_lost_worker_is_rescued_as_soon_as_its_lease_has_passed(rescuer: Rescuer, clock: list[float], server: ServerProcess) -> None:
    """Given a worker that sends no heartbeat, then it is rescued exactly a lease after the supervisor first saw that heartbeat."""
    workers = rescuer._channel.driver.keys.workers
    _watch(rescuer, clock, 0.99 * LEASE)
    assert server.admin.zcard(workers) == 1
    _watch(rescuer, clock, 0.05 * LEASE)
    assert server.admin.zcard(workers) == 0


def _ours(queue: Queue, prefix: str) -> HandWorker:
    """A worker whose id names a process of this machine that doesn't exist. It has reserved a message."""
    queue.push_name("noop")
    worker = HandWorker(queue, prefix, f"box:{machine_tag()}:{NOBODY}:0123abcdt1")
    assert is_surely_dead(worker.name, machine_tag())
    assert len(worker.reserve()) == 1
    return worker


def test_a_worker_on_a_clone_of_this_machine_is_not_lost(
    rescuer: Rescuer, clock: list[float], queue: Queue, prefix: str, server: ServerProcess
) -> None:
    """Given a clone of this virtual machine, whose worker looks like an exited one of ours, then its heartbeats prove that it lives."""
    worker = _ours(queue, prefix)
    reserved = worker.driver.keys.reserved(worker.name)
    rescuer.at_start(lambda name: is_surely_dead(name, machine_tag()))
    for _ in range(20):
        before = server.admin.zscore(worker.driver.keys.workers, worker.name)
        wait_until(lambda before=before: worker.beat() or server.admin.zscore(worker.driver.keys.workers, worker.name) != before)
        _watch(rescuer, clock, 0.2 * LEASE)
        assert server.admin.llen(reserved) == 1
    _watch(rescuer, clock, 0.7 * LEASE)
    assert server.admin.llen(reserved) == 1  # its heartbeats have shown that it isn't ours: only a lease counts
    _watch(rescuer, clock, 0.4 * LEASE)
    assert server.admin.llen(reserved) == 0


def test_an_exited_worker_of_this_machine_is_rescued_before_its_lease(
    rescuer: Rescuer, clock: list[float], queue: Queue, prefix: str, server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a worker of this machine that has exited, then a new supervisor rescues it once two heartbeats are missing."""
    worker = _ours(queue, prefix)
    reserved = worker.driver.keys.reserved(worker.name)
    rescuer.at_start(lambda name: is_surely_dead(name, machine_tag()))
    _watch(rescuer, clock, 0.39 * LEASE)
    assert server.admin.llen(reserved) == 1
    _watch(rescuer, clock, 0.05 * LEASE)
    assert server.admin.llen(reserved) == 0
    assert "lost (its process has exited); rescued 1 message" in caplog.text
    assert [name for _, name in rescuer._channel.exited] == [worker.name] * 2


def test_the_longer_of_two_leases_counts(rescuer: Rescuer, clock: list[float], queue: Queue, server: ServerProcess, prefix: str) -> None:
    """Given a supervisor with a lease of 1 s, then a worker with one of 60 s is lost after 60 s, and one with 0.5 s after 1 s."""
    long, longer, short = (f"box:cafe0123:1:0123abcd{traits}" for traits in ("t60", "t60x4", "t0.5"))
    kept = _fall_silent(queue, server, prefix, long, 50.0)
    over = _fall_silent(queue, server, prefix, longer, 70.0)
    quick = _fall_silent(queue, server, prefix, short, 2.0)
    lost_at: dict[str, float] = {}
    for number in range(700):  # it looks without a gap
        if number == 300:
            HandWorker(queue, prefix, long).beat()
        _watch(rescuer, clock, 0.1)
        for key in (kept, over, quick):
            if not server.admin.exists(key):
                lost_at.setdefault(key, clock[0] - 100.0)
    assert kept not in lost_at
    # A supervisor that hasn't looked gives each a lease to send a heartbeat: the longer one, too.
    assert 60.0 <= lost_at[over] <= 60.4
    assert 1.0 <= lost_at[quick] <= 1.4


STEPS = [1, -1, 60, -60, 3600, -3600, 30 * 86400]


def _step(server: ServerProcess, workers: str, seconds: float) -> None:
    """Set the server's clock forward (or back): the heartbeats so far are older (or lie in the future)."""
    for name, beat in server.admin.zrange(workers, 0, -1, withscores=True):
        server.admin.zadd(workers, {name: beat - seconds * 1000})


@pytest.mark.parametrize("seconds", STEPS)
def test_a_step_of_the_server_s_clock_loses_no_worker(
    rescuer: Rescuer, clock: list[float], queue: Queue, server: ServerProcess, prefix: str, seconds: int
) -> None:
    """Given a living worker, if the server's clock is set forward or back between two heartbeats, then it keeps its message."""
    queue.push_name("noop")
    hand = HandWorker(queue, prefix)
    assert len(hand.reserve()) == 1
    keys = hand.driver.keys
    for number in range(30):
        _watch(rescuer, clock, LEASE / 5)
        if number % 10 == 5:
            _step(server, keys.workers, seconds)
            _watch(rescuer, clock, LEASE / 5)
        hand.beat()
    assert (server.admin.llen(keys.reserved(hand.name)), server.admin.zcard(keys.workers)) == (1, 1)


@pytest.mark.parametrize("seconds", STEPS)
def test_a_step_of_the_server_s_clock_hides_no_lost_worker(
    rescuer: Rescuer, clock: list[float], queue: Queue, server: ServerProcess, prefix: str, seconds: int
) -> None:
    """Given a worker that is lost, if the server's clock is then set forward or back, then it is rescued within two leases anyway."""
    queue.push_name("noop")
    lost, living = HandWorker(queue, prefix, "lost"), HandWorker(queue, prefix, "living")
    assert len(lost.reserve()) == 1
    living.beat()
    _watch(rescuer, clock, 0.3 * LEASE)
    _step(server, lost.driver.keys.workers, seconds)
    for _ in range(10):
        _watch(rescuer, clock, LEASE / 5)
        living.beat()
    assert server.admin.zrange(lost.driver.keys.workers, 0, -1) == [b"living"]
    assert server.admin.llen(lost.driver.keys.waiting) == 1


def test_a_heartbeat_right_before_the_rescue_stops_it(
    rescuer: Rescuer, clock: list[float], queue: Queue, server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a worker that looks lost, if its heartbeat arrives between the check and the rescue, then it keeps its message."""
    queue.push_name("noop")
    hand = HandWorker(queue, prefix)
    assert len(hand.reserve()) == 1
    build = rescuer._channel.driver.rescue

    def late(rescue: Rescue) -> Command:
        hand.beat()
        return build(rescue)

    monkeypatch.setattr(rescuer._channel.driver, "rescue", late)
    _watch(rescuer, clock, 1.5 * LEASE)
    assert server.admin.llen(hand.driver.keys.reserved(hand.name)) == 1


@pytest.mark.parametrize("count", [150, 1050])
@pytest.mark.parametrize("kind", ["long leases", "invalid", "rejected"])
def test_no_number_of_entries_hides_a_lost_worker(
    rescuer: Rescuer, clock: list[float], queue: Queue, server: ServerProcess, prefix: str, kind: str, count: int
) -> None:
    """Given many lost workers that can't be rescued yet, or ever, then one after them is rescued, and each tick reads one page."""
    hidden = _fall_silent(queue, server, prefix, "hidden", 3600)
    keys = queue.sender(prefix).driver.keys
    names: list[str | bytes] = [f"box:cafe0123:1:{number:08x}{'t90000' if kind == 'long leases' else 't1'}" for number in range(count)]
    if kind == "rejected":
        server.admin.mset({keys.reserved(str(name)): "not a list" for name in names})
    elif kind == "invalid":
        names = [b"\xff%d" % number for number in range(count)]
    server.admin.zadd(keys.workers, dict.fromkeys(names, 1))
    before = server.admin.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
    ticks = _watch(rescuer, clock, 3 * LEASE)
    assert server.admin.exists(hidden) == 0
    asked = server.admin.info("commandstats")["cmdstat_evalsha"]["calls"] - before
    assert asked <= ticks * (100 + 1)
    assert not rescuer._channel.is_down


def test_an_exited_child_with_pending_acks_is_not_rescued(
    rescuer: Rescuer, clock: list[float], queue: Queue, server: ServerProcess, prefix: str
) -> None:
    """Given an exited child whose ack the server rejects, then its messages stay: those that are finished would run again."""
    reserved = _fall_silent(queue, server, prefix, "box:cafe0123:1:0123abcdt1", 60)
    channel = rescuer._channel
    channel.pending["box:cafe0123:1:0123abcdt1"] = deque([channel.driver.ack("box:cafe0123:1:0123abcdt1", [])])
    _watch(rescuer, clock, 3 * LEASE)
    assert server.admin.exists(reserved)
    channel.pending.clear()
    _watch(rescuer, clock, LEASE)
    assert not server.admin.exists(reserved)


def test_many_lost_workers_are_rescued_page_by_page(
    rescuer: Rescuer, clock: list[float], queue: Queue, server: ServerProcess, prefix: str
) -> None:
    """Given a thousand workers that were lost together, then all are rescued within two leases, at most a page of them per tick."""
    keys = queue.sender(prefix).driver.keys
    now = time.time() * 1000
    server.admin.zadd(keys.workers, {f"box:cafe0123:1:{number:08x}t1": now - 3_600_000 * (-1) ** number for number in range(1000)})
    left, most = 1000, 0
    while left and clock[0] < 100 + 2.5 * LEASE:
        rescuer.tick(clock[0])
        before, left = left, server.admin.zcard(keys.workers)
        most = max(most, before - left)
        clock[0] = max(rescuer.due, clock[0] + 0.001)
    assert (left, most) == (0, 100)


def test_an_invalid_worker_entry_is_removed(rescuer: Rescuer, silent: str, queue: Queue, server: ServerProcess) -> None:
    """Given bytes among the workers that can't be an id, then a start survives them, they are removed, and the lost worker is rescued."""
    workers = queue.sender(rescuer._channel.name).driver.keys.workers
    server.admin.zadd(workers, {b"\xff\xfe": 1, b"": 2})
    rescuer.at_start(lambda worker: False)
    wait_until(lambda: rescuer.tick(monotonic()) or not server.admin.exists(silent), timeout=30)
    assert server.admin.zrange(workers, 0, -1) == []


def test_a_heartbeat_is_known_from_the_moment_of_its_reply(
    rescuer: Rescuer, silent: str, clock: list[float], server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a reply that takes most of a lease, then the worker has a lease from its arrival: it may have sent a heartbeat meanwhile."""
    ask = rescuer._channel.ask

    def slowly(command: Command, *args: Any, **kwargs: Any) -> Any:
        reply = ask(command, *args, **kwargs)
        clock[0] += 0.4 * LEASE if clock[0] == 100.0 else 0.0
        return reply

    monkeypatch.setattr(rescuer._channel, "ask", slowly)
    rescuer.tick(clock[0])
    for clock[0] in (100.0 + 0.8 * LEASE, 100.0 + 1.2 * LEASE):
        rescuer.tick(clock[0])
    assert server.admin.llen(silent) == 1
    clock[0] = 100.0 + 1.5 * LEASE
    rescuer.tick(clock[0])
    assert not server.admin.exists(silent)
