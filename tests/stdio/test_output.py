"""Writing to a file, pipe or terminal that may be full, or whose reader is gone; and printing to it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pty
import socket
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskq.stdio import output
from taskq.stdio.output import Output, flush_and_report, renew_output
from tests.support.pipes import UnreadPipe
from tests.support.wait import wait_until


def no_nowait(fd: int, data: bytes) -> int:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@pytest.fixture(params=["Linux 6.4", "older", "old C library"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With and without a kernel that can write to a pipe without waiting, and a Python that can ask it to."""
    name: str = request.param
    if name == "older":
        monkeypatch.setattr(output, "_write_nowait", no_nowait)
    if name == "old C library":
        monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)
    return name


@pytest.fixture
def unread(kernel: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnreadPipe]:
    """A pipe that is not read, and a process that doesn't wait for it."""
    monkeypatch.setattr(output, "_PATIENCE", 0.01)
    pipe = UnreadPipe()
    yield pipe
    pipe.close()


@pytest.fixture
def closing() -> Iterator[contextlib.ExitStack]:
    """Ends with the test."""
    with contextlib.ExitStack() as stack:
        yield stack


def test_a_write_ends_when_the_pipe_is_not_read(unread: UnreadPipe) -> None:
    """Given a pipe that is full, then nothing is written; if there is room for a part, that part is, and a new line follows it."""
    pipe = Output(unread.write)
    unread.fill()
    assert not pipe.write(b"x")
    assert pipe.error == "it is not read"
    unread.read()
    assert not pipe.write(b"x" * 10_000_000)
    assert set(unread.read()) == {"x"}
    assert pipe.write(b"whole\n")
    assert (unread.read(), pipe.error) == ("\nwhole\n", "")


def test_a_write_leaves_the_shared_pipe_as_it_is(unread: UnreadPipe) -> None:
    """Given a pipe that other processes write to, then they still wait for room: O_NONBLOCK would be theirs, too."""
    pipe = Output(unread.write)
    assert pipe.write(b"x")
    assert os.get_blocking(unread.write)


def test_a_file_gets_everything_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file, which several processes append to, then their long lines don't mix: each is one write."""
    sizes: list[int] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: sizes.append(len(data)) or write(fd, data))
    with (tmp_path / "log").open("ab") as file:
        assert Output(file.fileno()).write(b"x" * 100_000)
    assert sizes == [100_000]


@pytest.mark.parametrize("kind", ["pipe", "file", "socket", "terminal"])
def test_everything_is_written_to_any_kind_of_file(kernel: str, kind: str, tmp_path: Path, closing: contextlib.ExitStack) -> None:
    """Given a pipe, a file, a socket or a terminal with a reader, then all bytes are written in order."""
    fd, read = _open(kind, tmp_path, closing)
    out = Output(fd)
    data = b"".join(b"%06d\n" % number for number in range(20_000))
    parts: list[bytes] = []
    thread = threading.Thread(target=lambda: parts.extend(iter(lambda: read(len(data) - sum(map(len, parts))), b"")))
    thread.start()
    assert out.write(data)
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


def test_a_write_follows_a_descriptor_that_was_replaced(unread: UnreadPipe, closing: contextlib.ExitStack) -> None:
    """Given a job that replaces a descriptor (os.dup2), then lines go to the new file, and no descriptor is left."""
    other = closing.enter_context(contextlib.closing(UnreadPipe()))
    fd = os.dup(unread.write)
    closing.callback(os.close, fd)
    pipe = Output(fd)
    assert pipe.write(b"first\n")
    number = len(os.listdir("/proc/self/fd"))
    os.dup2(other.write, fd)
    assert pipe.write(b"second\n")
    assert (unread.read(), other.read()) == ("first\n", "second\n")
    assert len(os.listdir("/proc/self/fd")) == number


