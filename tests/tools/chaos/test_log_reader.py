"""The reader of a worker's log: it copies everything, except while it is paused."""

from __future__ import annotations

import os
from pathlib import Path

from taskq.tools.chaos.log_reader import LogReader
from tests.support.wait import wait_until


def test_a_paused_reader_lets_the_pipe_fill(tmp_path: Path) -> None:
    """Given a reader that is paused, then its pipe fills; once it reads again, nothing is missing in the file."""
    path = tmp_path / "worker.log"
    reader = LogReader(path)
    os.write(reader.write_end, b"first\n")
    wait_until(lambda: path.exists() and path.read_bytes() == b"first\n")
    reader.pause()
    os.set_blocking(reader.write_end, False)
    written = 0

    def is_full() -> bool:
        nonlocal written
        try:
            written += os.write(reader.write_end, b"x" * 4096)
        except BlockingIOError:
            return True
        return False

    wait_until(is_full)
    reader.close()
    assert path.read_bytes() == b"first\n" + b"x" * written
