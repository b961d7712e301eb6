"""Waiting for descriptors of any number."""

from __future__ import annotations

import contextlib
import os
import pty
import resource
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskq.polling import can_take, wait_for, write_within
from tests.support.pipes import UnreadPipe
from tests.support.wait import wait_until


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


@pytest.fixture
def unread() -> Iterator[UnreadPipe]:
    pipe = UnreadPipe()
    yield pipe
    pipe.close()


def test_a_write_ends_when_nobody_reads(unread: UnreadPipe) -> None:
    """Given a pipe that is full, then nothing is written; if there is room for a part, that part is."""
    unread.fill()
    assert write_within(0.01, unread.write, b"x") == 0
    unread.read()
    written = write_within(0.01, unread.write, b"x" * 10_000_000)
    assert 0 < written < 10_000_000
    assert unread.read() == "x" * written


def test_a_write_leaves_the_shared_pipe_as_it_is(unread: UnreadPipe) -> None:
    """Given a pipe that other processes write to, then they still wait for room: O_NONBLOCK would be theirs, too."""
    assert write_within(0.01, unread.write, b"x") == 1
    assert os.get_blocking(unread.write)


def test_a_file_gets_everything_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file, which several processes append to, then their long lines don't mix: each is one write."""
    sizes: list[int] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: sizes.append(len(data)) or write(fd, data))
    with (tmp_path / "log").open("ab") as file:
        assert write_within(0.01, file.fileno(), b"x" * 100_000) == 100_000
    assert sizes == [100_000]


@pytest.mark.parametrize("kind", ["pipe", "file", "socket", "terminal"])
def test_everything_is_written_to_any_kind_of_file(kind: str, tmp_path: Path) -> None:
    """Given a pipe, a file, a socket or a terminal with a reader, then all bytes are written in order."""
    with contextlib.ExitStack() as stack:
        fd, read = _open(kind, tmp_path, stack)
        data = b"".join(b"%06d\n" % number for number in range(1000))
        parts: list[bytes] = []
        thread = threading.Thread(target=lambda: parts.extend(iter(lambda: read(len(data) - sum(map(len, parts))), b"")))
        thread.start()
        assert write_within(10, fd, data) == len(data)
        thread.join(10)
        assert b"".join(parts) == data


def _open(kind: str, tmp_path: Path, stack: contextlib.ExitStack) -> tuple[int, Callable[[int], bytes]]:
    """Return a descriptor to write to, and the way to read what was written."""
    if kind == "socket":
        here, there = socket.socketpair()
        stack.enter_context(here)
        stack.enter_context(there)
        return here.fileno(), there.recv
    if kind == "file":
        write, read = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT), os.open(tmp_path / "file", os.O_RDONLY)
    elif kind == "pipe":
        read, write = os.pipe()
    else:
        read, write = pty.openpty()
        tty.setraw(write)
    for fd in (read, write):
        stack.callback(os.close, fd)

    def wait_and_read(size: int) -> bytes:
        return wait_until(lambda: os.read(read, size)) if size else b""

    return write, wait_and_read
