"""A pipe that is not read."""

from __future__ import annotations

import contextlib
import os

from taskq.scoreboard.pipe import drain

__all__ = ["UnreadPipe"]


class UnreadPipe:
    """A pipe that holds what was written until the test reads it. `write` is the descriptor for other processes."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        os.set_blocking(self._read, False)

    def fill(self) -> None:
        """Leave no room for another byte. Linux only."""
        # Another open file of the same pipe: the processes that write to it must still block.
        write = os.open(f"/proc/self/fd/{self.write}", os.O_WRONLY | os.O_NONBLOCK)
        # Whole blocks, then single bytes: the kernel counts in pages.
        for piece in (b"." * 4096, b"."):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(write, piece)
        os.close(write)

    def read(self) -> str:
        """Return everything in it, and so make room."""
        return drain(self._read).decode(errors="replace")

    def close(self) -> None:
        os.close(self._read)
        os.close(self.write)
