"""Messages that nobody would look for."""

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
    """A supervisor's side of the channel, without children."""
    channel = ChannelState(queue.channel(prefix), url, 0)
    yield channel
    channel.link.close()


def test_what_a_dead_worker_is_given_comes_back(queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str) -> None:
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


def test_the_last_look_comes_when_no_command_can_block_any_more(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str
) -> None:
    """Given a dead worker, if it is given a message after the first look, then a later look brings it back, and that is the last."""
    dead = HandWorker(queue, prefix)
    channel.remember(dead.name)
    exited, keys = LateReservations(channel), channel.driver.keys
    wait_until(lambda: exited.tick(monotonic()) or len(channel.exited) == 1, timeout=5)
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved(dead.name), "RIGHT", "RIGHT")
    wait_until(lambda: exited.tick(monotonic()) or not channel.exited, timeout=5)
    assert server.admin.llen(keys.waiting) == 1


def test_what_it_had_done_is_told_before_anything_is_given_back(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str
) -> None:
    """Given a dead worker's ack that waits for the server, if it is looked at again, then the message is settled, not given back."""
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


def test_a_supervisor_that_ends_looks_once_more(queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str) -> None:
    """Given a dead worker that nobody has looked at again, if the supervisor ends, then what the worker was given waits again."""
    dead, keys = HandWorker(queue, prefix), channel.driver.keys
    channel.remember(dead.name)
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved(dead.name), "RIGHT", "RIGHT")
    channel.send_last()
    assert server.admin.llen(keys.waiting) == 1


def _sweep(channel: ChannelState) -> int:
    """Sweep once; returns how many ticks it took."""
    sweep, ticks = OrphanScan(channel), 1
    sweep.tick(0.0)
    while sweep.due <= 0.0:
        sweep.tick(0.0)
        ticks += 1
    return ticks


def test_the_messages_of_a_worker_that_nobody_knows_are_rescued(
    queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str
) -> None:
    """Given a reserved list whose worker isn't registered, and one whose worker is, then only the first comes back."""
    known, unknown, keys = HandWorker(queue, prefix, "known"), HandWorker(queue, prefix, "unknown"), channel.driver.keys
    known.beat()
    for hand in (known, unknown):
        queue.push_name("noop")
        server.admin.lmove(keys.waiting, keys.reserved(hand.name), "RIGHT", "RIGHT")
    _sweep(channel)
    assert (server.admin.llen(keys.waiting), server.admin.llen(keys.reserved("known"))) == (1, 1)
    assert server.admin.exists(keys.reserved("unknown")) == 0


def test_a_sweep_goes_through_the_keys_in_parts(queue: Queue, channel: ChannelState, server: ServerProcess, prefix: str) -> None:
    """Given several thousand keys of others, then a sweep takes several ticks, and finds the one list all the same."""
    keys = channel.driver.keys
    server.admin.mset({f"other:{number}": 1 for number in range(5000)})
    queue.push_name("noop")
    server.admin.lmove(keys.waiting, keys.reserved("unknown"), "RIGHT", "RIGHT")
    assert _sweep(channel) > 1
    assert server.admin.llen(keys.waiting) == 1
