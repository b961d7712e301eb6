"""The service that carries out cancel requests, whichever command or process is lost on the way."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from taskq.channel import State
from taskq.clock import monotonic, now_ms
from taskq.driver.contract import Command, StoredEnding
from taskq.errors import ServerUnavailable
from taskq.handle.cancel import CancelRequest, pack_request
from taskq.scoreboard.cancel_notice import Notice
from taskq.supervisor.processes.child import Death
from taskq.supervisor.reap import settle_dead
from taskq.supervisor.services.cancels import CANCEL_GRACE, Cancels
from taskq.wire.ending import read_ending
from taskq.wire.signing import Signer
from tests.supervisor.conftest import Channel


class Scene:
    """A channel, the service, and a child whose signals and kills the test records."""

    def __init__(self, place: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = place
        self.child = place.child()
        self.service = Cancels(place.channel)
        self.done: list[str] = []
        monkeypatch.setattr(self.child, "interrupt", lambda: self.done.append("interrupt"))
        monkeypatch.setattr(self.child, "kill", self._kill)

    def _kill(self, why: str) -> None:
        self.child.killed_for = self.child.killed_for or why  # type: ignore[assignment]
        self.done.append(f"kill for {why}")

    def run(self, count: int = 1) -> list[bytes]:
        """Let the child reserve so many messages and start the first; returns their ids."""
        messages = self.place.reserve(self.child, count)
        self.child.slot.set_beat(monotonic())
        assert self.child.slot.start_next(monotonic(), 1)
        return [message.id for message in messages]

    def cancel(self, identity: bytes, *, kill: bool = False) -> None:
        self.place.queue.cancel(identity.hex(), self.place.prefix, kill=kill, by="ops")

    def requests(self) -> list[bytes]:
        return list(self.place.store.client.hkeys(self.place.store.keys.cancels))

    def taken(self) -> tuple[bytes, str] | None:
        """What the child reads: the running one's message, and the requester."""
        notice, (running,) = self.child.slot.notice.take(), self.child.slot.running()
        assert notice is None or notice.started == running.started
        return None if notice is None else (notice.id, notice.by)

    def ending(self, identity: bytes) -> str:
        raw = self.place.store.client.lindex(self.place.store.keys.result(identity.hex()), 0)
        ending = read_ending(raw, identity, None)
        return f"{ending.kind} by {ending.by}"


