"""Settling: acks stay pending for a moment, other verdicts are sent at once, and again after a broken connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskq import Queue
from taskq.channel import State
from taskq.config import ChannelSettings
from taskq.driver.contract import Command, StoredEnding
from taskq.driver.redis.driver import RedisDriver
from taskq.errors import QueueFull, ServerRefused, ServerUnavailable
from taskq.inspector.entry import fresh
from taskq.wire.history import add_record, record_of
from taskq.wire.message import Message
from taskq.worker.execute.verdict import ACKED, Action, Verdict
from taskq.worker.settler import Settler, StoppedUnsettled
from tests.support.hand import HandWorker

ID = bytes(range(16))


def _nothing() -> None: ...


class FakeLink:
    """A connection whose answers the test writes: an exception is raised, everything else is returned."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.sent: list[Command] = []

    def call(self, command: Command) -> Any:
        self.sent.append(command)
        answer = self.answers.pop(0) if self.answers else 1
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def moves(self) -> list[str]:
        return [command.move for command in self.sent]


class Scene:
    """A settler with stand-ins for its parts."""

    def __init__(self) -> None:
        self.link = FakeLink()
        self.stopping = False
        self.pauses: list[float] = []
        self.acks_sent: list[str] = []
        driver = RedisDriver("unix:///nowhere.sock", ChannelSettings(name="default"))
        self.settler = Settler(driver, self.link, "w1", stopping=lambda: self.stopping, pause=self.pauses.append)  # type: ignore[arg-type]

    def announce(self, what: str) -> Callable[[], None]:
        return lambda: self.acks_sent.append(what)


class LosesOneReply:
    """A connection that loses its first reply. Meanwhile the message is made due again, and the worker reserves it."""

    def __init__(self, worker: HandWorker) -> None:
        self._worker = worker
        self.came_back: list[bytes] = []

    def call(self, command: Command) -> Any:
        worker, call = self._worker, self._worker.sender.call
        reply = call(command)
        if self.came_back:
            return reply
        if command.move == "retry":
            call(worker.driver.promote())
        else:
            call(worker.driver.restore(State.FAILED, [(raw, fresh(raw)) for raw in call(worker.driver.page(State.FAILED, 0, 10))[::2]]))
        self.came_back = worker.reserve()
        raise ServerUnavailable("the reply was lost", sent=True)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_acks_stay_pending_and_are_sent_together(scene: Scene) -> None:
    """Given three jobs that succeeded, then nothing is sent until the flush, which settles all of them in one request."""
    for index in range(3):
        scene.settler.settle(bytes([index]) * 16, ACKED, b"")
    assert scene.link.sent == []
    scene.settler.flush()
    assert scene.link.moves == ["ack"]
    assert scene.link.sent[0].words[-3:] == tuple(bytes([index]) * 16 for index in range(3))
    scene.settler.flush()
    assert len(scene.link.sent) == 1


def test_the_age_of_the_oldest_ack_asks_for_a_flush(scene: Scene) -> None:
    """Given a pending ack, then a flush is due when it is older than ten milliseconds, regardless of later ones."""
    settler = scene.settler
    assert not settler.is_due(100.0)
    settler.keep(ID, 100.0)
    settler.keep(ID, 100.008)
    assert not settler.is_due(100.008)
    assert settler.is_due(100.011)
    settler.acks_sent(2)
    assert not settler.is_due(200.0)


KEPT = StoredEnding(b"result", 5)


def test_results_travel_with_the_acks(scene: Scene) -> None:
    """Given jobs with and without results, then one command settles them and stores the results, and the next carries none."""
    scene.settler.keep_ending(ID, KEPT, b"raw", 1.0)
    scene.settler.keep(b"other" * 3 + b"x", 1.0)
    scene.link.answers = [2]
    scene.settler.flush()
    (sent,) = scene.link.sent
    assert sent.words == ("2", "{queue}:reserved:w1", f"{{queue}}:result:{ID.hex()}", "0", ID, b"other" * 3 + b"x", ID, b"5", b"result")
    assert (scene.settler.done, scene.settler.endings) == ([], [])


