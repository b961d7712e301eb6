"""Ends a process that a job forked, and that returned from the job."""

from __future__ import annotations

import os

__all__ = ["exit_if_forked"]


def exit_if_forked(pid: int) -> None:
    """End this process unless its id is `pid`: the message and the slot belong to its parent.

    Called after every job: no hook reports a fork by a C library.
    """
    if os.getpid() != pid:
        os._exit(0)