@pytest.fixture
def scene(place: Channel, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(place, monkeypatch)


def test_a_running_job_is_interrupted_once(scene: Scene) -> None:
    """Given a request whose wake-up was lost, when the service ticks, then the child is interrupted once, until the job has ended."""
    (identity,) = scene.run()
    scene.cancel(identity)
    now = monotonic()
    for later in (0.0, 0.1, 10.0):
        scene.service.tick(now + later)
    assert scene.done == ["interrupt"]
    assert scene.taken() == (identity, "ops")
    assert scene.requests() == [identity]
    scene.child.slot.end_job(0, acked=True, failed=False)
    scene.child.slot.end_batch()
    channel = scene.place.channel
    assert channel.ask(channel.driver.ack(scene.child.worker, [identity])) == 1
    for later in (11.0, 12.0):
        scene.service.tick(now + later)
    assert scene.requests() == []


@pytest.mark.parametrize("how", ["again", "waiting", "delayed"])
def test_an_interrupted_job_whose_worker_dies_never_finishes(scene: Scene, how: str) -> None:
    """Given an interrupted job whose worker crashes first, then its message is removed where it went, or its next run is interrupted."""
    (identity,) = scene.run()
    scene.cancel(identity)
    now, channel = monotonic(), scene.place.channel
    scene.service.tick(now)
    raw = scene.place.store.client.lindex(scene.place.store.keys.reserved(scene.child.worker), 0)
    del channel.children[scene.child.worker]
    for later in (1.0, 2.0, 3.0):  # until its messages are brought back
        scene.service.tick(now + later)
    assert scene.requests() == [identity]
    if how == "delayed":
        assert channel.ask(channel.driver.retry(scene.child.worker, identity, 60_000, raw)) == 1
    else:
        assert channel.ask(channel.driver.requeue(scene.child.worker, "front", [identity])) == 1
    if how == "again":
        channel.children[scene.child.worker] = scene.child
        scene.child.slot.notice.take()
        assert len(scene.place.hand(scene.child.worker).reserve(1)) == 1
        scene.child.slot.begin_batch([identity])
        assert scene.child.slot.start_next(monotonic(), 1)
        scene.service.tick(now + 4.0)
        scene.service.tick(now + 5.0)
        assert scene.done == ["interrupt", "interrupt"]
        assert scene.taken() == (identity, "ops")
    else:
        scene.service.tick(now + 4.0)
        assert scene.ending(identity) == "cancelled by ops"
        assert scene.requests() == []
        assert scene.place.store.count(State.WAITING) + scene.place.store.count(State.DELAYED) == 0


def test_an_unstarted_message_is_settled_and_the_rest_released(scene: Scene) -> None:
    """Given prefetched messages, when one of them is cancelled, then it is settled, and the others wait again."""
    first, second, third = scene.run(3)
    scene.cancel(second)
    scene.service.tick(monotonic())
    assert scene.ending(second) == "cancelled by ops"
    assert [message.id for message in scene.place.store.messages(State.WAITING)] == [third]
    assert scene.place.hand(scene.child.worker).sender.call(scene.place.channel.driver.held(scene.child.worker)) == 1
    assert (scene.done, scene.requests()) == ([], [])
    assert scene.child.slot.running()[0].id == first


def test_a_job_that_goes_on_is_killed_on_request_after_the_grace(scene: Scene) -> None:
    """Given requests with and without kill, then the first kills the process after the grace period, and the message is settled."""
    (identity,) = scene.run()
    scene.cancel(identity)
    now = monotonic()
    scene.service.tick(now)
    scene.service.tick(now + CANCEL_GRACE + 1)
    assert scene.done == ["interrupt"]
    scene.cancel(identity, kill=True)
    scene.service.tick(now + CANCEL_GRACE - 0.5)
    assert scene.done == ["interrupt"]
    scene.service.tick(now + CANCEL_GRACE + 1)
    assert scene.done == ["interrupt", "kill for cancel"]
    settle_dead(scene.place.channel, scene.child, Death(-9), monotonic())
    assert scene.ending(identity) == "cancelled by ops"
    assert scene.place.store.raw(State.WAITING) == []


def test_a_kill_for_one_job_counts_nothing_for_those_beside_it(scene: Scene) -> None:
    """Given two jobs in one process, if it is killed because a cancelled one goes on, then the other waits again, with no crash."""
    first, second = (message.id for message in scene.place.occupy(scene.child, 2, deadlines=(0.0, 0.0), now=monotonic()))
    scene.cancel(first, kill=True)
    now = monotonic()
    scene.service.tick(now)
    scene.service.tick(now + CANCEL_GRACE + 1)
    assert scene.done == ["interrupt", "kill for cancel"]
    settle_dead(scene.place.channel, scene.child, Death(-9), monotonic())
    assert scene.ending(first) == "cancelled by ops"
    (message,) = scene.place.store.messages(State.WAITING)
    assert (message.id, message.attempts, message.crashes) == (second, 0, 0)


def test_one_request_after_the_other(scene: Scene) -> None:
    """Given a child that hasn't read a cancel notice yet, when another request comes, then that one waits until it has."""
    first, second = (message.id for message in scene.place.occupy(scene.child, 2, deadlines=(0.0, 0.0), now=monotonic()))
    now, notice = monotonic(), scene.child.slot.notice
    scene.cancel(first)
    scene.service.tick(now)
    scene.cancel(second)
    scene.service.tick(now)
    assert scene.done == ["interrupt"]
    assert notice.unread == notice.take() == Notice(first, scene.child.slot.running()[0].started, "ops")
    assert notice.unread is notice.take() is None
    scene.service.tick(now)
    assert scene.done == ["interrupt", "interrupt"]
    assert notice.take() == Notice(second, scene.child.slot.running()[1].started, "ops")


def test_an_unread_notice_of_a_run_that_is_over_makes_room(scene: Scene) -> None:
    """Given a job that ignored the signal and has ended, then its notice doesn't keep the next cancel away, and isn't for a later run."""
    first, second = (message.id for message in scene.place.occupy(scene.child, 2, deadlines=(0.0, 0.0), now=monotonic()))
    now, slot = monotonic(), scene.child.slot
    scene.cancel(first)
    scene.service.tick(now)
    slot.lanes.free([0])
    scene.cancel(second)
    scene.service.tick(now)
    assert scene.done == ["interrupt", "interrupt"]
    assert slot.notice.take() == Notice(second, slot.running()[0].started, "ops")


def test_a_long_name_is_cut(scene: Scene) -> None:
    """Given a requester with a long name, then the child reads its beginning."""
    scene.child.slot.notice.put(Notice(b"b" * 16, 1.0, "ö" * 500))
    taken = scene.child.slot.notice.take()
    assert taken is not None
    assert set(taken.by) <= {"ö", "\ufffd"}


def test_a_process_is_not_killed_for_a_message_that_is_settled(scene: Scene) -> None:
    """Given a cancel with kill of a job that has failed, if its on_fail takes longer than the grace period, then its process lives."""
    (identity,) = scene.run()
    scene.cancel(identity, kill=True)
    now, channel = monotonic(), scene.place.channel
    scene.service.tick(now)
    raw = scene.place.store.client.lindex(scene.place.store.keys.reserved(scene.child.worker), 0)
    assert channel.ask(channel.driver.fail(scene.child.worker, State.FAILED, identity, raw)) == 1
    scene.service.tick(now + CANCEL_GRACE + 1)
    assert scene.done == ["interrupt"]
    scene.child.slot.end_job(0, acked=False, failed=True)
    scene.child.slot.end_batch()
    scene.service.tick(now + CANCEL_GRACE + 2)
    assert scene.requests() == []


def test_a_killed_process_takes_no_later_run_with_it(scene: Scene) -> None:
    """Given a process that is killed for a cancelled run, if it has just started the message again, then that run isn't settled."""
    (identity,) = scene.run()
    (running,) = scene.child.slot.running()
    scene.child.killed_for = "cancel"
    scene.child.cancelled[identity, running.started - 1] = StoredEnding(b"cancelled", 60_000)
    settle_dead(scene.place.channel, scene.child, Death(-9), monotonic())
    (message,) = scene.place.store.messages(State.WAITING)
    assert (message.id, message.attempts, message.crashes) == (identity, 0, 0)


def test_an_unstarted_message_whose_settling_is_unknown_is_settled_later(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a cancelled, unstarted message whose settling has an unknown outcome, then the request stays until the outcome is known."""
    _, second = scene.run(2)
    scene.cancel(second)
    channel = scene.place.channel
    call = channel.link.call
    lost = ServerUnavailable("the reply was lost", sent=True)

    def fail(command: Command) -> Any:
        if command.move == "finish":
            channel.link.close()
            raise lost
        return call(command)

    with monkeypatch.context() as patch:
        patch.setattr(channel.link, "call", fail)
        scene.service.tick(monotonic())
    assert scene.child.slot.uncertain
    channel._ask_after = 0.0
    assert channel.ask(channel.driver.time())
    assert not scene.child.slot.uncertain
    assert scene.requests() == [second]
    scene.child.slot.end_batch()
    scene.child.slot.begin_batch([second])  # the child has reconciled
    scene.service.tick(monotonic())
    assert scene.ending(second) == "cancelled by ops"
    assert scene.requests() == []


def _request(scene: Scene, name: bytes, at_ms: int) -> None:
    """Store a request for a message that is nowhere."""
    request = msgspec.msgpack.encode(CancelRequest("ops", False, at_ms, b"x", 1000))
    scene.place.store.client.hset(scene.place.store.keys.cancels, name, request)


@pytest.mark.parametrize("off", [-7_200_000, 0, 7_200_000])
def test_a_request_is_kept_for_an_hour(scene: Scene, off: int) -> None:
    """Given a request for an unknown message by a program whose clock is off, then it stays an hour for another supervisor."""
    _request(scene, b"n" * 16, now_ms() + off)
    for now in (100.0, 200.0, 3699.0):
        scene.service.tick(now)
        assert scene.requests() == [b"n" * 16]
    scene.service.tick(3700.0)
    assert scene.requests() == []


def test_an_invalid_request_is_removed(scene: Scene) -> None:
    """Given bytes that are not a request, then they are removed at once."""
    scene.place.store.client.hset(scene.place.store.keys.cancels, b"i" * 16, b"junk")
    scene.service.tick(100.0)
    assert scene.requests() == []


def test_many_requests_for_messages_elsewhere_are_searched_in_parts(scene: Scene) -> None:
    """Given hundreds of requests that concern other supervisors, then each tick searches for some, and the one that waits here is found."""
    for number in range(150):
        _request(scene, b"%016d" % number, now_ms())
    (identity,) = scene.run()
    scene.cancel(identity)
    scene.service.tick(100.0)
    assert scene.done == ["interrupt"]
    channel, client = scene.place.channel, scene.place.store.client
    asked: list[int] = []
    for tick in range(9):
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        scene.service.tick(101.0 + tick / 10)
        asked.append(client.info("commandstats")["cmdstat_evalsha"]["calls"] - before)
    assert 0 < max(asked) <= 3 * 20
    handle = scene.place.job.push(1)
    _request(scene, bytes.fromhex(handle.id), now_ms())
    for tick in range(9):
        scene.service.tick(103.0 + tick / 10)
    assert bytes.fromhex(handle.id) not in scene.requests()
    assert scene.place.store.count(State.WAITING) == 0
    assert not channel.is_down


@pytest.mark.parametrize("delay", [0, 60])
def test_a_message_that_moved_meanwhile_never_runs_again(scene: Scene, delay: float) -> None:
    """Given a job that fails, or whose worker crashes, at the moment of its cancel, then its message is removed where it went."""
    (identity,) = scene.run()
    scene.cancel(identity)
    channel = scene.place.channel
    raw = scene.place.store.client.lindex(scene.place.store.keys.reserved(scene.child.worker), 0)
    driver, worker = channel.driver, scene.child.worker
    assert channel.ask(driver.retry(worker, identity, 60_000, raw) if delay else driver.requeue(worker, "back", [identity])) == 1
    scene.child.slot.end_batch()
    scene.service.tick(monotonic())
    assert scene.ending(identity) == "cancelled by ops"
    assert scene.requests() == []
    assert scene.place.store.count(State.WAITING) + scene.place.store.count(State.DELAYED) == 0


@pytest.mark.parametrize(("hours", "done"), [(0, ["interrupt"]), (23, ["interrupt"]), (25, [])])
def test_a_signed_request_is_valid_for_a_day(scene: Scene, hours: int, done: list[str]) -> None:
    """Given a secret and a copy of a signed request, when it is a day old, then it is refused and removed, and before that obeyed."""
    (identity,) = scene.run()
    signer = scene.place.channel.signer = Signer(["secret"], scene.place.prefix, "result")
    request = CancelRequest("ops", False, now_ms() - hours * 3_600_000, b"", 1000)
    scene.place.store.client.hset(scene.place.store.keys.cancels, identity, pack_request(request, identity, signer))
    scene.service.tick(monotonic())
    assert scene.done == done
    assert scene.requests() == ([identity] if done else [])


def test_many_forged_requests_cost_a_tick_little(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Given many requests that can't be verified, then each tick removes some and logs one line, and a real one among them is obeyed."""
    (identity,) = scene.run()
    signer = scene.place.channel.signer = Signer(["secret"], scene.place.prefix, "result")
    request = CancelRequest("ops", False, now_ms(), b"", 1000)
    forged = {number.to_bytes(16): pack_request(request, number.to_bytes(16), None) for number in range(50)}
    scene.place.store.client.hset(scene.place.store.keys.cancels, mapping={**forged, identity: pack_request(request, identity, signer)})
    now = monotonic()
    scene.service.tick(now)
    assert scene.done == ["interrupt"]
    assert len(scene.requests()) == 31
    assert caplog.text.count("ignored a cancel request") == 1
    assert " and 49 others: " in caplog.text
    for later in (1.0, 2.0):
        scene.service.tick(now + later)
    assert scene.requests() == [identity]
