"""Detecting exited processes whose zygote hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from taskq.supervisor.processes.generation import RespawnPolicy
from taskq.supervisor.processes.liveness import ANSWER_SECONDS, Liveness, has_exited
from tests.supervisor.conftest import Channel
from tests.support.wait import wait_until


class Zygote:
    """A zygote that forks when the test decides."""

    unanswered = 0
    silent = 0.0


def test_an_exit_is_detected_before_and_after_the_parent_reaps() -> None:
    """Given a process, then it has exited only once it was killed, as a zombie and later."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert not has_exited(process.pid)
    assert not has_exited(os.getpid())
    assert not has_exited(1)
    process.send_signal(signal.SIGKILL)
    wait_until(lambda: has_exited(process.pid))
    process.wait(10)
    assert has_exited(process.pid)


def test_a_zygote_gets_a_second_to_report_a_death(place: Channel) -> None:
    """Given two children of which one is dead, if its exit isn't reported for a second, then it is returned as dead; the other isn't."""
    dead, alive, starting = place.child("w1"), place.child("w2"), place.child("w3")
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(30)
    dead.pid, alive.pid = process.pid, os.getpid()
    liveness, children = Liveness(), [dead, alive, starting]
    assert liveness.look(children, [], 100.0) == ([], [])
    assert not liveness.is_due(100.9)
    assert liveness.is_due(101.0)
    assert liveness.look(children, [], 101.0) == ([dead], [])


def test_a_zygote_that_stops_forking_is_detected() -> None:
    """Given an unanswered request, then its zygote counts as hung after ten seconds; a pause of the supervisor doesn't count."""
    liveness, zygote = Liveness(), Zygote()
    for second in range(20):
        assert liveness.look([], [zygote], 100.0 + second) == ([], [])  # type: ignore[list-item]
    zygote.unanswered = 1
    assert liveness.look([], [zygote], 1000.0) == ([], [])  # type: ignore[list-item]
    seconds = next(second for second in range(30) if liveness.look([], [zygote], 1001.0 + second)[1])  # type: ignore[list-item]
    assert ANSWER_SECONDS - 2 <= seconds <= ANSWER_SECONDS


def test_zygotes_that_die_repeatedly_are_replaced_later_each_time() -> None:
    """Given zygotes that die, then the first three are replaced at once, each further one later; a quiet minute resets the count."""
    respawn = RespawnPolicy()
    assert not respawn.is_due(1e9)
    assert [respawn.begin() for _ in range(2)] == [0, 1]
    assert [respawn.died(100.0 + number) for number in range(8)] == [0, 0, 0, 1, 2, 4, 8, 16]
    assert not respawn.is_due(122.9)
    assert respawn.is_due(123.0)
    assert respawn.begin() == 2
    assert not respawn.is_due(1e9)
    assert respawn.died(200.0) == 0.0
