"""`breakpoint()` in a job: a worker process has no terminal, so pdb would end at once, in every attempt."""

from __future__ import annotations

import sys
from typing import Any

from taskq.config import breakpoint_variable
from taskq.worker.execute.raised import NoDebugger

__all__ = ["replace_breakpoint"]


def replace_breakpoint() -> None:
    """Let `breakpoint()` raise in this process, unless a debugger has set its own hook, or PYTHONBREAKPOINT names or disables one."""
    if sys.breakpointhook is sys.__breakpointhook__:
        sys.breakpointhook = _breakpoint


def _breakpoint(*args: Any, **kwargs: Any) -> Any:
    if breakpoint_variable() not in ("", "pdb.set_trace"):
        return sys.__breakpointhook__(*args, **kwargs)
    raise NoDebugger
