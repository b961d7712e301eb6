"""Pipes that wake a process: signal handlers and other processes write bytes, and only their arrival counts."""

from __future__ import annotations

import contextlib
import os

__all__ = ["drain", "wake_pipe"]


def wake_pipe() -> tuple[int, int]:
    """Return the reading and the writing end of a pipe. Neither blocks."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    return read, write


def drain(read: int) -> bytes:
    """Return the bytes that a pipe holds."""
    content = b""
    with contextlib.suppress(BlockingIOError):
        while part := os.read(read, 4096):
            content += part
    return content
