"""Messages reserved for a worker process that missed the reply, or that is not registered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest

from taskq import Queue
from taskq.clock import monotonic
from taskq.driver.contract import Rescue
from taskq.inspector.inspector import Inspector
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.services.orphans import LateReservations, OrphanScan
from taskq.supervisor.services.rescue import Rescuer
from tests.support.hand import HandWorker
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until


@pytest.fixture
def queue(url: str, prefix: str) -> Iterator[Queue]:
    """A queue with one channel."""
    queue = Queue(url, channels={prefix: {"lease": 1}})
    queue.job(channel=prefix, name="noop")(lambda: None)
    yield queue
    queue.close()


@pytest.fixture
def channel(queue: Queue, url: str, prefix: str) -> Iterator[ChannelState]:
    """The supervisor's state of the channel, without children."""
    channel = ChannelState(queue.channel(prefix), url, 0)
    yield channel
    channel.link.close()


def test_messages_reserved_after_an_exit_are_released(queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str) -> None:
    """Given a worker whose messages were rescued, if its blocked command is served after that, then the message soon waits again."""
    dead = HandWorker(queue, prefix)
    channel.insist(dead.name, channel.driver.rescue(Rescue(dead.name)))
    channel.remember(dead.name)
    exited, keys = LateReservations(channel), channel.driver.keys
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved(dead.name), "RIGHT", "RIGHT")
    began = monotonic()
    wait_until(lambda: exited.tick(monotonic()) or server.admin.llen(keys.waiting) == 1, timeout=30)
    assert monotonic() - began < 4


def test_the_last_check_comes_when_no_command_can_block(queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str) -> None:
    """Given an exited worker, if it gets a message after the first check, then a later check releases it, and that is the last check."""
    dead = HandWorker(queue, prefix)
    channel.remember(dead.name)
    exited, keys = LateReservations(channel), channel.driver.keys
    wait_until(lambda: exited.tick(monotonic()) or len(channel.exited) == 1, timeout=30)
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved(dead.name), "RIGHT", "RIGHT")
    wait_until(lambda: exited.tick(monotonic()) or not channel.exited, timeout=30)
    assert server.admin.llen(keys.waiting) == 1


def test_finished_messages_are_settled_before_any_is_released(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str
) -> None:
    """Given the pending ack of an exited worker, if its list is checked again, then the message is settled, not released."""
    dead, keys = HandWorker(queue, prefix), channel.driver.keys
    queue.push_name("noop")
    (raw,) = dead.reserve()
    channel.pending[dead.name] = deque([channel.driver.ack(dead.name, [raw[2:18]])])
    channel.remember(dead.name)
    exited = LateReservations(channel)
    exited.tick(monotonic() + 60)
    assert server.admin.llen(keys.reserved(dead.name)) == 1
    channel.send_pending()
    exited.tick(monotonic() + 60)
    assert (server.admin.exists(keys.reserved(dead.name)), server.admin.llen(keys.waiting), channel.exited) == (0, 0, [])


def test_a_supervisor_checks_once_more_at_its_exit(queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str) -> None:
    """Given an exited worker that was not checked again, if the supervisor exits, then the messages reserved for it wait again."""
    dead, keys = HandWorker(queue, prefix), channel.driver.keys
    channel.remember(dead.name)
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved(dead.name), "RIGHT", "RIGHT")
    channel.send_last()
    assert server.admin.llen(keys.waiting) == 1


def _exited(queue: Queue, prefix: str, channel: ChannelState) -> HandWorker:
    """Return a worker that has exited and was rescued once."""
    dead = HandWorker(queue, prefix)
    dead.beat()
    channel.insist(dead.name, channel.driver.rescue(Rescue(dead.name, stays=True)))
    return dead


def test_an_exited_worker_is_registered_until_its_last_check(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str
) -> None:
    """Given an exited worker, until its last check it is registered: if its supervisor is killed, another one rescues it by its lease."""
    dead, keys = _exited(queue, prefix, channel), channel.driver.keys
    channel.remember(dead.name)
    exited = LateReservations(channel)
    wait_until(lambda: exited.tick(monotonic()) or len(channel.exited) == 1, timeout=30)
    assert server.admin.zscore(keys.workers, dead.name) is not None
    assert Inspector(queue).workers(prefix) == []
    wait_until(lambda: exited.tick(monotonic()) or not channel.exited, timeout=30)
    assert server.admin.zscore(keys.workers, dead.name) is None