@pytest.mark.parametrize(("standing", "moves", "logged"), [(1, [], 0), (0, ["adopt", "ack"], 0), (-1, [], 1)])
def test_results_of_missing_messages_are_looked_after(
    scene: Scene, caplog: pytest.LogCaptureFixture, standing: int, moves: list[str], logged: int
) -> None:
    """Given a missing message: the supervisor has settled it, or the server has lost it (it is stored again), or it was reassigned."""
    scene.settler.keep_ending(ID, KEPT, b"raw", 1.0)
    scene.link.answers = [0, standing]
    scene.settler.flush()
    assert [command.script.name for command in scene.link.sent if command.script] == ["ack", "standing", *moves]
    assert caplog.text.count("was declared lost and the message was reassigned") == logged
    if moves:
        assert b"raw" in scene.link.sent[2].words
        assert b"result" in scene.link.sent[3].words


def test_a_repeat_compares_all_messages(scene: Scene) -> None:
    """Given ordered acks, if the connection breaks, then the repeat doesn't rely on the order, and neither does the next command."""
    scene.settler.is_ordered = True
    scene.settler.keep(ID, 1.0)
    scene.link.answers = [ServerUnavailable("cut")]
    scene.settler.flush()
    scene.settler.keep(ID, 1.0)
    scene.settler.flush()
    assert [command.words[2] for command in scene.link.sent] == ["1", "0", "0"]


@pytest.mark.parametrize(
    ("verdict", "move", "words"),
    [
        (Verdict(action=Action.RETRY, message=b"new", delay_ms=250), "retry", (ID, "250", b"new")),
        (Verdict(action=Action.REQUEUE), "requeue", ("back", "0", ID)),
        (Verdict(action=Action.REQUEUE, delay_ms=70), "requeue", ("later", "70", ID)),
        (Verdict(action=Action.PARK, message=b"new"), "park", (ID, b"new")),
        (Verdict(action=Action.FAIL, message=b"new"), "fail", (ID, b"new")),
    ],
)
def test_other_verdicts_are_sent_at_once(scene: Scene, verdict: Verdict, move: str, words: tuple[Any, ...]) -> None:
    """Given a verdict other than an ack, then its move is sent at once, with what it needs."""
    scene.settler.settle(ID, verdict, b"old")
    assert scene.link.moves == [move]
    sent = scene.link.sent[0].words
    assert any(sent[start : start + len(words)] == words for start in range(len(sent)))


def test_a_failure_goes_to_its_state(scene: Scene) -> None:
    """Given a permanent timeout, then the message goes to the key of timeout, not failed."""
    scene.settler.settle(ID, Verdict(action=Action.FAIL, state=State.TIMEOUT, message=b"new"), b"old")
    assert "{queue}:timeout" in scene.link.sent[0].words
    assert "{queue}:failed" not in scene.link.sent[0].words


def test_what_follows_is_announced_after_the_move(scene: Scene) -> None:
    """Given a verdict with an announcement, then it comes once the server has answered."""
    scene.link.answers = [ServerUnavailable("away"), [], 1]
    scene.settler.settle(ID, Verdict(action=Action.RETRY, announce=scene.announce("retry")), b"old")
    assert (scene.acks_sent, scene.link.moves) == (["retry"], ["retry", "reserve", "retry"])


