"""The task of PID 1 in a container: reap orphaned processes, for example those of jobs or health checks."""

from __future__ import annotations

import os
from collections.abc import Collection

__all__ = ["reap_orphans"]


def reap_orphans(own: Collection[int]) -> None:
    """Reap the exited children that this process did not start. `own` are those it did: their exit status must remain readable."""
    try:
        while True:
            exited = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if exited is None or exited.si_pid in own:  # one of our own hides others only until it is reaped
                return
            os.waitpid(exited.si_pid, 0)
    except ChildProcessError:  # there are no children
        return
