"""Forks beside threads, output in forked processes, and locks where there is no /dev/shm."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq.supervisor.processes import fork as module
from taskq.supervisor.processes.fork import fork, make_lock
from taskq.supervisor.processes.semaphore import Semaphore
from tests.support.pipes import UnreadPipe
from tests.support.wait import wait_until


@pytest.fixture
def blocked() -> Iterator[io.TextIOWrapper]:
    """A file of which a thread holds the lock, because it waits for the reader."""
    pipe = UnreadPipe()
    pipe.fill()
    with open(pipe.write, "w", encoding="utf-8", closefd=False) as stream:
        thread = threading.Thread(target=lambda: print("parent", file=stream, flush=True))
        thread.start()
        wait_until(lambda: not _is_free(stream), what="the thread to wait")
        yield stream
        written = pipe.read()
        thread.join(10)
        assert (written + pipe.read()).endswith("parent\n")
    pipe.close()


def _is_free(stream: io.TextIOWrapper) -> bool:
    """Return whether another thread can write to a file."""
    thread = threading.Thread(target=stream.buffer.flush, daemon=True)
    thread.start()
    thread.join(0.1)
    return not thread.is_alive()


def _ends_well(write: object) -> bool:
    """Fork a process that calls `write`, with its output in another file; return whether it ends."""
    process = fork(write)
    process.join(10)
    code = process.exitcode
    process.kill()
    process.join()
    process.close()
    return bool(code == 0)


@pytest.mark.fork_beside_threads
def test_a_forked_process_can_write_though_a_thread_held_the_lock(
    blocked: io.TextIOWrapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a thread that waits for the reader of standard error, then a fork doesn't wait, and the new process writes its own line."""
    monkeypatch.setattr(sys, "stderr", blocked)  # here: pytest sets it before each phase of a test
    path = tmp_path / "output"

    def write() -> None:
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), blocked.fileno())
        print("child", file=blocked, flush=True)

    assert _ends_well(write)
    assert path.read_text() == "child\n"


@pytest.mark.fork_beside_threads
def test_a_forked_process_can_log_though_a_thread_held_the_lock(blocked: io.TextIOWrapper) -> None:
    """Given a thread that waits in the file of a log handler, then the new process logs to it."""
    handler = logging.StreamHandler(blocked)
    logger = logging.getLogger("test.fork")
    logger.addHandler(handler)

    def log() -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), blocked.fileno())
        logger.error("child")

    try:
        assert _ends_well(log)
    finally:
        logger.removeHandler(handler)


def test_what_was_printed_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given text that is printed and not yet written, then the forked process doesn't write it again."""
    path = tmp_path / "output"
    with path.open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        print("parent")
        assert _ends_well(lambda: print("child"))
    assert sorted(path.read_text().splitlines()) == ["child", "parent"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.ENOENT, errno.EACCES, errno.ENOSYS])
def test_a_lock_needs_no_shm(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """Given a /dev/shm that is full, read-only, missing or forbidden, then the lock is in anonymous memory."""

    def fail() -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(module._context, "Lock", fail)
    assert isinstance(make_lock(), Semaphore)


def test_the_usual_lock_is_the_faster_one() -> None:
    """Given a usable /dev/shm, then the lock is that of multiprocess."""
    assert not isinstance(make_lock(), Semaphore)
