"""A zygote as the supervisor sees it: it loads the app, forks workers on request, and reports how they ended."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from taskq import Queue
from taskq.doctor.leftovers import Leftovers
from taskq.events import ProcessEvent
from taskq.scoreboard.state import Phase
from taskq.supervisor.manager import ProcessManager
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.processes.generation import Generation
from taskq.supervisor.processes.slots import Slots
from taskq.supervisor.processes.zygote import AppInfo, Exited, Failed, Inheritance, Spawn, Started
from taskq.worker_id import new_worker_id
from tests.support.processes import is_alive
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until


class Orders:
    """The supervisor's end of the connection."""

    def __init__(self) -> None:
        self.slots = Slots(2)
        self.pokes, self.poke_fd = os.pipe()
        os.set_blocking(self.poke_fd, False)
        self.generations: list[Generation] = []

    def start(self, source: str | Queue) -> Generation:
        inheritance = Inheritance(self.slots.scoreboard, self.poke_fd, os.getpid(), lambda: None, None)
        generation = Generation(0, source, WorkerOptions(log_level=None), self.slots, inheritance)
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
    assert app.left == Leftovers()


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
        generation.spawn(Spawn(place, new_worker_id("box", "x"), settings, server.url))
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
    assert orders.slots[0].phase is Phase.STOPPING
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


def test_nothing_waits_for_an_old_zygote(orders: Orders, url: str) -> None:
    """Given a zygote that doesn't exit, then the supervisor, which must send heartbeats, drops it at once and reaps it later."""
    manager = ProcessManager(Queue(url), WorkerOptions(log_level=None), orders.poke_fd, lambda: None)
    generation = manager.new_generation()
    generation.app = receive(generation)
    pid = generation.pid
    os.kill(pid, signal.SIGSTOP)
    manager.drop(generation)
    manager.keep_wanted([])
    assert is_alive(pid)
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: manager.keep_wanted([]) or not is_alive(pid))
    assert generation.has_ended()
    manager.close()


def test_an_old_zygote_that_hangs_is_killed(orders: Orders, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a zygote that never exits, then it is killed once its time is over."""
    monkeypatch.setattr("taskq.supervisor.processes.generation._LAST_SECONDS", 0.01)
    generation = load(orders, Queue(url))
    orders.generations.remove(generation)
    pid = generation.pid
    os.kill(pid, signal.SIGSTOP)
    generation.begin_end()
    wait_until(generation.has_ended)
    assert not is_alive(pid)


def test_a_zygote_that_still_loads_is_not_waited_for(orders: Orders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an app that never finishes loading, if the supervisor closes the connection, then the zygote exits at once."""
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.chdir(tmp_path)
    generation = orders.start("endless")
    orders.generations.remove(generation)
    pid, began = generation.pid, time.monotonic()
    generation.end()
    assert not is_alive(pid)
    assert time.monotonic() - began < 30


def test_requests_to_an_exited_zygote_are_dropped(orders: Orders, url: str) -> None:
    """Given a zygote that has exited, then neither a request nor an event raises an error or waits."""
    queue = Queue(url)
    generation = load(orders, queue)
    os.kill(generation.pid, signal.SIGKILL)
    assert receive(generation) is None
    generation.spawn(Spawn(0, "w", queue.channel("default"), url))
    generation.emit("worker_start", object())
    assert not generation.has_unsent


def stopped(orders: Orders, queue: Queue) -> Generation:
    """A zygote that is stopped, behind a connection that takes few requests."""
    generation = load(orders, queue)
    with socket.socket(fileno=os.dup(generation.fileno())) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the system raises it to its minimum
    os.kill(generation.pid, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(generation.pid).status() == psutil.STATUS_STOPPED)
    return generation


def test_requests_wait_until_the_zygote_can_take_them(orders: Orders, server: ServerProcess) -> None:
    """Given a stopped zygote and more requests than its pipe takes, then none blocks or is lost: it handles all of them in order later."""
    queue = Queue(server.url)
    generation = stopped(orders, queue)
    for place in range(12):
        generation.spawn(Spawn(place, new_worker_id("box", "x"), queue.channel("default"), server.url))
    assert generation.has_unsent
    assert generation.unanswered == 12
    os.kill(generation.pid, signal.SIGCONT)
    started: list[int] = []
    while len(started) < 12:
        generation.flush()
        report = receive(generation)
        assert isinstance(report, Started)
        generation.answered()
        started.append(report.slot_index)
    assert started == list(range(12))
    assert (generation.has_unsent, generation.unanswered) == (False, 0)
    queue.close()


def test_requests_that_were_not_sent_can_be_withdrawn(orders: Orders, server: ServerProcess) -> None:
    """Given a stopped zygote, if the waiting requests are withdrawn, then it gets only the ones that were in its pipe."""
    queue = Queue(server.url)
    generation = stopped(orders, queue)
    for place in range(12):
        generation.spawn(Spawn(place, new_worker_id("box", "x"), queue.channel("default"), server.url))
    withdrawn = [one.slot_index for one in generation.withdraw()]
    assert withdrawn == list(range(12))[-len(withdrawn) :]
    assert 0 < generation.unanswered == 12 - len(withdrawn) < 12
    os.kill(generation.pid, signal.SIGCONT)
    assert [receive(generation).slot_index for _ in range(generation.unanswered)] == list(range(12 - len(withdrawn)))
    queue.close()


def test_events_for_a_hung_zygote_are_bounded(orders: Orders, server: ServerProcess) -> None:
    """Given a stopped zygote, then only some events wait for it, and a later request still does."""
    queue = Queue(server.url)
    generation = stopped(orders, queue)
    assert generation.app is not None
    generation.app = msgspec.structs.replace(generation.app, listened=("worker_start",))
    for _ in range(1000):
        generation.emit("worker_start", ProcessEvent(worker="w", pid=1, channels=()))
    generation.spawn(Spawn(0, new_worker_id("box", "x"), queue.channel("default"), server.url))
    assert len(generation._unsent) <= 101
    os.kill(generation.pid, signal.SIGCONT)
    wait_until(lambda: generation.flush() or not generation.has_unsent)
    assert isinstance(receive(generation), Started)
    queue.close()
