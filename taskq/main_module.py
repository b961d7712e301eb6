"""The script that this process runs as `__main__`, and the name under which a worker imports it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

__all__ = [
    "find_loaded",
    "home_of",
    "importable_name",
    "is_script",
    "look_up",
    "name_in_script",
    "namespace_of",
    "remember_script",
    "scripts",
]

#: Names of modules that are run, not imported: by Python and most launchers, in a child that multiprocessing spawns, by
#: `runpy.run_path`, by `python -m code`, and by `exec` with globals that have no name.
RUN_NAMES = frozenset({"__main__", "__mp_main__", "<run_path>", "__console__", None})

#: The scripts of this process that define jobs: the globals of each, by the name under which a worker imports it.
scripts: dict[str, Mapping[str, Any]] = {}


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
    is_module = path.suffix in (".py", ".pyc") and path.stem.isidentifier() and path.stem not in RUN_NAMES
    return path.stem if is_module else None


def home_of(function: Callable[..., Any]) -> str:
    """Return the name of the module from which a worker imports a function, or `__main__` if it can't."""
    module: str | None = getattr(function, "__module__", None)
    if module is not None and module not in RUN_NAMES:
        return module
    return importable_name(_script_of(function)) or "__main__"


def namespace_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the globals of the module or script that defines a function, not of a decorator's module."""
    module: str | None = getattr(function, "__module__", None)
    if module is None or module in RUN_NAMES:
        return _script_of(function)
    return sys.modules[module].__dict__ if module in sys.modules else {}


def _script_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the globals of the script that defines a function.

    A profiler runs the script in other globals than those of `sys.modules["__main__"]`. A decorator may be from another module.
    """
    found = inspect.unwrap(function, stop=_is_of_script)
    return found.__globals__ if _is_of_script(found) else vars(sys.modules["__main__"])


def _is_of_script(function: Any) -> bool:
    return getattr(function, "__globals__", {}).get("__name__", "") in RUN_NAMES


def remember_script(function: Callable[..., Any]) -> None:
    """Note the script that defines a job: what else it defines is sent by name to the workers that have it, and is found by that name."""
    if getattr(function, "__module__", None) in RUN_NAMES and (name := importable_name(script := _script_of(function))) is not None:
        scripts[name] = script


def name_in_script(thing: Any) -> tuple[str, str] | None:
    """Return the module and the qualified name under which a worker finds a class or function of a script, or None."""
    if thing.__module__ not in RUN_NAMES:
        return None
    found = (name for name, script in scripts.items() if look_up(script, thing.__qualname__) is thing)
    return next(((name, thing.__qualname__) for name in found), None)


def is_script(module: str) -> bool:
    """Return True if a module's name refers to a script of this process. If the script was imported, too, it refers to the import."""
    return module in scripts and module not in sys.modules


def find_loaded(module: str, qualname: str) -> Any:
    """Return the class or function of that name in a module or script that this process has loaded, or None."""
    if is_script(module):
        namespace = scripts[module]
    else:
        namespace = sys.modules[module].__dict__ if module in sys.modules else {}
    found = look_up(namespace, qualname)
    return found if isinstance(found, (type, FunctionType)) else None


def look_up(namespace: Mapping[str, Any], qualname: str) -> Any:
    """Return the object at a qualified name, or None; a method as it is stored in its class."""
    first, *rest = qualname.split(".")
    found = namespace.get(first)
    for part in rest:
        found = vars(found).get(part) if inspect.isclass(found) else getattr(found, part, None)
    return found
