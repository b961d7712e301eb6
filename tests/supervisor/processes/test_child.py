"""Worker processes: how they are forked, stopped and killed, and how they end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from taskq.scoreboard.slot import Scoreboard, Slot
from taskq.supervisor.processes.child import Child, Death
from taskq.supervisor.processes.fork import die_with_parent, fork, make_pipe
from tests.support.processes import is_alive
from tests.support.wait import wait_until


@pytest.fixture
def slot() -> Slot:
    return Scoreboard([multiprocessing.get_context("fork").Lock()])[0]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "exited with code 0"),
        (3, "exited with code 3"),
        (-9, "was killed by SIGKILL (signal 9)"),
        (-11, "was killed by SIGSEGV (signal 11)"),
        (-99, "was killed by unknown signal (signal 99)"),
        (None, "ended with its zygote"),
    ],
)
def test_a_death_is_described(status: int | None, text: str) -> None:
    """Given an exit status, then its description is readable; without one, the process has died with its zygote."""
    assert str(Death(status)) == text
    assert Death(status).is_with_zygote == (status is None)
    assert not Death(status, unknown="could not be forked").is_with_zygote


ENDS: dict[str, tuple[Callable[[], object], int]] = {
    "returns": (lambda: None, 0),
    "exits": (lambda: sys.exit(4), 4),
    "raises": (lambda: 1 // 0, 1),
    "leaves": (lambda: os._exit(5), 5),
    "killed": (lambda: os.kill(os.getpid(), signal.SIGKILL), -9),
}


@pytest.mark.parametrize("kind", ENDS)
def test_the_end_of_a_forked_process_is_known(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Given processes that end in every way, then their exit code and their peak memory are known."""
    work, code = ENDS[kind]
    process = fork(work)
    wait_until(lambda: process.exitcode is not None)
    assert process.exitcode == code
    assert process.maxrss > 1000
    process.close()
    capfd.readouterr()


def test_a_process_costs_its_parent_no_descriptor() -> None:
    """Given forked processes, then each leaves the descriptors of its parent as they were: later ones would inherit what it opened."""
    before = len(os.listdir("/dev/fd"))
    processes = [fork(time.sleep, 60) for _ in range(3)]
    assert len(os.listdir("/dev/fd")) == before
    for process in processes:
        process.kill()
        process.join(5)
        assert process.exitcode == -signal.SIGKILL
        process.close()


def test_join_returns_after_its_timeout() -> None:
    """Given a process that doesn't exit, then `join` returns after its timeout."""
    process = fork(time.sleep, 60)
    process.join(0.01)
    assert process.exitcode is None
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    process.close()


def test_sigterm_is_blocked_until_the_process_unblocks_it() -> None:
    """Given SIGTERM right after the fork, then it is held back until the process has its own handler; the parent isn't affected."""
    here, there = make_pipe()

    def live() -> None:
        received: list[int] = []
        here.close()
        there.recv()
        signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        there.send(received)

    process = fork(live)
    there.close()
    os.kill(process.pid, signal.SIGTERM)
    here.send("go on")
    assert here.recv() == [signal.SIGTERM]
    process.join(5)
    process.close()
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    here.close()


def test_no_process_outlives_a_killed_parent() -> None:
    """Given a process that must die with its parent, if the parent is killed, then it ends at once."""
    here, there = make_pipe()

    def parent() -> None:
        pid = os.getpid()

        def child() -> None:
            die_with_parent(pid)
            there.send(os.getpid())
            time.sleep(60)

        fork(child).join()

    process = fork(parent)
    child = here.recv()
    assert is_alive(child)
    process.kill()
    wait_until(lambda: not is_alive(child))
    process.join(5)
    process.close()
    here.close()
    there.close()


def test_a_parent_that_has_exited_already() -> None:
    """Given a parent that died before the child could ask to die with it, then the child ends."""
    process = fork(die_with_parent, 1_999_999)
    process.join(5)
    assert process.exitcode == 1
    process.close()


def _sleeping_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)


def test_a_child_is_asked_once(slot: Slot) -> None:
    """Given a child that is asked to stop twice, then the earlier time counts."""
    process = _sleeping_process()
    child = Child(0, "w1", "default", slot, 0)
    child.pid = process.pid
    child.ask_to_stop(50.0)
    child.ask_to_stop(10.0)
    assert process.wait(30) == -signal.SIGTERM
    assert child.kill_at == 50.0
    child.kill("stop")  # it has exited: nothing happens


def test_a_child_without_a_process_can_still_be_killed_later(slot: Slot) -> None:
    """Given a child that is killed before it has a process, then the next attempt, when it has one, kills it."""
    child = Child(0, "w1", "default", slot, 0)
    child.ask_to_stop(1.0)
    child.kill("stop")
    assert child.killed_for is None
    process = _sleeping_process()
    child.pid = process.pid
    child.kill("stop")
    assert process.wait(30) == -signal.SIGKILL
    assert child.killed_for == "stop"


def test_a_kill_ends_the_whole_group(slot: Slot) -> None:
    """Given a child whose job has started a program, if it is killed, then the program ends too; the first reason is kept."""
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        program = int(process.stdout.readline())
        child = Child(0, "w1", "default", slot, 0)
        child.pid = process.pid
        child.kill("timeout")
        child.kill("stop")
        wait_until(lambda: not is_alive(program))
    assert child.killed_for == "timeout"