def test_another_supervisor_rescues_what_an_exited_worker_got(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str
) -> None:
    """Given a killed supervisor that had not checked an exited child again, if a message was reserved for it, then a lease is enough."""
    dead, keys = _exited(queue, prefix, channel), channel.driver.keys
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved(dead.name), "RIGHT", "RIGHT")
    rescuer = Rescuer(channel)
    wait_until(lambda: rescuer.tick(monotonic()) or server.admin.llen(keys.waiting) == 1, timeout=10)
    assert server.admin.zscore(keys.workers, dead.name) is None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The supervisor's monotonic clock, set by the test."""
    clock = [100.0]
    monkeypatch.setattr("taskq.supervisor.services.orphans.monotonic", lambda: clock[0])
    return clock


def _advance(scan: OrphanScan, clock: list[float], until: float) -> int:
    """Let the service do all that is due until then; returns the number of ticks."""
    ticks = 0
    while scan.due <= until:
        clock[0] = scan.due
        scan.tick(clock[0])
        assert scan.due > clock[0]  # it must not spin
        ticks += 1
    return ticks


def test_the_messages_of_an_unregistered_worker_are_rescued(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str, clock: list[float]
) -> None:
    """Given the reserved lists of an unregistered and of a registered worker, then only the messages of the first return."""
    known, unknown, keys = HandWorker(queue, prefix, "known"), HandWorker(queue, prefix, "unknown"), channel.driver.keys
    known.beat()
    for hand in (known, unknown):
        queue.push_name("noop")
        server.admin.lmove(keys.waiting, keys.reserved(hand.name), "RIGHT", "RIGHT")
    _advance(OrphanScan([channel]), clock, 200.0)
    assert (server.admin.llen(keys.waiting), server.admin.llen(keys.reserved("known"))) == (1, 1)
    assert server.admin.exists(keys.reserved("unknown")) == 0


def test_the_scan_takes_no_list_with_a_pending_ack(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str, clock: list[float]
) -> None:
    """Given an exited worker that the server has forgotten, if its ack is pending, then the finished message doesn't return."""
    dead, keys = HandWorker(queue, prefix), channel.driver.keys
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved(dead.name), "RIGHT", "RIGHT")
    (raw,) = server.admin.lrange(keys.reserved(dead.name), 0, -1)
    channel.pending[dead.name] = deque([channel.driver.ack(dead.name, [raw[2:18]])])
    _advance(OrphanScan([channel]), clock, 200.0)
    assert server.admin.llen(keys.waiting) == 0
    channel.send_pending()
    assert server.admin.exists(keys.reserved(dead.name)) == 0


def test_a_worker_that_registers_again_keeps_its_messages(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str, clock: list[float]
) -> None:
    """Given a worker whose registration the server lost, if it registers within the lease of its id, then its messages stay with it."""
    name, keys = "box:cafe0123:1:0123abcdt30", channel.driver.keys
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved(name), "RIGHT", "RIGHT")
    scan = OrphanScan([channel])
    _advance(scan, clock, scan.due + 29.0)
    HandWorker(queue, prefix, name).beat()
    _advance(scan, clock, 300.0)
    assert server.admin.llen(keys.reserved(name)) == 1


def test_a_scan_whose_reply_is_lost_is_repeated(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a server that doesn't answer in the middle of a scan, then a later scan finds the list."""
    keys, ask = channel.driver.keys, channel.ask
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved("unknown"), "RIGHT", "RIGHT")
    for lost in (channel.driver.unregistered(["unknown"]), channel.driver.scan_reserved(b"0")):
        monkeypatch.setattr(channel, "ask", lambda command, lost=lost: None if command == lost else ask(command))
        scan = OrphanScan([channel])
        _advance(scan, clock, scan.due + 10.0)
        assert server.admin.llen(keys.waiting) == 0
        server.admin.delete(keys.scanned)  # the clock of the server does not go on with that of the test
    monkeypatch.setattr(channel, "ask", ask)
    _advance(scan, clock, clock[0] + 700.0)
    assert server.admin.llen(keys.waiting) == 1


