"""Messages reserved for a worker process that missed the reply, or that is not registered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskq import Queue
from taskq.clock import monotonic
from taskq.driver.contract import Rescue
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.services.orphans import LateReservations, OrphanScan
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
    channel.insist(channel.driver.rescue(Rescue(dead.name)))
    channel.remember(dead.name)
    exited, keys = LateReservations(channel), channel.driver.keys
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved(dead.name), "RIGHT", "RIGHT")
    began = monotonic()
    wait_until(lambda: exited.tick(monotonic()) or server.admin.llen(keys.waiting) == 1, timeout=5)
    assert monotonic() - began < 1.0


def test_the_last_check_comes_when_no_command_can_block(queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str) -> None:
    """Given an exited worker, if it gets a message after the first check, then a later check releases it, and that is the last check."""
    dead = HandWorker(queue, prefix)
    channel.remember(dead.name)
    exited, keys = LateReservations(channel), channel.driver.keys
    wait_until(lambda: exited.tick(monotonic()) or len(channel.exited) == 1, timeout=5)
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved(dead.name), "RIGHT", "RIGHT")
    wait_until(lambda: exited.tick(monotonic()) or not channel.exited, timeout=5)
    assert server.admin.llen(keys.waiting) == 1


def test_finished_messages_are_settled_before_any_is_released(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str
) -> None:
    """Given the pending ack of an exited worker, if its list is checked again, then the message is settled, not released."""
    dead, keys = HandWorker(queue, prefix), channel.driver.keys
    queue.push_name("noop")
    (raw,) = dead.reserve()
    channel.pending.append(channel.driver.ack(dead.name, [raw[2:18]]))
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


def _sweep(channel: ChannelState) -> int:
    """Scan once; returns the number of ticks."""
    sweep, ticks = OrphanScan(channel), 1
    sweep.tick(0.0)
    while sweep.due <= 0.0:
        sweep.tick(0.0)
        ticks += 1
    return ticks


def test_the_messages_of_an_unregistered_worker_are_rescued(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str
) -> None:
    """Given the reserved lists of an unregistered and of a registered worker, then only the messages of the first return."""
    known, unknown, keys = HandWorker(queue, prefix, "known"), HandWorker(queue, prefix, "unknown"), channel.driver.keys
    known.beat()
    for hand in (known, unknown):
        queue.push_name("noop")
        server.admin.lmove(keys.waiting, keys.reserved(hand.name), "RIGHT", "RIGHT")
    _sweep(channel)
    assert (server.admin.llen(keys.waiting), server.admin.llen(keys.reserved("known"))) == (1, 1)
    assert server.admin.exists(keys.reserved("unknown")) == 0


def test_a_scan_reads_the_keys_in_parts(queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str) -> None:
    """Given several thousand keys of other channels, then a scan takes several ticks, and still finds the one list."""
    keys = channel.driver.keys
    server.admin.mset({f"other:{number}": 1 for number in range(5000)})
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved("unknown"), "RIGHT", "RIGHT")
    assert _sweep(channel) > 1
    assert server.admin.llen(keys.waiting) == 1
