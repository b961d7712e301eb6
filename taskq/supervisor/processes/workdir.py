"""The working directory of a worker. Its path may contain a link to the current release of the app, which a deployment moves."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import PurePath
from typing import NamedTuple

from taskq.config import named_directory
from taskq.errors import AppError

__all__ = ["Workdir", "enter", "find_workdir"]


class Workdir(NamedTuple):
    """A working directory: the path that was entered, with its links, and the path of the directory itself at that time."""

    named: str
    real: str


def find_workdir() -> Workdir | None:
    """Return the working directory of this process; None if it no longer exists."""
    try:
        real = os.getcwd()
    except OSError:
        return None
    return Workdir(named_directory() or real, real)


def enter(workdir: Workdir | None) -> None:
    """Enter the working directory again: its path may now lead to another one. Update sys.path accordingly.

    Raises:
        AppError: the directory no longer exists.
    """
    if workdir is not None:
        try:
            if not os.path.samefile(workdir.named, "."):
                os.chdir(workdir.named)
        except OSError:  # the path is gone, or this user may not follow it: the directory itself may still be there
            pass
    try:
        now = os.getcwd()
    except OSError:
        name = f" {workdir.named}" if workdir else ""
        raise AppError(f"the working directory{name} no longer exists: start the worker in an existing directory") from None
    if workdir is not None and now != workdir.real:
        old, new = _roots(workdir.real, now)
        sys.path[:] = [_moved(entry, old, new) for entry in sys.path]
        importlib.invalidate_caches()


def _roots(old: str, new: str) -> tuple[str, str]:
    """Return the directories in which two paths differ: of `/r/1/app` and `/r/2/app`, `/r/1` and `/r/2`."""
    was, now = PurePath(old), PurePath(new)
    while was.name == now.name and was.parent != now.parent:
        was, now = was.parent, now.parent
    return str(was), str(now)


def _moved(entry: str, old: str, new: str) -> str:
    """Return the place of an import directory in the new release, if it has one."""
    if entry == old or entry.startswith(old + os.sep):
        moved = new + entry[len(old) :]
        return moved if os.path.exists(moved) else entry
    return entry