def test_a_write_spoils_no_file_with_a_reused_number(unread: UnreadPipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a job that closes all descriptors that it doesn't know and opens a file, then lines still go to the pipe."""
    monkeypatch.setattr(output, "_write_nowait", no_nowait)
    pipe = Output(unread.write)
    pipe.write(b"first\n")
    victim = tmp_path / "database"
    with victim.open("wb") as file:
        os.dup2(file.fileno(), pipe._unblocked)
    number = pipe._unblocked
    assert pipe.write(b"second\n")
    os.close(number)
    assert (unread.read(), victim.read_bytes()) == ("first\nsecond\n", b"")


# ---- printing


@pytest.fixture
def printing(monkeypatch: pytest.MonkeyPatch, closing: contextlib.ExitStack) -> Callable[..., io.TextIOWrapper]:
    """Makes a descriptor the standard output of this process, as in a process that runs jobs."""

    def renew(fd: int, *, buffering: int = -1) -> io.TextIOWrapper:
        binary = closing.enter_context(os.fdopen(fd, "wb", buffering, closefd=False))
        text = io.TextIOWrapper(binary, "ascii", write_through=not buffering)
        monkeypatch.setattr(sys, "stdout", text)
        for name in ("stderr", "__stdout__", "__stderr__"):
            monkeypatch.setattr(sys, name, text)
        renew_output()
        closing.callback(output._renewed.clear)
        closing.callback(output._first.clear)
        return text

    return renew


@pytest.mark.parametrize("buffering", [-1, 0], ids=["as usual", "python -u"])
def test_each_line_is_written_at_once(
    printing: Callable[..., io.TextIOWrapper], unread: UnreadPipe, monkeypatch: pytest.MonkeyPatch, buffering: int
) -> None:
    """Given a process that runs jobs, then a printed line is one write, a long one too; a part after the batch. Jobs may close it."""
    written: list[bytes] = []
    monkeypatch.setattr(Output, "write", lambda self, data: not written.append(bytes(data)))
    text = printing(unread.write, buffering=buffering)
    print("one", 1)
    print("x" * 20_000)
    print("ü and \udce9")
    print("part", end="")
    assert written == [b"one 1\n", b"x" * 20_000 + b"\n", b"\\xfc and \\udce9\n"]
    flush_and_report()
    assert written[3:] == [b"part"]
    with text:
        print("of", end="")
    text.close()
    io.TextIOWrapper(text.buffer)  # once it is freed, it closes the buffer
    print("jobs")
    assert written[4:] == [b"of", b"jobs\n"]
    text.detach()
    assert flush_and_report() == []


def test_what_a_job_prints_in_its_own_way_is_written_after_the_batch(
    printing: Callable[..., io.TextIOWrapper], unread: UnreadPipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given jobs that wrap standard output again and again, as old scripts do, then what they print is written after the batch."""
    text = printing(unread.write)
    for number in range(3):  # each wrapper is dropped, and so closes what it wraps
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(sys.stdout.buffer, "utf-8"))
        print("wrapped", number)
        assert flush_and_report() == []
        assert unread.read() == f"wrapped {number}\n"
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(text.detach(), "utf-8"))
    print("detached")
    assert flush_and_report() == []
    assert unread.read() == "detached\n"


class Odd:
    """An object in place of standard output whose attributes raise."""

    def __getattr__(self, name: str) -> None:
        raise RuntimeError(name)


def test_a_closed_file_in_place_of_standard_output_is_replaced(printing: Callable[..., io.TextIOWrapper], unread: UnreadPipe) -> None:
    """Given a job that sets standard output to a file of its own, then it stays, until the job has closed it."""
    text, own = printing(unread.write), io.StringIO()
    sys.stdout = own
    assert flush_and_report() == []
    assert sys.stdout is own
    own.close()
    assert flush_and_report() == []
    assert sys.stdout is text
    del sys.stdout  # print would raise "lost sys.stdout"
    assert flush_and_report() == []
    assert sys.stdout is text
    print("next")
    assert unread.read() == "next\n"
    sys.stdout = Odd()  # type: ignore[assignment]
    assert flush_and_report() == []


def gone_reader(closing: contextlib.ExitStack) -> tuple[int, str]:
    read, write = os.pipe()
    os.close(read)
    closing.callback(os.close, write)
    return write, "Broken pipe"


def full_disk(closing: contextlib.ExitStack) -> tuple[int, str]:
    return closing.enter_context(open("/dev/full", "wb")).fileno(), "No space left on device"


def closed_terminal(closing: contextlib.ExitStack) -> tuple[int, str]:
    terminal, window = pty.openpty()
    os.close(terminal)
    closing.callback(os.close, window)
    return window, "Input/output error"


def hung_reader(closing: contextlib.ExitStack) -> tuple[int, str]:
    pipe = closing.enter_context(contextlib.closing(UnreadPipe()))
    pipe.fill()
    return pipe.write, "it is not read"


@pytest.mark.parametrize("kind", [gone_reader, full_disk, closed_terminal, hung_reader])
def test_printing_into_nothing_raises_nothing(
    kind: Callable[[contextlib.ExitStack], tuple[int, str]],
    printing: Callable[..., io.TextIOWrapper],
    closing: contextlib.ExitStack,
    unread: UnreadPipe,
) -> None:
    """Given output that can't be written, then printing to it raises nothing; it is reported once, and the number of lost lines later."""
    fd, trouble = kind(closing)
    text = printing(fd)
    assert flush_and_report() == []
    for _ in range(3):
        print("lost", flush=True)
    text.buffer.write(b"lost\n")
    assert flush_and_report() == [f"the output of jobs to {fd} is lost: {trouble}"]
    assert flush_and_report() == []
    os.dup2(unread.write, fd)
    print("there")
    assert flush_and_report() == [f"{fd} can be written to again; printed lines that were lost: 4"]
    assert flush_and_report() == []
    assert unread.read().endswith("there\n")


def test_what_cant_be_renewed_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Given standard output that is missing, closed, detached, or no file, then it stays, and printing works as far as it did."""
    closed, detached, memory = (tmp_path / "file").open("w"), io.TextIOWrapper(io.BytesIO()), io.StringIO()
    closed.close()
    detached.detach()
    for name, stream in (("stdout", memory), ("stderr", None), ("__stdout__", closed), ("__stderr__", detached)):
        monkeypatch.setattr(sys, name, stream)
    renew_output()
    assert output._renewed == []
    print("x")
    assert memory.getvalue() == "x\n"


def test_an_object_of_a_job_in_place_of_standard_output_may_raise(
    printing: Callable[..., io.TextIOWrapper], unread: UnreadPipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a job that leaves its own object as standard output, when that can't be flushed, then the process goes on."""

    class Own:
        def flush(self) -> None:
            raise RuntimeError("not now")

    printing(unread.write)
    monkeypatch.setattr(sys, "stdout", Own())
    assert flush_and_report() == []
