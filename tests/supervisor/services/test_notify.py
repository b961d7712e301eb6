"""The reports to a service manager, received by a real socket."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from taskq import Queue
from taskq.config import NotifySocket
from taskq.supervisor import WorkerOptions
from taskq.supervisor.manager import ProcessManager
from taskq.supervisor.services.notify import Notifier
from tests.support.notify import NotifyInbox

pytestmark = pytest.mark.one_python


class Worker:
    """The processes of a worker, as they are reported."""

    def __init__(self) -> None:
        self.is_ready = False
        self.can_start = True
        self.reload_error = ""
        self.running = 0

    def occupancy(self) -> tuple[int, int]:
        return self.running, 2


@pytest.fixture(params=["abstract", "path"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifyInbox]:
    """The service manager's end."""
    inbox = NotifyInbox(f"@{uuid.uuid4()}" if request.param == "abstract" else str(tmp_path / "notify"))
    yield inbox
    inbox.close()


def test_the_states_of_a_worker(inbox: NotifyInbox) -> None:
    """Given a worker that starts, reloads and stops, then each state is reported once, and the text of a running one when it changes."""
    notifier, worker = Notifier(NotifySocket(inbox.address, None)), Worker()
    notifier.reloading()  # too early: the service manager waits for the first READY
    notifier.tick(1.0, worker)
    assert inbox.take() == []
    worker.is_ready = True
    notifier.tick(2.0, worker)
    for second in range(2, 60):
        notifier.tick(float(second), worker)
    assert inbox.take() == ["READY=1\nSTATUS=0 jobs running, 2 processes"]
    worker.running, worker.is_ready = 1, False
    for second in range(60, 64):
        notifier.tick(float(second), worker)
    notifier.reloading()
    notifier.reloading()
    notifier.tick(64.0, worker)
    status, *reloading = inbox.take()
    assert status == "STATUS=1 job running, 2 processes"
    assert [one.split("\n")[0] for one in reloading] == ["RELOADING=1"] * 2
    assert int(reloading[1].split("\n")[1].removeprefix("MONOTONIC_USEC=")) > 0
    worker.is_ready, worker.reload_error = True, "no module\nx"
    notifier.tick(65.0, worker)
    assert inbox.take() == ["READY=1\nSTATUS=1 job running, 2 processes; the last reload failed: no module x"]
    worker.reload_error = "\udcff" + "x" * 1_000_000  # the text of an exception may be anything
    notifier.tick(75.0, worker)
    assert inbox.take() == [rf"STATUS=1 job running, 2 processes; the last reload failed: \udcff{'x' * 499}"]
    notifier.stopping("SIGTERM")
    notifier.stopping("SIGTERM")
    notifier.tick(70.0, worker)
    assert inbox.take() == ["STOPPING=1\nSTATUS=stopping: SIGTERM"]
    assert notifier.due == float("inf")  # the loop doesn't wake up for it


def test_signs_of_life(inbox: NotifyInbox) -> None:
    """Given a watchdog of 30 s, then a report is sent every 15 s, none while no process can be started, and again in a shutdown."""
    notifier, worker = Notifier(NotifySocket(inbox.address, 30.0)), Worker()
    worker.is_ready = True

    def signs(begin: float, end: float) -> int:
        now = begin
        while now < end:
            notifier.tick(now, worker)
            assert notifier.due > now
            now = notifier.due
        return inbox.take().count("WATCHDOG=1")

    assert signs(0.0, 60.0) == 4
    worker.can_start = False
    assert signs(60.0, 120.0) == 0
    worker.can_start = True
    assert signs(120.0, 120.1) == 1
    worker.can_start = False
    notifier.stopping("SIGTERM")
    assert signs(120.1, 180.1) == 4


def test_a_service_manager_that_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Given a socket that doesn't exist, then that is logged once, and the state is sent once it does."""
    notifier, worker = Notifier(NotifySocket(str(tmp_path / "notify"), None)), Worker()
    worker.is_ready = True
    with caplog.at_level(logging.WARNING):
        notifier.tick(1.0, worker)
        notifier.tick(20.0, worker)
    (text,) = caplog.messages
    assert text.startswith(f"the service manager can't be notified (NOTIFY_SOCKET={tmp_path}/notify): ")
    inbox = NotifyInbox(str(tmp_path / "notify"))
    notifier.tick(40.0, worker)
    assert inbox.take()[0].startswith("READY=1")
    inbox.close()


def test_without_a_service_manager() -> None:
    """Given no socket, then nothing is ever due."""
    notifier = Notifier(None)
    notifier.starting()
    notifier.stopping("SIGTERM")
    notifier.tick(1e9, Worker())
    assert notifier.due == float("inf")


def test_when_processes_can_start() -> None:
    """Given zygotes, then processes can start if the newest loaded one answers, and the last fork succeeded."""
    read, write = os.pipe()
    manager = ProcessManager(Queue(), WorkerOptions(), write, lambda: None)
    loading, loaded, hung = (SimpleNamespace(app=app, silent=silent) for app, silent in [(None, 0.0), (1, 0.0), (1, 6.0)])
    for generations, expected in [([], False), ([loading], False), ([loaded, loading], True), ([loaded, hung], False)]:
        manager.generations[:] = generations  # type: ignore[assignment]
        assert manager.can_start is expected
    manager.generations[:] = [loaded]  # type: ignore[list-item]
    manager._can_fork = False
    assert not manager.can_start
    os.close(read)
    os.close(write)
