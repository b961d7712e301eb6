"""An app with exit hooks, and a job that leaves a thread behind. The variable TEST_EXIT registers the hooks."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import socket
import threading
import time
import weakref

from taskq import Queue, events
from taskq.events import ProcessEvent
from tests.support.ledger import note

queue = Queue()
sent: list[object] = []
held: list[bytes] = []


class Shared:
    """An object of the zygote, such as a temporary directory, that the worker processes share."""


shared = Shared()


def _wait_for_parent() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.05)


if "TEST_EXIT" in os.environ:
    atexit.register(lambda: note("flush", sent))
    weakref.finalize(shared, note, "finalized")
    helper = multiprocessing.get_context("fork").Process(target=_wait_for_parent, daemon=True)
    helper.start()
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    events.worker_stop.connect(lambda event: sent.append(0))


def stop(event: ProcessEvent) -> None:
    note("child_stop", sent)
    if sent == [8]:
        time.sleep(600)


def hang() -> None:
    if sent == [9]:
        note("hangs", sent)
        time.sleep(600)


if "TEST_STOP" in os.environ:
    atexit.register(hang)
    atexit.register(lambda: note("flush", sent))
    events.child_start.connect(lambda event: note("child_start"))
    events.child_stop.connect(stop)


@queue.job
def grow() -> None:
    """Use more memory than the process may have."""
    held.append(bytes(range(256)) * 800_000)
    sent.append("grown")


@queue.job
def send(number: int) -> None:
    sent.append(number)
    note("sent", number)
    if number == 1:
        atexit.register(note, "hook of a job")


@queue.job
def leave() -> None:
    threading.Thread(target=time.sleep, args=(60,), name="left").start()
    note("left")


@queue.job
def look() -> None:
    """Note whether the process that the import has started is still alive."""
    with open(f"/proc/{helper.pid}/stat", "rb") as stat:
        note("state", stat.read().rpartition(b")")[2].split()[0].decode())
