"""A channel's connection to the server: commands that are sent once, commands that are repeated, and the log of an outage."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from taskq.channel import State
from taskq.clock import monotonic
from taskq.driver.contract import Command, Link, Rescue
from taskq.errors import QueueFull, ServerRefused, ServerUnavailable
from taskq.scoreboard.state import block_seconds
from taskq.supervisor.channel import ChannelState
from taskq.supervisor.processes.child import Child
from taskq.supervisor.services.heartbeat import Heartbeat
from taskq.supervisor.services.orphans import release_unseen
from taskq.supervisor.services.watchdog import Watchdog
from taskq.wire.message import message_id
from tests.supervisor.conftest import Channel


class BrokenLink:
    """Replies as the test decides."""

    def __init__(self) -> None:
        self.error: Exception | None = ServerUnavailable("nobody there")
        #: The commands that fail; all if it is empty.
        self.failing: set[str] = set()
        self.calls = 0
        self.timeout = 5.0

    def call(self, command: Command) -> int:
        self.calls += 1
        if self.error is not None and (not self.failing or command.move in self.failing):
            raise self.error
        return 1

    def close(self) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, set by the test."""
    now = [100.0]
    monkeypatch.setattr("taskq.supervisor.channel.monotonic", lambda: now[0])
    return now


@pytest.fixture
def channel(place: Channel) -> ChannelState:
    place.channel.link.close()
    link = BrokenLink()
    place.channel.link = link  # type: ignore[assignment]
    return place.channel


