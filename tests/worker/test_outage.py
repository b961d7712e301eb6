"""The log of an outage: one line at the start, and one at the end."""

from __future__ import annotations

import logging

import pytest

from taskq.driver.contract import Command
from taskq.errors import QueueFull, ServerRefused, ServerUnavailable
from taskq.worker.outage import Outage

ONE, OTHER = Command("reserve", ("BLMOVE",)), Command("reserve", ("LRANGE",))


@pytest.fixture
def outage(caplog: pytest.LogCaptureFixture) -> Outage:
    caplog.set_level(logging.INFO, "taskq.worker")
    return Outage("w1")


def test_a_connection_that_is_replaced_at_once_is_not_logged(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    """Given a command that fails once, if the next is answered, then nothing is logged."""
    outage.failed(ServerUnavailable("gone"), ONE)
    outage.answered(OTHER)
    assert caplog.messages == []


def test_an_outage_is_logged_once_and_its_end_too(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    """Given many commands that fail one after the other, then the log has one line for them, and one for the first answer."""
    for _ in range(5):
        outage.failed(ServerUnavailable("gone"), ONE)
    for _ in range(5):
        outage.answered(OTHER)
    assert len(caplog.messages) == 2
    assert caplog.messages[0] == "worker w1: gone; retrying"
    assert "the server is reachable again after" in caplog.messages[1]


def test_a_refusal_lasts_until_the_same_command_is_answered(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    """Given one command that is rejected repeatedly while others are answered, then the log has one line until it is answered."""
    for _ in range(3):
        outage.failed(ServerRefused("WRONGTYPE"), ONE)
        outage.answered(OTHER)
    assert len(caplog.messages) == 1
    outage.answered(ONE)
    assert len(caplog.messages) == 2


def test_a_refusal_of_a_command_that_is_never_sent_again_ends(
    outage: Outage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a command that is rejected once, if others are answered for a while, then that ends, and the next outage is logged."""
    clock = [100.0]
    monkeypatch.setattr("taskq.worker.outage.monotonic", lambda: clock[0])
    outage.failed(ServerRefused("WRONGTYPE"), ONE)
    for _ in range(100):
        clock[0] += 0.2
        outage.answered(OTHER)
    for _ in range(2):
        outage.failed(ServerUnavailable("gone"), OTHER)
    assert [message.split(": ")[1][:6] for message in caplog.messages] == ["WRONGT", "the se", "gone; "]


def test_a_full_server_is_logged_until_it_has_room(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    """Given a full server that answers all but one command, then the log has one line that it is full, and one that it has room."""
    for _ in range(3):
        outage.failed(QueueFull("full"), ONE)
        outage.answered(OTHER)
    outage.has_room()
    outage.has_room()
    assert caplog.messages == ["worker w1: full; continuing with waiting messages", "worker w1: the server has memory again"]
