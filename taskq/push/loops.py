"""A warning for sync calls that block a running event loop: `job.push(...)` in a coroutine function instead of `await job.apush(...)`."""

from __future__ import annotations

import sys

from taskq.context import run_if_any

__all__ = ["warn_in_loop"]

#: Methods without a name that users write, and what to write instead. For the others: the same name with an "a".
_INSTEAD = {
    "__next__": ("reading a stream", "async for item in handle.astream()"),
    "__exit__": ("leaving a buffer", "async with queue.buffer()"),
}
_warned: set[str] = set()


def warn_in_loop() -> None:
    """Warn, once for each method in a process, if an event loop runs in this thread: it can run nothing else during the call.

    Notebooks get no warning, because their cells run in the loop of the kernel, nor does a job that has its event loop for itself.
    """
    asyncio = sys.modules.get("asyncio.events")  # not imported: no loop runs
    if asyncio is None or asyncio._get_running_loop() is None or "ipykernel" in sys.modules:
        return
    run = run_if_any()
    if run is not None and run.is_alone:
        return
    frame, level, method = sys._getframe(1), 2, ""
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("taskq."):
        method, frame, level = frame.f_code.co_name, frame.f_back, level + 1
    if method in _warned:
        return
    _warned.add(method)
    import warnings

    what, instead = _INSTEAD.get(method, (f"{method}()", f"await a{method}(...)"))
    text = f"{what} blocks the running event loop until the server has replied: use {instead}, or call it in asyncio.to_thread"
    warnings.warn(text, RuntimeWarning, stacklevel=level)
