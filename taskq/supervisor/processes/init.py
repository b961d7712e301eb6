"""The duty of the first process of a container: reap the processes that were left behind, for example by jobs or health checks."""

from __future__ import annotations

import os
from collections.abc import Collection

__all__ = ["reap_strangers"]


def reap_strangers(own: Collection[int]) -> None:
    """Reap the exited children that this process did not start. `own` are those it did: their exit status must remain readable."""
    try:
        while True:
            exited = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if exited is None or exited.si_pid in own:  # one of our own hides others only until it is reaped
                return
            os.waitpid(exited.si_pid, 0)
    except ChildProcessError:  # there are no children
        return
