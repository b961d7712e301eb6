"""The resident memory of a process."""

from __future__ import annotations

import os
import sys

import pytest

from taskq.scoreboard.memory import memory_of, peak_bytes, resident_bytes


def test_the_memory_of_this_process() -> None:
    """Given this process, then its resident memory is at least a megabyte."""
    assert resident_bytes() > 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_of_another_process() -> None:
    """Given the parent of this process, and a process id that isn't in use, then the memory of the second is 0."""
    assert memory_of(os.getppid()) > 0
    assert memory_of(None) == memory_of(2**31 - 1) == 0


def test_a_peak_is_in_bytes() -> None:
    """Given the unit of getrusage, then KiB become bytes, except on macOS."""
    assert peak_bytes(3) == (3 if sys.platform == "darwin" else 3072)
