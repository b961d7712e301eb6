"""Waiting for descriptors of any number."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from taskq.polling import can_take, wait_for, write_within


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


def test_a_full_pipe_is_returned_once_it_has_room() -> None:
    """Given a pipe that is full, then it is returned when it has room, if it is waited for as full, and not otherwise."""
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += here.send(b"x" * 4096)
        assert wait_for([here], 0.001, full=[here]) == []
        while sent:
            sent -= len(there.recv(65_536))
        assert wait_for([here], 0.001) == []
        assert wait_for([here], 5, full=[here]) == [here]


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


def test_a_write_ends_when_the_pipe_is_not_read() -> None:
    """Given a non-blocking pipe with room for a part, then that part is written; if it is full, nothing is."""
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        written = write_within(0.01, here.fileno(), b"x" * 10_000_000)
        assert 0 < written < 10_000_000
        assert write_within(0.01, here.fileno(), b"x") == 0
        there.setblocking(False)
        assert there.recv(1000) == b"x" * 1000
