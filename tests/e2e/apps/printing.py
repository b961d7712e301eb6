"""Jobs that print."""

from __future__ import annotations

import os
import signal
import sys
import time

from taskq import Queue
from tests.support.ledger import note

queue = Queue()


@queue.job(max_attempts=1)
def say(text: str, end: str = "\n") -> None:
    print(text, end=end)


@queue.job(max_attempts=1)
def say_and_hold(text: str, path: str) -> None:
    """Print, and run until the test says so."""
    print(text)
    while not os.path.exists(path):
        time.sleep(0.005)


@queue.job
def say_and_die(text: str, path: str) -> None:
    """Print, and kill the process, once."""
    if not os.path.exists(path):
        os.close(os.open(path, os.O_CREAT))
        print(text)
        os.kill(os.getpid(), signal.SIGKILL)


@queue.job(max_attempts=1)
def say_much(letter: str, lines: int) -> None:
    for _ in range(lines):
        print(letter * 199)


@queue.job(max_attempts=1)
def say_everywhere(text: str) -> None:
    """Print in all ways that would raise."""
    print(text, flush=True)
    print(text, file=sys.stderr, flush=True)
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") + b"\n")
    sys.stdout.flush()
    note("said", text)
