"""The guard against processes that a job forked."""

from __future__ import annotations

import os

from taskq.worker.fork_guard import exit_if_forked


def test_only_a_forked_process_ends() -> None:
    """Given the process id, then this process continues, and one that it forks ends with exit code 0."""
    pid = os.getpid()
    exit_if_forked(pid)
    child = os.fork()
    if child == 0:
        exit_if_forked(pid)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
