"""The process that watches the files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from taskq.supervisor.processes.fork import fork, make_pipe
from taskq.tools.dev.files import Files
from taskq.tools.dev.watch import has_watchfiles, watch


@pytest.mark.parametrize("poll", [True, False])
def test_changes_are_sent(tmp_path: Path, poll: bool) -> None:
    """Given a watched directory, when a file is written and a temporary one, then only the first is sent, by events and by polling."""
    if not poll and not has_watchfiles():
        pytest.skip("watchfiles is not installed")
    files = Files.below([tmp_path], [])
    here, there = make_pipe()
    process = fork(lambda: watch(there, os.getppid(), files, poll=poll))
    there.close()
    try:
        assert here.recv() == []
        (tmp_path / "jobs.py~").touch()
        (tmp_path / "jobs.py").touch()
        assert here.recv() == [str(tmp_path.resolve() / "jobs.py")]
    finally:
        process.kill()
        process.join(30)
        process.close()
        here.close()
