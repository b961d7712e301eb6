"""Standard output and error, whose reader may hang or be gone: a write never fails, and never waits for long.

Worker processes print through it, so that no job fails because of its output. A log must not stop a process either.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import stat
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["Output", "PrintedOutput", "flush_and_report", "flush_output", "renew_buffer", "renew_output"]

#: Seconds that a process waits for the reader before it drops what it writes.
_PATIENCE = 1.0
#: Room for a printed line and its line end, so that both are written at once.
_BUFFER = 65_536


class Output:
    """A file, pipe or terminal to write lines to.

    If its reader hangs, a line is dropped after a second; then no line waits until one was written.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        #: The fastest way to write without waiting for a reader.
        self._write: Callable[[int, Any], int] = _write_nowait
        #: Why the last line was not written; empty if it was.
        self.error = ""
        self._is_cut = False
        #: The same pipe or terminal, opened without blocking, and its device and inode. -1: there is none.
        self._unblocked = -1
        self._identity = (0, 0)

    def write(self, data: bytes | memoryview) -> bool:
        """Write a line, or several. Return False if it was not written, or only in part."""
        written = 0
        if not self.error:
            with contextlib.suppress(OSError):
                written = self._write(self._fd, data)
                if written == len(data):
                    return True
        return self._write_rest(data, written)

    def _write_rest(self, data: bytes | memoryview, written: int) -> bool:
        if self._is_cut:
            data = b"\n" + bytes(data)
        view, trouble = memoryview(data), ""
        try:
            while written < len(view) and not trouble:
                try:
                    written += self._write_slowly(view[written:])
                except BlockingIOError:
                    trouble = "" if _has_room(self._fd, 0.0 if self.error else _PATIENCE) else "it is not read"
        except OSError as error:  # no reader, a closed terminal, a full disk
            trouble = error.strerror or type(error).__name__
        self.error = trouble
        self._is_cut = bool(trouble) and (written > 0 or self._is_cut)
        return not trouble

    def _write_slowly(self, data: memoryview) -> int:
        """Write without waiting, to any kind of file; return the number of bytes.

        O_NONBLOCK on the descriptor itself would also apply to every other process that has inherited it, such as the shell. A pipe or
        a terminal is therefore opened again. Where that isn't possible, the write may wait if another process took the room since the
        poll.
        """
        found = os.fstat(self._fd)
        if stat.S_ISREG(found.st_mode):
            self._write = os.write
            return os.write(self._fd, data)
        identity = found.st_dev, found.st_ino
        if identity != self._identity or (self._unblocked >= 0 and not self._is_mine()):
            self._open_again(identity, found.st_mode)
        if self._unblocked >= 0:
            return os.write(self._unblocked, data)
        if not _has_room(self._fd, 0.0):
            raise BlockingIOError
        return os.write(self._fd, data[: select.PIPE_BUF])

    def close(self) -> None:
        """Close what it has opened itself. Another write opens it again."""
        if self._unblocked >= 0 and self._is_mine():
            os.close(self._unblocked)
        self._unblocked, self._identity = -1, (0, 0)

    def __del__(self) -> None:
        self.close()

    def _is_mine(self) -> bool:
        """Return False if a job has closed the second descriptor: the number may now belong to another file."""
        try:
            found = os.fstat(self._unblocked)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def _open_again(self, identity: tuple[int, int], mode: int) -> None:
        """Open the file without blocking. A job may have replaced it (os.dup2)."""
        self.close()
        self._identity = identity
        if stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and os.isatty(self._fd)):
            with contextlib.suppress(OSError):  # not Linux, no permission, or no reader
                self._unblocked = os.open(f"/proc/self/fd/{self._fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)


def _write_nowait(fd: int, data: bytes | memoryview) -> int:
    """Write without waiting for a reader, to a pipe or a socket. Linux 6.4 can do that although the descriptor may block."""
    if sys.platform != "linux":
        raise BlockingIOError
    try:
        return os.pwritev(fd, (data,), -1, os.RWF_NOWAIT)
    except (AttributeError, NotImplementedError):  # this Python was built for an old C library, as those of uv and Alpine are
        raise BlockingIOError from None


def _has_room(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


class PrintedOutput(io.FileIO):
    """The file below the buffer of standard output or error, in a process that runs jobs. Writing never fails; lost lines are counted."""

    def __init__(self, replaced: io.FileIO) -> None:
        super().__init__(replaced.fileno(), "wb", closefd=False)
        self.name = replaced.name
        self._replaced = replaced  # it may close the file once nothing refers to it
        self._output = Output(replaced.fileno())
        self.lost = 0
        self._is_reported = False

    def write(self, data: Any) -> int:
        size = len(data)
        if not self._output.write(data):
            self.lost += bytes(data).count(b"\n") or 1
        return size

    def report(self) -> str:
        """Return a sentence, once, if lines are being lost or were lost; otherwise an empty text."""
        trouble = self._output.error
        if not self.lost or (trouble and self._is_reported):
            return ""
        if trouble:
            self._is_reported = True
            return f"the output of jobs to {self.name} is lost: {trouble}"
        lost, self.lost, self._is_reported = self.lost, 0, False
        return f"{self.name} can be written to again; printed lines that were lost: {lost}"


#: The renewed output of this process.
_renewed: list[tuple[io.TextIOWrapper, PrintedOutput]] = []
#: Standard output and error before the first job, which may replace them.
_first: list[object] = []


def renew_output() -> None:
    """Let a forked process print safely: with empty buffers, free locks, one write for each line, and never an error.

    A thread of the parent may be writing during the fork. logging renews its own locks in the new process, but Python doesn't renew those
    of files: one that was held would stay locked forever. The parent writes what its buffers hold; the copies here must not be written.
    These locks can't be held during the fork instead: fork hooks of the app run in it, and may wait for such a thread.

    Files are changed in place, because others refer to them. A stream that isn't a file has its own way to write.
    """
    _renewed.clear()
    _first[:] = sys.stdout, sys.stderr
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError):  # it is closed or detached
            _renew(stream)


def _renew(stream: Any) -> None:
    buffer = stream.buffer if type(stream) is io.TextIOWrapper else None
    raw = buffer.raw if type(buffer) is io.BufferedWriter else buffer  # `python -u` has no buffer
    if not isinstance(raw, io.FileIO) or raw.closed or _is_renewed(raw):
        return
    output = PrintedOutput(raw)
    if type(buffer) is io.BufferedWriter:
        io.BufferedWriter.__init__(buffer, output, _BUFFER)
    else:
        buffer = io.BufferedWriter(output, _BUFFER)
    io.TextIOWrapper.__init__(stream, buffer, stream.encoding, "backslashreplace", "\n", line_buffering=True)
    # A job that closes it, as `with sys.stdout` or another wrapper around the buffer does, must not fail the next ones.
    stream.close = stream.flush
    buffer.close = buffer.flush  # type: ignore[method-assign]
    _renewed.append((stream, output))


def _is_renewed(raw: object) -> bool:
    return any(raw is output for _, output in _renewed)


def flush_and_report() -> list[str]:
    """Write text that was printed without a line end. Return what to log about lost lines. Called after each batch of jobs."""
    news = []
    for stream, output in _renewed:
        try:
            stream.flush()
        except ValueError:  # a job has detached or closed its buffer
            continue
        if output.lost and (text := output.report()):
            news.append(text)
    if _first and (getattr(sys, "stdout", None) is not _first[0] or getattr(sys, "stderr", None) is not _first[1]):
        _settle_replaced()
    return news


def _settle_replaced() -> None:
    """Write what jobs have printed to a file of their own, and take a closed one's place: the next jobs would fail when they print."""
    for name, first in zip(("stdout", "stderr"), _first, strict=True):
        stream: Any = getattr(sys, name, None)
        if stream is not first:
            with contextlib.suppress(Exception):  # it is detached, or an object that raises anything
                if getattr(stream, "closed", not hasattr(sys, name)):
                    setattr(sys, name, first)
                else:
                    stream.flush()


def renew_buffer(stream: Any) -> None:
    """Renew the buffer below a text file in place, if it has one."""
    buffer = stream.buffer if type(stream) is io.TextIOWrapper else None
    if type(buffer) is io.BufferedWriter and not buffer.closed and not _is_renewed(buffer.raw):
        io.BufferedWriter.__init__(buffer, buffer.raw)


def flush_output() -> None:
    """Write what this process has printed."""
    for name in ("stdout", "stderr"):
        with contextlib.suppress(Exception):  # there is none, its reader is gone, it is closed, or the app's own object raises anything
            getattr(sys, name).flush()
