"""Waiting for descriptors of any number."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from taskq.polling import can_take, wait_for


@pytest.fixture
def high() -> Iterator[tuple[int, int]]:
    """A pipe whose reading end has a number that `select` can't handle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    read, write = os.pipe()
    os.dup2(read, 1100)
    yield 1100, write
    for fd in (read, write, 1100):
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_readable_descriptors_of_any_number_are_found(high: tuple[int, int]) -> None:
    """Given descriptors of which one is above 1,023, then the readable ones are returned, and none after the timeout."""
    here, there = socket.socketpair()
    with here, there:
        assert wait_for([high[0], here], 0.001) == []
        os.write(high[1], b"x")
        assert wait_for([high[0], here], 5) == [high[0]]
        there.send(b"x")
        assert set(wait_for([high[0], here])) == {high[0], here}


def test_a_full_pipe_takes_nothing() -> None:
    """Given a reader that hangs, then its pipe takes messages only while there is room."""
    here, there = socket.socketpair()
    with here, there:
        assert can_take(here)
        here.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                here.send(b"x" * 4096)
        assert not can_take(here)
