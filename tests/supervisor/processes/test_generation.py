"""A zygote as the supervisor sees it: it loads the app, forks workers on request, and reports how they ended."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq import Queue
from taskq.scoreboard.slot import Scoreboard
from taskq.scoreboard.state import Phase
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.processes.fork import make_lock
from taskq.supervisor.processes.generation import Generation
from taskq.supervisor.processes.zygote import AppInfo, Exited, Failed, Inheritance, Spawn, Started
from taskq.worker_id import new_worker_id
from tests.support.processes import is_alive
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until


class Orders:
    """The supervisor's end of the connection."""

    def __init__(self) -> None:
        self.scoreboard = Scoreboard([make_lock() for _ in range(2)])
        self.pokes, self.poke_fd = os.pipe()
        os.set_blocking(self.poke_fd, False)
        self.generations: list[Generation] = []

    def start(self, source: str | Queue) -> Generation:
        inheritance = Inheritance(self.scoreboard, self.poke_fd, os.getpid(), lambda: None)
        generation = Generation(0, source, WorkerOptions(log_level=None), inheritance)
        self.generations.append(generation)
        return generation

    def close(self) -> None:
        for generation in self.generations:
            generation.end()
        os.close(self.pokes)
        os.close(self.poke_fd)


@pytest.fixture
def orders() -> Iterator[Orders]:
    orders = Orders()
    yield orders
    orders.close()


def receive(generation: Generation) -> Any:
    """Wait for the next report of the zygote."""
    ready, _, _ = select.select([generation], [], [], 20)
    assert ready, "the zygote says nothing"
    return generation.receive()


def load(orders: Orders, queue: Queue) -> Generation:
    generation = orders.start(queue)
    generation.app = receive(generation)
    assert isinstance(generation.app, AppInfo)
    return generation


def test_it_reports_the_jobs_and_channels(orders: Orders, url: str) -> None:
    """Given a queue with jobs in two channels, then the zygote reports their names and settings, without the built-in jobs."""
    queue = Queue(url, channels={"bulk": {"processes": 3}})
    queue.job(name="one")(lambda: None)
    queue.job(name="two", channel="extra")(lambda: None)
    app = load(orders, queue).app
    assert app is not None
    assert app.jobs == ("one", "two")
    assert sorted(app.channels) == ["bulk", "default", "extra"]
    assert app.channels["bulk"].processes == 3
    assert app.threads == 0


def test_an_app_that_does_not_load_is_reported(orders: Orders) -> None:
    """Given a name without a module, then the zygote reports the reason, with the traceback, and exits."""
    generation = orders.start("no_such_app")
    report = receive(generation)
    assert isinstance(report, Failed)
    assert "no module named 'no_such_app'" in report.text
    assert "Traceback" in report.traceback
    assert receive(generation) is None


def test_a_zygote_that_dies_is_noticed(orders: Orders) -> None:
    """Given a zygote that is killed while it loads, then the supervisor gets the end of its reports."""
    generation = orders.start("no_such_app")
    os.kill(generation.pid, signal.SIGKILL)
    wait_until(lambda: receive(generation) is None)


def test_workers_are_forked_and_their_ends_reported(orders: Orders, server: ServerProcess) -> None:
    """Given requests for two workers, then each is a process with a slot, and the end of each is reported with its status and memory."""
    queue = Queue(server.url)
    generation = load(orders, queue)
    settings = queue.channel("default")
    for place in range(2):
        assert generation.spawn(Spawn(place, new_worker_id("box", "x"), settings, server.url))
    pids = {}
    for _ in range(2):
        report = receive(generation)
        assert isinstance(report, Started)
        pids[report.slot_index] = report.pid
    os.kill(pids[0], signal.SIGTERM)
    os.kill(pids[1], signal.SIGKILL)
    ends = {report.slot_index: report for report in (receive(generation), receive(generation))}
    assert all(isinstance(report, Exited) and report.pid == pids[report.slot_index] and report.maxrss > 1000 for report in ends.values())
    assert (ends[0].status, ends[1].status) == (0, -signal.SIGKILL)
    assert orders.scoreboard[0].phase is Phase.STOPPING
    queue.close()


def test_workers_end_with_their_zygote(orders: Orders, server: ServerProcess) -> None:
    """Given a worker, if the supervisor closes the connection, then zygote and worker exit."""
    queue = Queue(server.url)
    generation = load(orders, queue)
    generation.spawn(Spawn(0, new_worker_id("box", "x"), queue.channel("default"), server.url))
    worker = receive(generation).pid
    zygote = generation.pid
    orders.generations.remove(generation)
    generation.end()
    wait_until(lambda: not is_alive(worker) and not is_alive(zygote))
    queue.close()


def test_a_zygote_that_still_loads_is_not_waited_for(orders: Orders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an app that never finishes loading, if the supervisor closes the connection, then the zygote exits at once."""
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.chdir(tmp_path)
    generation = orders.start("endless")
    orders.generations.remove(generation)
    pid, began = generation.pid, time.monotonic()
    generation.end()
    assert not is_alive(pid)
    assert time.monotonic() - began < 3


def test_requests_to_a_dead_zygote_fail(orders: Orders, url: str) -> None:
    """Given a zygote that has exited, then a request fails, and events are dropped."""
    queue = Queue(url)
    generation = load(orders, queue)
    os.kill(generation.pid, signal.SIGKILL)
    assert receive(generation) is None
    assert generation.spawn(Spawn(0, "w", queue.channel("default"), url)) is False
    generation.emit("worker_start", object())
