"""The first process of a container reaps what others left behind."""

from __future__ import annotations

import os
import subprocess

from taskq.supervisor.processes.init import reap_orphans
from taskq.supervisor.processes.liveness import has_exited
from tests.support.processes import offspring
from tests.support.wait import wait_until


def test_orphans_are_reaped_and_own_processes_are_not() -> None:
    """Given an exited process of another, one of ours behind it, and a living one, then only the first is reaped."""
    stranger = os.fork()
    if stranger == 0:
        os._exit(3)
    wait_until(lambda: has_exited(stranger))
    own = os.fork()
    if own == 0:
        os._exit(4)
    wait_until(lambda: has_exited(own))
    with subprocess.Popen(["sleep", "60"]) as living:
        reap_orphans({own, *(process.pid for process in offspring())})
        assert living.poll() is None
        living.kill()
    assert not os.path.exists(f"/proc/{stranger}")
    assert os.waitstatus_to_exitcode(os.waitpid(own, 0)[1]) == 4
