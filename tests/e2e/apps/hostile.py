"""Jobs that end their process, or try to."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import taskq
from taskq import Queue
from tests.support.ledger import note

queue = Queue()


def record(error: BaseException) -> None:
    note("on_fail", [type(error).__name__, str(error)])


def end_process(how: str) -> None:
    """End this process in one of many ways, or raise what might end it."""
    if how == "sigkill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "exit 0":
        os._exit(0)
    elif how == "exit 3":
        os._exit(3)
    elif how == "segfault":
        ctypes.string_at(0)
    elif how == "abort":
        os.abort()
    elif how == "sys.exit":
        sys.exit("good bye")
    elif how == "interrupt":
        raise KeyboardInterrupt("no keyboard here")
    elif how == "base":
        raise BaseException("the root of all")


@queue.job(on_fail=record)
def die(how: str, times: int = 1000) -> None:
    """End the process in the first so many runs."""
    note("die", [how, taskq.current().attempt])
    if len(_runs()) <= times:
        end_process(how)
    note("lived", how)


@queue.job(on_fail=record)
async def adie(how: str, times: int = 1000) -> None:
    note("die", [how, taskq.current().attempt])
    if len(_runs()) <= times:
        end_process(how)
    note("lived", how)


@queue.job(on_lost="timeout", on_fail=record)
def once_only(how: str) -> None:
    note("once_only", how)
    end_process(how)


@queue.job
def quick(number: int) -> None:
    note("quick", number)


@queue.job
def hold(path: str) -> None:
    note("hold", os.getpid())
    while not os.path.exists(path):
        time.sleep(0.005)
    note("held")


def _runs() -> list[str]:
    with open(os.environ["TEST_LEDGER"], encoding="utf-8") as file:
        return [line for line in file if line.startswith('["die"')]
