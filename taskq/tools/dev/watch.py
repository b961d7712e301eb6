"""The process that watches the files. It only sends the changed files, so its faults can't affect the worker."""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from collections.abc import Iterator
from typing import Any

import setproctitle

from taskq.clock import monotonic
from taskq.supervisor.processes.fork import Connection, die_with_parent
from taskq.tools.dev.files import Files, changes

__all__ = ["has_watchfiles", "watch"]

#: Seconds between two scans of the files: while polling, and in addition to the events of the system, which some mounts don't send.
_POLL, _LOOK = 0.3, 2.0
#: Polling takes at most one part in this number of the time.
_SHARE = 20


def has_watchfiles() -> bool:
    """Return True if the extra `dev` is installed."""
    return importlib.util.find_spec("watchfiles") is not None


def watch(connection: Connection, parent: int, files: Files, *, poll: bool) -> None:
    """Send the changed files, until the parent exits. An empty list comes first: from then on, no change is missed.

    Args:
        connection: receives a list of paths, or a text for the user.
        parent: the process at whose exit this one ends.
        files: the files to watch.
        poll: scan the files repeatedly instead of waiting for events of the system.
    """
    os.setsid()  # Ctrl-C at the terminal must reach the parent only
    die_with_parent(parent)
    setproctitle.setproctitle("taskq: dev watcher")
    began = monotonic()
    seen = files.scan()
    took = monotonic() - began
    connection.send([])
    for _ in _wakes(files, took, connection, poll=poll):
        found = files.scan()
        if changed := changes(seen, found):
            connection.send(changed)
        seen = found


def _events(files: Files) -> Iterator[object]:
    """Yield the events of the system, and an empty set after a moment without any."""
    watchfiles: Any = importlib.import_module("watchfiles")
    changed: Iterator[object] = watchfiles.watch(
        *files.roots,
        watch_filter=lambda _, path: files.matches(os.path.basename(path)),
        debounce=200,
        step=20,
        rust_timeout=500,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    return changed


def _wakes(files: Files, took: float, connection: Connection, *, poll: bool) -> Iterator[object]:
    """Yield whenever the files should be scanned."""
    if not poll:
        due = 0.0  # the first scan is for changes before the system sent events
        try:
            for found in _events(files):
                if found or monotonic() >= due:
                    due = monotonic() + max(_LOOK, _SHARE * took)
                    yield found
        except (OSError, RuntimeError) as error:  # such as too many directories for inotify
            connection.send(f"the system can't watch the files, so taskq dev polls them: {error}")
    while True:
        time.sleep(max(_POLL, _SHARE * took))
        yield None