def test_a_reassigned_message_is_not_announced(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Given a message that was reassigned meanwhile, then nothing is announced or restored, and that is logged."""
    scene.link.answers = [0, 1]  # not there; this worker's standing is as before
    scene.settler.settle(ID, Verdict(action=Action.FAIL, message=b"new", announce=scene.announce("failed")), b"old")
    assert scene.acks_sent == []
    assert "was declared lost and the message was reassigned" in caplog.text


def test_a_message_that_the_server_has_lost_is_restored_and_settled(scene: Scene) -> None:
    """Given a server that has forgotten this worker (a flush), then the message is stored again, settled, and announced."""
    scene.link.answers = [0, 0, 1, 1]  # not there; no standing; one put back; settled
    scene.settler.settle(ID, Verdict(action=Action.FAIL, message=b"new", announce=scene.announce("failed")), b"old")
    assert scene.link.sent[0] == scene.link.sent[3]
    assert b"old" in scene.link.sent[2].words
    assert scene.acks_sent == ["failed"]


def test_after_a_broken_connection_a_missing_message_proves_nothing(scene: Scene) -> None:
    """Given a move whose first reply was lost, then 0 in the second try doesn't mean a loss: it is announced, and reconciling is due."""
    scene.link.answers = [ServerUnavailable("cut", sent=True), [], 0, 1]
    scene.settler.settle(ID, Verdict(action=Action.RETRY, announce=scene.announce("retry")), b"old")
    assert scene.acks_sent == ["retry"]
    assert scene.settler.uncertain


@pytest.mark.parametrize("action", [Action.FAIL, Action.RETRY])
def test_a_message_that_is_reserved_again_is_not_settled_again(url: str, prefix: str, action: Action) -> None:
    """Given a move whose reply was lost, and the message reserved again by the same worker, then the repeat doesn't end the new run."""
    queue = Queue(url)
    queue.job(channel=prefix)(_nothing).push()
    worker = HandWorker(queue, prefix)
    link = LosesOneReply(worker)
    settler = Settler(worker.driver, link, worker.name, stopping=lambda: False, pause=lambda _: None)  # type: ignore[arg-type]
    message = Message(worker.reserve()[0])
    new = message.changed(attempts=1, history=add_record(b"", record_of("failed", worker.name, 1, ValueError("no"))))
    announced: list[str] = []
    verdict = Verdict(action=action, message=new, announce=lambda: announced.append("yes"))
    settler.settle(message.id, verdict, message.raw)
    assert [raw[2:18] for raw in link.came_back] == [message.id]
    assert worker.sender.call(worker.driver.holdings(worker.name)) == link.came_back
    assert announced == ["yes"]


@pytest.mark.parametrize("error", [ServerUnavailable("away"), QueueFull("full"), ServerRefused("no")])
def test_it_asks_until_the_server_answers(scene: Scene, error: Exception) -> None:
    """Given a server that is unreachable, full, or rejects for a while, then the request is repeated until it is answered, with pauses."""
    scene.link.answers = [error] * 5 + [7]
    settler = scene.settler
    command = settler._driver.ack("w1", [ID])
    assert settler.insist(command) == 7
    assert scene.link.sent == [command] * 6
    assert len(scene.pauses) == 5
    assert all(0 < pause <= 5.0 for pause in scene.pauses)
    assert settler.uncertain


def test_it_gives_up_only_when_it_must_stop(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a server that stays unreachable and a worker that must stop, then it exits soon, and unsettled messages stay reserved."""
    monkeypatch.setattr(scene.settler, "_patience", 0.1)
    scene.settler.settle(ID, ACKED, b"")
    scene.link.answers = [ServerUnavailable("away")] * 50
    scene.stopping = True
    with pytest.raises(StoppedUnsettled, match="away"):
        scene.settler.flush()
    assert scene.settler.done == [ID]
    assert 2 <= len(scene.link.sent) < 10


def test_a_broken_connection_is_no_reason_to_give_up(scene: Scene) -> None:
    """Given a worker that must stop, if its connection was cut, then it settles over another one."""
    scene.settler.settle(ID, ACKED, b"")
    scene.link.answers = [ServerUnavailable("cut")]
    scene.stopping = True
    scene.settler.flush()
    assert scene.settler.done == []


def test_releasing_nothing_sends_nothing(scene: Scene) -> None:
    """Given no unstarted messages, then no request is sent; given some, then they go to the front."""
    scene.settler.release("front", [])
    assert scene.link.sent == []
    scene.settler.release("front", [ID])
    assert scene.link.sent[0].words[-3:] == ("front", "0", ID)
