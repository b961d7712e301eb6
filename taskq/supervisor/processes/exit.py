"""The exit of a forked process: end its threads, then call the exit hooks of the application."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import weakref
from typing import Any

from taskq.logs import count_of

__all__ = ["end_threads", "inherit_hooks", "run_hooks"]

_log = logging.getLogger("taskq.worker")
#: The longest wait for threads that jobs have left, in seconds.
_LONGEST = 3.0
#: Threads of an idle pool end within this time.
_SOON = 0.2


def inherit_hooks() -> None:
    """Keep the exit hooks of the parent for this forked process, except for those that would destroy what the parent still uses."""
    # The only list of them is private. Each cleans up an object of the parent, such as a temporary directory.
    finalizers: Any = getattr(weakref.finalize, "_registry", {})
    for finalizer in list(finalizers):
        finalizer.atexit = False
    # The hook of multiprocessing would end these processes.
    if (module := sys.modules.get("multiprocessing.process")) is not None:
        vars(module)["_children"] = set()


def run_hooks() -> None:
    """Call the functions that were registered with `atexit`."""
    atexit._run_exitfuncs()


def end_threads() -> None:
    """Wait a few seconds for the threads that jobs have left. Python itself would wait until they end."""
    left = [one for one in threading.enumerate() if one is not threading.main_thread() and not one.daemon]
    if not left:
        return
    shutdown: Any = threading.__dict__["_shutdown"]  # it also asks idle pools to end
    joiner = threading.Thread(target=shutdown, name="taskq-exit", daemon=True)
    joiner.start()
    joiner.join(_SOON)
    if not joiner.is_alive():
        return
    names = ", ".join(one.name for one in left if one.is_alive())
    text = "jobs left %s running in this process (%s); it exits in %g s at the latest"
    _log.warning(text, count_of(sum(one.is_alive() for one in left), "thread"), names, _LONGEST)
    joiner.join(_LONGEST)
    if joiner.is_alive():
        threading.__dict__["_shutdown"] = lambda: None  # `multiprocess` calls it
