"""Standard streams that a process was started without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.worker import clean_environment

PROGRAM = """
import json, os, subprocess, sys
from taskq.stdio.missing import open_missing
open_missing()
open_missing()
pipe = os.pipe()
inherited = subprocess.run(["readlink", "/proc/self/fd/0"], stdout=subprocess.PIPE, text=True).stdout.strip()
print("to nobody")
print("to nobody", file=sys.stderr)
assert sys.stdin.read() == ""
with open(sys.argv[1], "w") as file:
    json.dump([*(os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)), inherited, min(pipe) > 2], file)
"""


@pytest.mark.one_python
def test_closed_streams_lead_nowhere(tmp_path: Path) -> None:
    """Given a program without any standard stream, then it and its programs read and write /dev/null, and no pipe gets their numbers."""
    path = tmp_path / "found"
    subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", PROGRAM, str(path)], env=clean_environment(), check=True
    )
    assert path.read_text() == '["/dev/null", "/dev/null", "/dev/null", "/dev/null", true]'
