"""The process of the event listeners: events of any size, a process that is slow, and one that has died."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from taskq import events
from taskq.events import ProcessEvent
from taskq.supervisor.processes.listeners import Listeners
from tests.support.wait import wait_until

#: More than a pipe holds, and far more than it takes at once.
LARGE = tuple(f"channel-{number}" for number in range(10_000))


def event(pid: int, channels: tuple[str, ...] = ()) -> ProcessEvent:
    return ProcessEvent(worker="w", pid=pid, channels=channels)


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Path]:
    """The file into which the listener writes a line for each event."""
    path = tmp_path / "heard"
    path.touch()

    def listener(one: ProcessEvent) -> None:
        with path.open("a") as file:
            file.write(json.dumps([one.pid, len(one.channels)]) + "\n")

    events.worker_start.connect(listener)
    yield path
    events.worker_start.disconnect(listener)


@pytest.fixture
def listeners(heard: Path) -> Iterator[Listeners]:
    listeners = Listeners(lambda parent, title: None)
    listeners.start()
    yield listeners
    listeners.end()
    assert listeners._process.exitcode is not None


def lines(path: Path) -> list[list[int]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)


def test_a_large_event_arrives_whole(listeners: Listeners, heard: Path) -> None:
    """Given a stopped process and an event that its pipe can't hold, then later events are dropped until it has arrived whole."""
    stop(listeners._process.pid)
    listeners.emit("worker_start", event(1, LARGE))
    listeners.emit("worker_start", event(2))
    os.kill(listeners._process.pid, signal.SIGCONT)
    wait_until(lambda: listeners.emit("worker_start", event(3)) or lines(heard)[-1:] == [[3, 0]])
    assert [one for one in lines(heard) if one[0] != 3] == [[1, len(LARGE)]]


def test_the_last_event_arrives_whole(listeners: Listeners, heard: Path) -> None:
    """Given a large event, if the worker exits, then the listener still gets it."""
    listeners.emit("worker_start", event(1, LARGE))
    listeners.end()
    assert lines(heard) == [[1, len(LARGE)]]
    listeners.start()  # for the fixture


def test_a_dead_process_delays_no_end(listeners: Listeners) -> None:
    """Given a process that was killed in the middle of an event, if the worker exits, then nothing is raised."""
    stop(listeners._process.pid)
    listeners.emit("worker_start", event(1, LARGE))
    listeners._process.kill()
    listeners.end()
    assert listeners._process.exitcode == -signal.SIGKILL
    listeners.start()  # for the fixture


def test_another_process_gets_the_events_after_a_crash(listeners: Listeners, heard: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Given a process that was killed in the middle of an event, then another one gets the next event from its beginning."""
    killed = listeners._process
    stop(killed.pid)
    listeners.emit("worker_start", event(1, LARGE))
    killed.kill()
    wait_until(lambda: killed.exitcode is not None)
    listeners.emit("worker_start", event(2))
    wait_until(lambda: lines(heard) == [[2, 0]])
    assert "was killed by SIGKILL (signal 9); starting another" in caplog.text
    assert listeners._process is not killed


def test_a_fork_that_fails_is_tried_again(
    listeners: Listeners, heard: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given no room for another process, then the zygote goes on, leaks no descriptor, and the next event tries it again."""
    killed = listeners._process
    killed.kill()
    wait_until(lambda: killed.exitcode is not None)

    def fail(*args: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr("taskq.supervisor.processes.listeners.fork", fail)
        listeners.emit("worker_start", event(1))
        before = psutil.Process().num_fds()
        listeners.emit("worker_start", event(2))
        listeners.close_copy()
        listeners.end()
        assert psutil.Process().num_fds() == before
    assert "can't fork the process of the event listeners: [Errno 11] Resource temporarily unavailable" in caplog.text
    listeners.emit("worker_start", event(3))
    wait_until(lambda: lines(heard) == [[3, 0]])
