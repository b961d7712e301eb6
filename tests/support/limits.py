"""Runs a function in a process with little memory and CPU time: what is unbounded is killed there, on a machine of any speed."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from typing import Any

__all__ = ["run_limited"]

_MEMORY = 1 << 30
#: Far more than any bounded work needs, and far less than what is unbounded.
_CPU_SECONDS = 60


def run_limited(function: Callable[..., object], *args: Any) -> int:
    """Call a function of a module in a new process. Return its exit code: 0, or the negative signal that ended it."""
    process = multiprocessing.get_context("spawn").Process(target=_limited, args=(function, *args))
    process.start()
    process.join()
    return process.exitcode or 0


def _limited(function: Callable[..., object], *args: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    function(*args)
