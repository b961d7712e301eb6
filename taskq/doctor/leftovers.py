"""Threads and connections that the import of an application leaves in the process that is forked: forked processes can't use them."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import msgspec

from taskq.clock import monotonic

__all__ = ["Leftovers", "Survey", "joined"]

_TASKS = Path("/proc/self/task")
_DESCRIPTORS = Path("/dev/fd")
#: Seconds in which a thread that has ended disappears from the list of the kernel.
_GONE = 0.2


class Leftovers(msgspec.Struct, frozen=True):
    """Names of what an import has left."""

    #: The threads of Python.
    threads: tuple[str, ...] = ()
    #: The threads of C libraries, on Linux; without those that the library ends before a fork, as OpenBLAS does.
    native: tuple[str, ...] = ()
    #: The addresses of the servers to which connections are open.
    connections: tuple[str, ...] = ()


class Survey:
    """Finds what an import leaves: create it before, and call `leftovers` after."""

    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._native = _native_threads()
        self._connections = _connections()

    def leftovers(self) -> Leftovers:
        """Return what is here now and was not before. It may fork a process that exits at once."""
        native = self._new_native()
        if native:
            _fork()
            give_up_at = monotonic() + _GONE
            while (native := self._new_native()) and monotonic() < give_up_at:
                time.sleep(0.01)
        threads = tuple(one.name for one in threading.enumerate() if one not in self._threads)
        connections = tuple(peer for key, peer in _connections().items() if key not in self._connections)
        return Leftovers(threads, tuple(map(_name_of, native)), connections)

    def _new_native(self) -> list[int]:
        return sorted(_native_threads() - self._native)


def joined(names: tuple[str, ...]) -> str:
    """Return the names for a sentence, at most five of them."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _native_threads() -> set[int]:
    """Return the ids of the threads that Python doesn't know."""
    try:
        ids = {int(name) for name in os.listdir(_TASKS)}
    except OSError:  # not Linux
        return set()
    return ids - {one.native_id for one in threading.enumerate()} - {os.getpid()}


def _name_of(thread: int) -> str:
    try:
        return (_TASKS / str(thread) / "comm").read_text(errors="replace").strip()
    except OSError:  # it has just ended
        return str(thread)


def _fork() -> None:
    """Fork a process that exits at once: libraries that support forks end their threads before it, and restart them when needed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about the threads
        pid = os.fork()
    if not pid:
        os._exit(0)
    with contextlib.suppress(ChildProcessError):  # a thread of the app has reaped it
        os.waitpid(pid, 0)


def _connections() -> dict[tuple[int, int], str]:
    """Return the addresses of the servers to which this process is connected, by descriptor and inode."""
    found: dict[tuple[int, int], str] = {}
    for name in os.listdir(_DESCRIPTORS):
        with contextlib.suppress(OSError):
            status = os.fstat(int(name))
            if stat.S_ISSOCK(status.st_mode):
                with socket.socket(fileno=os.dup(int(name))) as copy:
                    # Nobody replies to the datagrams of a log handler or of statistics, so processes may share such a socket.
                    if copy.type is not socket.SOCK_DGRAM and (peer := _text_of(copy.getpeername())):
                        found[int(name), status.st_ino] = peer
    return found


def _text_of(address: Any) -> str:
    """Return the text of an address; empty for a socket pair, which is not connected to a server."""
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    return address if isinstance(address, str) else ""
