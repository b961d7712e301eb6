"""The wait for wake-up tokens: each wakes its own subscriber, and a broken connection neither."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskq.clock import monotonic
from taskq.polling import wait_for
from taskq.supervisor.services.wakeup import WakeUp
from taskq.worker_id import machine_name, machine_tag, new_worker_id
from tests.supervisor.conftest import Channel
from tests.support.servers import ServerProcess


class Listening:
    """A wake-up service, and which subscribers it has woken."""

    def __init__(self, place: Channel) -> None:
        self.woken: list[str] = []
        self.service = WakeUp(
            [place.channel],
            on_due=lambda channel: self.woken.append("due"),
            on_cancel=lambda channel: self.woken.append("cancel"),
        )
        self.service.tick(monotonic())

    def take(self) -> list[str]:
        """Wait until the socket is readable, and return the subscribers that were woken."""
        fd = self.service.fileno()
        assert fd is not None
        assert wait_for([fd], 5.0) == [fd]
        self.service.woken()
        return self.woken


@pytest.fixture
def listening(place: Channel) -> Iterator[Listening]:
    listening = Listening(place)
    yield listening
    listening.service.close()


def test_an_earlier_message_wakes_promote(place: Channel, listening: Listening, server: ServerProcess) -> None:
    """Given a wait, if the token of an earlier delayed message arrives, then promote is woken, and the next wait starts at once."""
    server.admin.lpush(place.store.keys.wake, "1")
    assert listening.take() == ["due"]
    assert listening.service.due == 0.0
    listening.service.tick(monotonic())
    assert listening.service.fileno() is not None


def test_a_cancel_request_wakes_cancels(place: Channel, listening: Listening, server: ServerProcess) -> None:
    """Given a wait, if the token of a cancel request for this supervisor arrives, then only cancels is woken."""
    worker = new_worker_id(machine_name(), machine_tag())
    server.admin.lpush(place.store.keys.cancel_wake(worker), "1")
    assert listening.take() == ["cancel"]


def test_a_broken_connection_wakes_nothing_and_is_left_alone(listening: Listening, server: ServerProcess) -> None:
    """Given a wait, if the server closes the connection, then nothing is woken, and the next wait starts after a pause."""
    server.admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert listening.take() == []
    now = monotonic()
    listening.service.tick(now)
    assert listening.service.fileno() is None
    assert listening.service.due > now
    listening.service.tick(now + 2.0)
    assert listening.service.fileno() is not None
