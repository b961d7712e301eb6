"""Bars: only on a terminal, and only for what takes its time."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tests.support.worker import clean_environment

CODE = """
import sys
from taskq.cli import progress
progress._PATIENCE = float(sys.argv[1])
with progress.progress_bar("counting") as tell:
    for done in range(1, 4):
        tell(done, 3)
print("done")
"""


@pytest.mark.parametrize(("patience", "shown"), [("0", True), ("60", False)])
def test_a_bar_on_a_terminal(patience: str, shown: bool) -> None:
    """Given a terminal, then what takes longer than the patience shows a bar, on standard error."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", CODE, patience]
    with subprocess.Popen(command, env={**clean_environment(), "TERM": "xterm"}, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += os.read(ours, 4096)
            except OSError:
                break
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
    os.close(ours)
    assert process.returncode == 0
    assert (b"counting" in seen) == shown


def test_no_bar_without_a_terminal() -> None:
    """Given standard error that is no terminal, then there is no bar, however long it takes."""
    done = subprocess.run([sys.executable, "-c", CODE, "0"], env=clean_environment(), capture_output=True)
    assert (done.stdout, done.stderr) == (b"done\n", b"")
