"""Bars for what takes longer than a second: on standard error, and only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from taskq.clock import monotonic

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["progress_bar"]

_PATIENCE = 1.0


class _Bar:
    def __init__(self, what: str) -> None:
        self._what = what
        self._start = monotonic()
        self._shown: tuple[Progress, TaskID] | None = None

    def show(self, done: int, total: int) -> None:
        if self._shown is None:
            if monotonic() - self._start < _PATIENCE or not sys.stderr.isatty():
                return
            self._shown = self._show(total)
        bar, task = self._shown
        bar.update(task, completed=done, total=total)

    def _show(self, total: int) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Progress(*columns, console=Console(stderr=True), transient=True)
        bar.start()
        return bar, bar.add_task(self._what, total=total)

    def close(self) -> None:
        if self._shown is not None:
            self._shown[0].stop()


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that takes how much is done and how much there is. The bar is gone when the block ends."""
    bar = _Bar(what)
    try:
        yield bar.show
    finally:
        bar.close()
