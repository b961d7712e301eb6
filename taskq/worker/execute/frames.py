"""Frees what failed jobs held: their exceptions, and so the frames with all local variables, are often part of a reference cycle."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from opcode import opmap
from types import FrameType

__all__ = ["free_frames"]

_YIELD_VALUE = opmap["YIELD_VALUE"]
_SUSPENDABLE = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR


def free_frames(error: BaseException) -> None:
    """Clear the frames of an exception, so that they keep nothing alive until the garbage collector runs.

    Call this after the listeners and on_fail: the local variables are gone then.
    """
    for one in _with_causes(error):
        traceback = one.__traceback__
        # The callers of the job, up to one that is still running: they hold its arguments.
        caller = traceback.tb_frame.f_back if traceback is not None else None
        while caller is not None and _clear(caller):
            caller = caller.f_back
        while traceback is not None:
            _clear(traceback.tb_frame)
            traceback = traceback.tb_next


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += (one.__cause__, one.__context__)
            if isinstance(one, BaseExceptionGroup):
                waiting += one.exceptions


def _clear(frame: FrameType) -> bool:
    """Clear a frame that has ended. Return False if it hasn't."""
    if frame.f_code.co_flags & _SUSPENDABLE and _may_be_suspended(frame):
        return False
    with contextlib.suppress(RuntimeError):  # it is running
        frame.clear()
        return True
    return False


def _may_be_suspended(frame: FrameType) -> bool:
    """Return True if a generator or coroutine may continue. Before Python 3.13, clearing its frame would end it.

    It has no caller then, and its last instruction is a yield. In Python 3.11, one that has ended has no caller either.
    """
    return frame.f_back is None and frame.f_code.co_code[frame.f_lasti] == _YIELD_VALUE
