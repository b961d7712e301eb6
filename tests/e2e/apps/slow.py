"""Jobs that take their time, and tell when they start and end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time

import taskq
from taskq import Queue
from tests.support.ledger import note

queue = Queue()


@queue.job
def quick(number: int = 0) -> None:
    note("quick", number)


@queue.job
def nap(seconds: float, name: str = "") -> None:
    note("start", [name, taskq.current().attempt])
    time.sleep(seconds)
    note("end", name)


@queue.job
async def anap(seconds: float, name: str = "") -> None:
    note("start", [name, taskq.current().attempt])
    await asyncio.sleep(seconds)
    note("end", name)


@queue.job
def until(path: str, name: str = "") -> None:
    """Wait for a file of the test's."""
    note("start", [name, taskq.current().attempt])
    while not os.path.exists(path):
        time.sleep(0.005)
    note("end", name)


@queue.job
def eat(megabytes: int) -> None:
    """Keep memory forever."""
    _kept.append(bytearray(os.urandom(1024)) * (megabytes * 1024))
    note("eat", os.getpid())


@queue.job
def start_thread() -> None:
    """Start a thread that keeps its process from ending."""
    threading.Thread(target=time.sleep, args=(3600,), name="forever").start()
    note("start_thread", os.getpid())


@queue.job
def start_program(seconds: float) -> None:
    """Wait for another program."""
    program = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])
    note("program", program.pid)
    program.wait()
    note("end", "program")


_kept: list[bytearray] = []
