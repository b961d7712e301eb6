"""The script that this process runs as `__main__`, and the name under which a worker imports it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["home_of", "importable_name"]

#: Names of modules that are run, not imported: by Python and most launchers, in a child that multiprocessing spawns, by
#: `runpy.run_path`, by `python -m code`, and by `exec` with globals that have no name.
RUN_NAMES = frozenset({"__main__", "__mp_main__", "<run_path>", "__console__", None})


def importable_name(namespace: Mapping[str, Any]) -> str | None:
    """Return the name under which a worker imports the module with these globals, or None if it can't: a notebook, `python -c`."""
    name: str | None = namespace.get("__name__")
    if name not in RUN_NAMES:
        return name
    spec, file = namespace.get("__spec__"), namespace.get("__file__")
    # A console of the standard library, such as `python -m asyncio`, runs what is typed as its own `__main__`.
    if spec is not None and spec.name not in RUN_NAMES and spec.name.partition(".")[0] not in sys.stdlib_module_names:
        found: str = spec.name
        return found
    path = Path(file) if isinstance(file, str) else Path()
    is_module = path.suffix in (".py", ".pyc") and "." not in path.stem and path.stem not in RUN_NAMES
    return path.stem if is_module else None


def home_of(function: Callable[..., Any]) -> str:
    """Return the name of the module from which a worker imports a function, or `__main__` if it can't."""
    module: str | None = getattr(function, "__module__", None)
    if module is not None and module not in RUN_NAMES:
        return module
    return importable_name(_script_of(function)) or "__main__"


def _script_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the globals of the script that defines a function.

    A profiler runs the script in other globals than those of `sys.modules["__main__"]`. A decorator may be from another module.
    """
    found = inspect.unwrap(function, stop=_is_of_script)
    return found.__globals__ if _is_of_script(found) else vars(sys.modules["__main__"])


def _is_of_script(function: Any) -> bool:
    return getattr(function, "__globals__", {}).get("__name__", "") in RUN_NAMES