def test_a_scan_reads_the_keys_in_parts(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str, clock: list[float]
) -> None:
    """Given several thousand keys of other channels, then a scan takes several ticks, and still finds the one list."""
    keys = channel.driver.keys
    server.admin.mset({f"other:{number}": 1 for number in range(5000)})
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved("unknown"), "RIGHT", "RIGHT")
    assert _advance(OrphanScan([channel]), clock, 200.0) > 2
    assert server.admin.llen(keys.waiting) == 1


def test_many_orphans_are_rescued_page_by_page(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str, clock: list[float]
) -> None:
    """Given the lists of hundreds of unregistered workers, some with a lease of years, then a tick rescues a page of the others."""
    keys = channel.driver.keys
    for number in range(350):
        server.admin.rpush(keys.reserved(f"box:cafe0123:1:{number:08x}{'t900000000' if number < 50 else 't1'}"), f"{number}")
    scan, most = OrphanScan([channel]), 0
    while scan.due < 200.0:
        clock[0] = scan.due
        before = server.admin.llen(keys.waiting)
        scan.tick(clock[0])
        most = max(most, server.admin.llen(keys.waiting) - before)
    assert (server.admin.llen(keys.waiting), most) == (300, 100)


def test_many_supervisors_make_one_walk(
    channel: ChannelState, server: ServerProcess, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given two supervisors that have just started, if one walks over the keys, then the other doesn't, until another period has passed."""
    walks: list[int] = []

    def watch(number: int) -> OrphanScan:
        scan = OrphanScan([channel])
        scanned = scan._scan
        monkeypatch.setattr(scan, "_scan", lambda now: walks.append(number) or scanned(now))
        return scan

    first, second = watch(1), watch(2)
    _advance(first, clock, 110.0)
    _advance(second, clock, 110.0)
    assert set(walks) == {1}
    # A walk that seems to lie in the future (the clock was set back), or a key of another type, delays no supervisor.
    server.admin.hset(channel.driver.keys.scanned, "at", 10**15)
    _advance(second, clock, 800.0)
    assert set(walks) == {1, 2}
    server.admin.set(channel.driver.keys.scanned, "of another program")
    walks.clear()
    _advance(first, clock, 1500.0)
    assert set(walks) == {1}


def test_a_channel_that_cannot_be_read_hides_no_orphans_of_others(
    channel: ChannelState, server: ServerProcess, url: str, prefix: str, clock: list[float]
) -> None:
    """Given two channels, of which one has workers of another type, then the walk goes on, and finds the orphans of the other."""
    name = f"{prefix}-broken"
    broken = ChannelState(Queue(url, channels={name: {"lease": 1}}).channel(name), url, 0)
    keys = broken.driver.keys
    server.admin.set(keys.workers, "of another program")
    for one in (channel.driver.keys, keys):
        server.admin.lpush(one.reserved("unknown"), "a message")
    _advance(OrphanScan([broken, channel]), clock, 200.0)
    assert (server.admin.llen(channel.driver.keys.waiting), server.admin.llen(keys.reserved("unknown"))) == (1, 1)
    server.admin.delete(keys.workers, keys.reserved("unknown"))
    broken.link.close()


def test_one_walk_serves_all_channels(
    channel: ChannelState, server: ServerProcess, url: str, prefix: str, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given orphaned messages in two channels, then one walk finds both, and those of a channel that this worker lacks stay."""
    names = (f"{prefix}-mine", f"{prefix}-foreign")
    others = [ChannelState(Queue(url, channels={name: {"lease": 1}}).channel(name), url, 0) for name in names]
    for keys in (channel.driver.keys, *(other.driver.keys for other in others)):
        server.admin.lpush(keys.reserved("unknown"), "a message")
    patterns: list[bytes | str] = []
    scan_reserved = channel.driver.scan_reserved
    monkeypatch.setattr(channel.driver, "scan_reserved", lambda cursor, **named: patterns.append(cursor) or scan_reserved(cursor, **named))
    _advance(OrphanScan([channel, others[0]]), clock, 200.0)
    assert patterns.count(b"0") == 1
    found = [server.admin.llen(keys.waiting) for keys in (channel.driver.keys, *(other.driver.keys for other in others))]
    assert found == [1, 1, 0]
    server.admin.delete(others[1].driver.keys.reserved("unknown"), *(other.driver.keys.waiting for other in others))
    for other in others:
        other.link.close()
