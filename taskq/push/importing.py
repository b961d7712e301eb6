"""Pushes while a command imports the app: each command that imports it would push again, so they are counted or refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType, TracebackType

from taskq.errors import AppError

__all__ = ["GUARD", "AppImport", "is_app_file", "running_import"]

#: Paths of code that is not the app's: taskq, the standard library, and code without a file.
_NOT_THE_APP = (f"{Path(__file__).parents[1]}{os.sep}", f"{Path(os.__file__).parent}{os.sep}", "<")
#: The remedy.
GUARD = 'put pushes below `if __name__ == "__main__":`'


class AppImport:
    """The import of an app, as a `with` block. Counts the messages that it pushes, and notes the place of the first push."""

    def __init__(self, module: str, *, refuses: bool) -> None:
        """With `refuses`, a push in the block raises an error."""
        self.module = module
        self.refuses = refuses
        self.count = 0
        #: The place of the first push, such as " (/srv/shop/jobs.py:9)"; "" if only libraries were running.
        self.place = ""

    def __enter__(self) -> AppImport:
        global _running
        self._outer, _running = _running, self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        global _running  # noqa: PLW0603
        _running = self._outer

    def pushed(self) -> None:
        """Note a push.

        Raises:
            AppError: this import must not push.
        """
        self.count += 1
        if self.count == 1:
            self.place = _place()
        if self.refuses:
            raise AppError(self.refusal())

    def refusal(self) -> str:
        """Return the text of the error that a refused push raises."""
        return f"importing {self.module} pushes messages{self.place}, and every command that imports the app would push them again: {GUARD}"


_running: AppImport | None = None


def running_import() -> AppImport | None:
    """Return the import that is running, or None."""
    return _running


def is_app_file(file: str) -> bool:
    """Return True for a file of the app, not of a library."""
    return not file.startswith(_NOT_THE_APP) and "site-packages" not in file


def _place() -> str:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_app_file(frame.f_code.co_filename):
        frame = frame.f_back
    return f" ({frame.f_code.co_filename}:{frame.f_lineno})" if frame is not None else ""
