"""Pipes that wake a process."""

from __future__ import annotations

import os
import select

import pytest

from taskq.scoreboard.pipe import drain, wake_pipe


def test_a_pipe_is_emptied() -> None:
    """Given more bytes than one read takes, if the pipe is drained, then it is empty; a second time, and with a closed writer, too."""
    read, write = wake_pipe()
    os.write(write, b"!" * 10_000)
    assert drain(read) == b"!" * 10_000
    drain(read)
    with pytest.raises(BlockingIOError):
        os.read(read, 1)
    os.close(write)
    drain(read)
    os.close(read)


def test_a_full_pipe_does_not_block() -> None:
    """Given a pipe that is full, then writing fails at once instead of waiting."""
    read, write = wake_pipe()
    while os.write(write, b"!" * 4096) == 4096 and select.select([], [write], [], 0)[1]:
        pass
    with pytest.raises(BlockingIOError):
        os.write(write, b"!" * 4096)
    os.close(read)
    os.close(write)