@pytest.mark.parametrize("error", [ServerUnavailable("away"), ServerRefused("no"), QueueFull("full")])
def test_an_outage_and_its_end_are_logged_once(
    channel: ChannelState, clock: list[float], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Given a server in trouble for a while, then the log reports the start and the end once; the pauses between attempts grow."""
    link: BrokenLink = channel.link  # type: ignore[assignment]
    link.error = error
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            assert channel.ask(channel.driver.time()) is None
            assert channel.is_down
            clock[0] += 0.02
        asked = link.calls
        link.error = None
        clock[0] += 10
        assert channel.ask(channel.driver.time()) == 1
    assert not channel.is_down
    assert [slot.levelname for slot in caplog.records] == ["ERROR", "WARNING"]
    assert "the server is reachable again after 30.0 s" in caplog.text
    assert 3 < asked < 200


@pytest.mark.parametrize("error", [ServerUnavailable("no reply"), ServerRefused("WRONGTYPE"), QueueFull("full")])
def test_a_failed_command_that_is_never_sent_again_leaves_no_outage(
    channel: ChannelState, clock: list[float], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Given a release that fails once, if all other commands are answered, then the channel is soon not down any more."""
    link: BrokenLink = channel.link  # type: ignore[assignment]
    link.error, link.failing = error, {"requeue"}
    with caplog.at_level(logging.WARNING):
        assert channel.ask(channel.driver.requeue("w1", "front", [b"1" * 16])) is None
        assert channel.is_down
        _serve(channel, clock, 20.0)
    assert not channel.is_down
    assert [slot.levelname for slot in caplog.records] == ["ERROR", "WARNING"]


@pytest.mark.parametrize(
    ("error", "failing"),
    [
        (ServerUnavailable("READONLY"), {"heartbeat", "promote", "requeue"}),
        (ServerRefused("WRONGTYPE"), {"promote"}),
        (ServerRefused("WRONGTYPE"), {"list"}),
    ],
)
def test_replies_to_other_commands_do_not_end_an_outage(
    channel: ChannelState, clock: list[float], caplog: pytest.LogCaptureFixture, error: Exception, failing: set[str]
) -> None:
    """Given a server that answers reads and rejects all writes, or one command, then that is one outage, as long as it lasts."""
    link: BrokenLink = channel.link  # type: ignore[assignment]
    link.error, link.failing = error, failing
    with caplog.at_level(logging.WARNING):
        _serve(channel, clock, 120.0)
        assert channel.is_down
        link.error = None
        _serve(channel, clock, 20.0)
    assert not channel.is_down
    assert [slot.levelname for slot in caplog.records] == ["ERROR", "WARNING"]


def _serve(channel: ChannelState, clock: list[float], seconds: float) -> None:
    """Send what the services send, for so many seconds."""
    driver, until = channel.driver, clock[0] + seconds
    commands = {
        "heartbeat": driver.heartbeat("w1", {}, lease_ms=5, register=True),
        "promote": driver.promote(),
        "cancel": driver.cancel_requests(),
        "count": driver.count(State.WAITING),
        "list": driver.page(State.PARKED, 0, 5),
    }
    every = {"heartbeat": 3.0, "promote": 0.1, "cancel": 3.0, "count": 0.5, "list": 10.0}
    due = dict.fromkeys(commands, 0.0)
    while clock[0] < until:
        for name, command in commands.items():
            if clock[0] >= due[name]:
                channel.ask(command)
                due[name] = clock[0] + (0.2 if name == "heartbeat" and channel.is_down else every[name])
        clock[0] += 0.05


def test_insisted_commands_are_sent_later_in_order(channel: ChannelState, clock: list[float]) -> None:
    """Given an unreachable server, then insisted commands are kept in order, and sent once it is reachable again."""
    link: BrokenLink = channel.link  # type: ignore[assignment]
    channel.insist("w1", channel.driver.ack("w1", [b"1"]))
    channel.insist("w1", channel.driver.ack("w1", [b"2"]))
    assert list(channel.pending["w1"]) == [channel.driver.ack("w1", [b"1"]), channel.driver.ack("w1", [b"2"])]
    link.error = None
    clock[0] += 60
    channel.send_pending()
    assert not channel.pending


def test_a_rejected_command_holds_up_only_its_worker(place: Channel, caplog: pytest.LogCaptureFixture) -> None:
    """Given exited workers of which one has a reserved list of another type, then the messages of the others are settled and released."""
    channel, driver, client, keys = place.channel, place.channel.driver, place.store.client, place.store.keys
    place.job.push_many([(1,), (2,)])
    first, second = (place.hand("w2").reserve(1)[0] for _ in range(2))
    client.set(keys.reserved("w1"), "not a list")
    with caplog.at_level(logging.WARNING):
        for worker, done in (("w1", []), ("w2", [message_id(first)])):
            if done:
                channel.insist(worker, driver.ack(worker, done))
            channel.insist(worker, driver.rescue(Rescue(worker)))
        for _ in range(3):
            channel.send_pending()
    assert place.store.raw(State.WAITING) == [second]
    assert ([*channel.pending], channel.is_down) == (["w1"], False)
    assert len(caplog.records) == 1
    client.delete(keys.reserved("w1"))
    channel.send_pending()
    assert not channel.pending


@pytest.mark.parametrize("lease", [1.0, 2.0, 15.0, 60.0])
def test_an_exited_child_is_unregistered_before_its_lease_ends(place: Channel, clock: list[float], lease: float) -> None:
    """Given a child that exits just before its next heartbeat is due, then its last check comes before others take it for a lost one."""
    place.channel.settings = msgspec.structs.replace(place.channel.settings, lease=lease)
    place.channel.remember("w1")
    (first, _), (last, _) = place.channel.exited
    assert clock[0] < first < clock[0] + block_seconds(lease) < last < clock[0] + lease * 4 / 5


def test_counts_outlive_the_children(place: Channel) -> None:
    """Given living and exited children, then all their jobs are counted."""
    child = place.child()
    child.slot.begin_batch([b"1" * 16])
    child.slot.start_next(1.0, 1)
    child.slot.end_job(0, acked=False, failed=True)
    place.channel.past_counts = [10, 2]
    assert place.channel.counts() == (11, 3)


def test_old_crashes_are_forgotten(place: Channel) -> None:
    """Given crashes over a long time, then only those of the last minute are kept."""
    for at in (0.0, 50.0, 100.0, 105.0):
        place.channel.note_crash(at)
    assert place.channel.crashes == [50.0, 100.0, 105.0]


def test_a_child_waits_until_the_outcome_of_a_move_is_known(place: Channel, channel: ChannelState, clock: list[float]) -> None:
    """Given a move of a child's messages whose outcome is unknown, then the child must reconcile, and takes over nothing until a reply."""
    link: BrokenLink = channel.link  # type: ignore[assignment]
    child = place.child()
    assert channel.move(child, channel.driver.requeue(child.worker, "front", [b"1"])) is None
    assert child.slot.uncertain
    assert channel.ask(channel.driver.time()) is None
    assert child.slot.uncertain
    link.error = None
    clock[0] += 60
    assert channel.ask(channel.driver.time()) == 1
    assert not child.slot.uncertain
    assert child.slot.take_reconcile()


def test_a_move_with_a_reply_leaves_no_doubt(place: Channel, channel: ChannelState) -> None:
    """Given a move that the server answers, then the child isn't disturbed."""
    link: BrokenLink = channel.link  # type: ignore[assignment]
    link.error = None
    child = place.child()
    assert channel.move(child, channel.driver.requeue(child.worker, "front", [b"1"])) == 1
    assert not child.slot.uncertain
    assert not child.slot.take_reconcile()


class LosesReplies:
    """A link that gets no reply to a script, after so many calls of it."""

    def __init__(self, link: Link, script: str, spared: int) -> None:
        self._link = link
        self._script = script
        self._spared = spared
        self.timeout = 5.0

    def call(self, command: Command) -> Any:
        if command.script is not None and command.script.name == self._script:
            self._spared -= 1
            if self._spared < 0:
                raise ServerUnavailable("the reply was lost", sent=True)
        return self._link.call(command)

    def close(self) -> None:
        self._link.close()


def _relieve(place: Channel, child: Child) -> None:
    place.reserve(child, 3)
    child.slot.start_next(monotonic() - 0.06, 1)
    Watchdog(place.channel).tick(monotonic())


def _release_unseen(place: Channel, child: Child) -> None:
    (seen, _) = place.reserve(child, 2)
    child.slot.begin_batch([seen.id])
    child.slot.start_next(monotonic() - 5, 1)
    release_unseen(place.channel, child, monotonic() - 1)


def _register_again(place: Channel, child: Child) -> None:
    place.store.client.delete(place.store.keys.workers)
    Heartbeat(place.channel, "box").tick(monotonic())


@pytest.mark.parametrize(
    ("script", "spared", "move"),
    [("requeue", 0, _relieve), ("requeue", 0, _release_unseen), ("heartbeat", 1, _register_again)],
    ids=["behind a slow job", "delivery lost", "registered again"],
)
def test_a_lost_reply_about_a_living_child_makes_it_wait(
    place: Channel, script: str, spared: int, move: Callable[[Channel, Child], None]
) -> None:
    """Given a supervisor that moves messages of a living child, or reports its fate, if the reply is lost, then the child must wait."""
    child = place.child()
    child.slot.set_beat(monotonic())
    child.slot.lease = 60.0
    place.channel.link = LosesReplies(place.channel.link, script, spared)  # type: ignore[assignment]
    move(place, child)
    assert child.slot.uncertain
    assert child.slot.take_reconcile()


class BreaksAfterTheMove:
    """A link whose connection breaks after the server has executed a release; the child then reserves again."""

    def __init__(self, link: Link, meanwhile: Callable[[], object]) -> None:
        self._link = link
        self._meanwhile: Callable[[], object] | None = meanwhile
        self.timeout = 5.0

    def call(self, command: Command) -> Any:
        reply = self._link.call(command)
        if command.move == "requeue" and self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
            raise ServerUnavailable("the connection broke", sent=True)
        return reply

    def close(self) -> None:
        self._link.close()


def test_a_move_that_may_have_been_executed_is_not_sent_again(place: Channel) -> None:
    """Given a release whose connection broke after it was executed, then messages that the child has reserved again stay reserved."""
    child = place.child()
    child.slot.lease = 60.0
    child.slot.set_beat(monotonic())
    messages = place.reserve(child, 3)
    child.slot.start_next(monotonic() - 0.06, 1)
    again: list[bytes] = []
    place.channel.link = BreaksAfterTheMove(place.channel.link, lambda: again.extend(place.hand().reserve(2)))  # type: ignore[assignment]
    Watchdog(place.channel).tick(monotonic())
    assert [message_id(raw) for raw in again] == [message.id for message in messages[1:]]
    assert place.store.count(State.WAITING) == 0
    assert len(place.store.reserved()) == 3
    assert child.slot.uncertain
    assert child.slot.take_reconcile()
