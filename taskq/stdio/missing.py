"""Standard input, output and error of a process that was started without them."""

from __future__ import annotations

import os
import sys

__all__ = ["open_missing"]


def open_missing() -> None:
    """Open each closed standard stream on /dev/null.

    Otherwise the next pipe, file or connection would get its number, and every program that a job starts would write into it.
    """
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number, which is this one
            os.set_inheritable(fd, True)
            if getattr(sys, name) is None:
                stream = open(fd, "w" if fd else "r", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
                setattr(sys, name, stream)
