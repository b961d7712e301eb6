"""Where in its code a job may be interrupted: not where it holds a lock that other threads need, imports a module or packs a command.

An exception that arrives between the acquisition of a lock and the block that releases it leaves the lock locked forever. The locks of
the standard library are recognized by the functions on the stack. A lock that the job itself acquires can't be seen, but `with lock:`
always releases it.
"""

from __future__ import annotations

import dis
import threading
from enum import Enum
from functools import cache
from types import CodeType, FrameType, TracebackType

from taskq.scoreboard.state import HARD_GRACE

__all__ = ["PATIENCE", "REPLACED_AFTER_IMPORT", "Place", "has_left_import", "place_of"]

#: Seconds after which a job is interrupted in an import or while it logs, too, if no lock is affected: the time left before its
#: process is killed.
PATIENCE = HARD_GRACE / 2

REPLACED_AFTER_IMPORT = (
    "replacing worker process (pid %d): a time limit or a cancel has interrupted an import, and left a module incomplete"
)

_IMPORT = frozenset({"importlib._bootstrap", "importlib._bootstrap_external", "_frozen_importlib", "_frozen_importlib_external"})
_LOGGING = frozenset({"logging", "logging.config", "logging.handlers"})
#: Modules whose functions hold locks, or change what the locks protect.
_LOCKING = frozenset({"threading", "queue", "concurrent.futures._base", "concurrent.futures.thread"})
#: The functions of logging in which a lock was just acquired, or is not released yet.
_LOGGING_LOCKS = frozenset({"acquire", "release", "_acquireLock", "_releaseLock", "handle"})
#: Clients that pack commands with hiredis or its copy. It crashes when a signal handler raises while it formats a number.
_PACKING = frozenset({"redis", "valkey"})
#: The modules of taskq that call jobs and hooks, or sleep: they are the current code while a C function is called.
_CALLERS = frozenset(
    {
        "taskq.driver.steps",
        "taskq.jobs.around.chain",
        "taskq.worker.concurrent.threads",
        "taskq.worker.execute.async_runner",
        "taskq.worker.execute.executor",
        "taskq.worker.process.lifespan",
    }
)


#: The signal handlers of a worker process: the code below them may be critical.
_HANDLERS = frozenset(
    {
        ("taskq.worker.execute.executor", "_on_alarm"),
        ("taskq.worker.execute.executor", "__call__"),
        ("taskq.worker.process.lifespan", "stop"),
        ("taskq.worker.process.signals", "_note"),
        ("taskq.worker.process.signals", "_ignore"),
        ("taskq.worker.process.signals", "_on_cancel_signal"),
    }
)


class Place(Enum):
    """The effect of an exception in the current code of a job."""

    FREE = "free"
    #: The module stays incomplete, so the process must be replaced.
    IMPORT = "import"
    #: Not safe: try again a little later.
    PROTECTED = "protected"


def place_of(frame: FrameType | None, caller: CodeType, *, is_late: bool) -> Place:
    """Return the effect of an exception in this frame, the current one of the job's thread.

    Args:
        frame: the frame.
        caller: the code that calls the job. Frames below it are not the job's.
        is_late: True if the interruption has waited for `PATIENCE` seconds.
    """
    if frame is None:
        return Place.FREE
    is_waiting = _is_waiting(frame)
    if not is_waiting and _is_critical(frame, is_late=is_late):
        return Place.PROTECTED
    place, called = Place.FREE, ""
    current: FrameType | None = frame
    while current is not None and current.f_code is not caller:
        module = _module(current)
        function = current.f_code.co_name
        if _never_raises(module, function, called):
            return Place.PROTECTED
        called = function
        if module in _IMPORT:
            place = Place.IMPORT
        if not is_late and (module in _IMPORT or module in _LOGGING or (module in _LOCKING and not is_waiting)):
            return Place.PROTECTED
        current = current.f_back
    return place


def has_left_import(traceback: TracebackType | None) -> bool:
    """Return True if an exception with this traceback has ended an import: the module is incomplete."""
    while traceback is not None:
        frame = traceback.tb_frame
        spec = frame.f_globals.get("__spec__")
        # Python removes the functions of importlib from tracebacks, but not the code of the module.
        if frame.f_code.co_name == "<module>" and getattr(spec, "origin", None) == frame.f_code.co_filename:
            return True
        traceback = traceback.tb_next
    return False


def _never_raises(module: str, function: str, called: str) -> bool:
    """Return True if an exception in this function, or in the one that it has called, would be dropped, or would crash the process."""
    if function == "pack" and called != "<genexpr>":
        return module.partition(".")[0] in _PACKING
    return function == "__del__" or module == "weakref" or (module, function) in _HANDLERS


def _is_critical(frame: FrameType, *, is_late: bool) -> bool:
    """Return True if the current function may hold a lock that it would not release."""
    module, function = _module(frame), frame.f_code.co_name
    if module in _IMPORT or module in _LOCKING:
        return True
    if module in _LOGGING:
        return function in _LOGGING_LOCKS
    return module.partition(".")[0] == "taskq" and module not in _CALLERS and not is_late


def _is_waiting(frame: FrameType) -> bool:
    """Return True in a wait of `threading` that holds no lock. It may last forever, and can be interrupted safely."""
    code = frame.f_code
    if code is threading.Condition.wait.__code__:
        first, end = _wait_range(code)
        return first <= frame.f_lasti < end
    return code.co_name in ("join", "_wait_for_tstate_lock") and _module(frame) == "threading"


@cache
def _wait_range(code: CodeType) -> tuple[int, int]:
    """Return the instructions of `Condition.wait` that run while the condition's lock is released."""
    names = ("_release_save", "acquire", "_acquire_restore")
    calls = [(one.argval, one.offset) for one in dis.get_instructions(code) if one.argval in names]
    released = next((offset for name, offset in calls if name == "_release_save"), 0)
    first = next((offset for name, offset in calls if name == "acquire" and offset > released), 0)
    end = next((offset for name, offset in calls if name == "_acquire_restore"), len(code.co_code))
    return first, end


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
