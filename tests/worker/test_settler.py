"""Settling: acks are kept for a moment, everything else is told at once, and again after every broken connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskq.channel import State
from taskq.config import ChannelSettings
from taskq.driver.contract import Command
from taskq.driver.redis.driver import RedisDriver
from taskq.errors import QueueFull, ServerRefused, ServerUnavailable
from taskq.worker.execute.verdict import ACKED, Action, Verdict
from taskq.worker.settler import Settler, StoppedUnsettled

ID = bytes(range(16))


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
    """A settler with what it depends on."""

    def __init__(self) -> None:
        self.link = FakeLink()
        self.stopping = False
        self.pauses: list[float] = []
        self.acks_sent: list[str] = []
        driver = RedisDriver("unix:///nowhere.sock", ChannelSettings(name="default"))
        self.settler = Settler(driver, self.link, "w1", stopping=lambda: self.stopping, pause=self.pauses.append)  # type: ignore[arg-type]

    def announce(self, what: str) -> Callable[[], None]:
        return lambda: self.acks_sent.append(what)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_acks_are_kept_and_reported_together(scene: Scene) -> None:
    """Given three jobs that ended well, then nothing is sent until the flush, which tells all of them in one request."""
    for index in range(3):
        scene.settler.settle(bytes([index]) * 16, ACKED, b"")
    assert scene.link.sent == []
    scene.settler.flush()
    assert scene.link.moves == ["ack"]
    assert scene.link.sent[0].words[-3:] == tuple(bytes([index]) * 16 for index in range(3))
    scene.settler.flush()
    assert len(scene.link.sent) == 1


def test_the_age_of_the_oldest_ack_asks_for_a_flush(scene: Scene) -> None:
    """Given an ack that is kept, then a flush is due when it is older than ten milliseconds, whatever came after it."""
    settler = scene.settler
    assert not settler.is_due(100.0)
    settler.keep(ID, 100.0)
    settler.keep(ID, 100.008)
    assert not settler.is_due(100.008)
    assert settler.is_due(100.011)
    settler.acks_sent()
    assert not settler.is_due(200.0)


@pytest.mark.parametrize(
    ("verdict", "move", "words"),
    [
        (Verdict(action=Action.RETRY, message=b"new", delay_ms=250), "retry", (ID, 250, b"new")),
        (Verdict(action=Action.REQUEUE), "requeue", ("back", 0, ID)),
        (Verdict(action=Action.REQUEUE, delay_ms=70), "requeue", ("later", 70, ID)),
        (Verdict(action=Action.PARK, message=b"new"), "park", (ID, b"new")),
        (Verdict(action=Action.FAIL, message=b"new"), "fail", (ID, b"new")),
    ],
)
def test_everything_else_is_reported_at_once(scene: Scene, verdict: Verdict, move: str, words: tuple[Any, ...]) -> None:
    """Given a verdict that is no ack, then its move is sent at once, with what it needs."""
    scene.settler.settle(ID, verdict, b"old")
    assert scene.link.moves == [move]
    sent = scene.link.sent[0].words
    assert any(sent[start : start + len(words)] == words for start in range(len(sent)))


def test_a_failure_goes_to_its_state(scene: Scene) -> None:
    """Given a timeout for good, then the message goes to the key of timeout, not failed."""
    scene.settler.settle(ID, Verdict(action=Action.FAIL, state=State.TIMEOUT, message=b"new"), b"old")
    assert "{queue}:timeout" in scene.link.sent[0].words
    assert "{queue}:failed" not in scene.link.sent[0].words


def test_what_follows_is_announced_after_the_move(scene: Scene) -> None:
    """Given a verdict with an announcement, then it comes once the server has answered."""
    scene.link.answers = [ServerUnavailable("away"), 1]
    scene.settler.settle(ID, Verdict(action=Action.RETRY, announce=scene.announce("retry")), b"old")
    assert (scene.acks_sent, len(scene.link.sent)) == (["retry"], 2)


def test_a_message_that_is_others_now_is_not_announced(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Given a message that was given to others meanwhile, then nothing is announced, nothing put back, and the log says so."""
    scene.link.answers = [0, 1]  # not there; this worker's standing is as before
    scene.settler.settle(ID, Verdict(action=Action.FAIL, message=b"new", announce=scene.announce("failed")), b"old")
    assert scene.acks_sent == []
    assert "was declared lost and the message was reassigned" in caplog.text


def test_a_message_that_the_server_has_lost_is_put_back_and_settled(scene: Scene) -> None:
    """Given a server that has forgotten this worker (a flush), then the message is stored again, settled, and announced."""
    scene.link.answers = [0, 0, 1, 1]  # not there; no standing; one put back; settled
    scene.settler.settle(ID, Verdict(action=Action.FAIL, message=b"new", announce=scene.announce("failed")), b"old")
    assert scene.link.sent[0] == scene.link.sent[3]
    assert b"old" in scene.link.sent[2].words
    assert scene.acks_sent == ["failed"]


def test_an_absent_message_after_a_broken_connection_proves_nothing(scene: Scene) -> None:
    """Given a move whose first answer was lost, then 0 in the second try is no sign of a loss: it is announced, and doubt stays."""
    scene.link.answers = [ServerUnavailable("cut", sent=True), 0, 1]
    scene.settler.settle(ID, Verdict(action=Action.RETRY, announce=scene.announce("retry")), b"old")
    assert scene.acks_sent == ["retry"]
    assert scene.settler.uncertain


@pytest.mark.parametrize("error", [ServerUnavailable("away"), QueueFull("full"), ServerRefused("no")])
def test_it_asks_until_the_server_answers(scene: Scene, error: Exception) -> None:
    """Given a server that is away, full, or refuses for a while, then the same request is sent again until it is answered, with pauses."""
    scene.link.answers = [error] * 5 + [7]
    settler = scene.settler
    command = settler._driver.ack("w1", [ID])
    assert settler.insist(command) == 7
    assert scene.link.sent == [command] * 6
    assert len(scene.pauses) == 5
    assert all(0 < pause <= 5.0 for pause in scene.pauses)
    assert settler.uncertain


def test_it_stops_trying_only_at_a_shutdown(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a server that stays away and a worker that is told to stop, then it is soon gone, and what is unsettled stays kept."""
    monkeypatch.setattr(scene.settler, "_patience", 0.1)
    scene.settler.settle(ID, ACKED, b"")
    scene.link.answers = [ServerUnavailable("away")] * 50
    scene.stopping = True
    with pytest.raises(StoppedUnsettled, match="away"):
        scene.settler.flush()
    assert scene.settler.done == [ID]
    assert 2 <= len(scene.link.sent) < 10


def test_a_broken_connection_is_no_reason_to_give_up(scene: Scene) -> None:
    """Given a worker that is told to stop, if its connection was cut, then it settles over another one."""
    scene.settler.settle(ID, ACKED, b"")
    scene.link.answers = [ServerUnavailable("cut")]
    scene.stopping = True
    scene.settler.flush()
    assert scene.settler.done == []


def test_nothing_to_give_back_asks_nobody(scene: Scene) -> None:
    """Given no unstarted messages, then no request is sent; given some, then they go to the front."""
    scene.settler.release("front", [])
    assert scene.link.sent == []
    scene.settler.release("front", [ID])
    assert scene.link.sent[0].words[-3:] == ("front", 0, ID)
