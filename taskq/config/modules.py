"""Find the modules that a pattern such as "shop.*.jobs" matches, without importing a module that it doesn't match."""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec

__all__ = ["find_modules", "is_pattern", "unimported_module"]

#: Names that are not searched: programs, and folders that may be large and have no Python code.
_SKIPPED = frozenset({"__main__", "__pycache__", "node_modules"})


def is_pattern(name: str) -> bool:
    """Return True for a pattern, and False for the name of one module."""
    return "*" in name


def find_modules(pattern: str) -> list[str]:
    """Return the sorted names of the modules that a pattern matches. It begins with the name of a package.

    `*` stands for any characters within one level, and a level of `**` for any number of packages. Modules named `__main__` are skipped:
    they are programs.
    """
    first, *rest = pattern.split(".")
    try:
        spec = find_spec(first)
    except ValueError:  # a module without a spec, such as the program that runs
        spec = None
    return [] if spec is None else sorted(set(_matches(first, spec, rest)))


def unimported_module(job: str) -> str | None:
    """Return the module that a job's name begins with, if this process has not imported it; otherwise None. Imports nothing."""
    module, colon, _ = job.partition(":")
    parts = module.split(".")
    if not colon or module in sys.modules or parts[0] in sys.stdlib_module_names or not all(map(str.isidentifier, parts)):
        return None
    return module


def _matches(name: str, spec: ModuleSpec, rest: list[str], parents: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the modules below a name that match the rest of a pattern. `parents` are the folders of the enclosing packages."""
    if not rest:
        if spec.origin is not None:  # a folder without a file has nothing to import
            yield name
        return
    head, *tail = rest
    if head == "**":
        yield from _matches(name, spec, tail, parents)
    places = list(getattr(sys.modules.get(name), "__path__", None) or spec.submodule_search_locations or ())
    parents |= frozenset(map(os.path.realpath, places))
    for child in sorted(_children(places)) if "*" in head else [head]:
        # By its last name: for the full name of a folder without a file, Python must have imported the enclosing package.
        found = PathFinder.find_spec(child, places) if fnmatchcase(child, head) else None
        if found is not None and parents.isdisjoint(map(os.path.realpath, found.submodule_search_locations or ())):  # no loop of links
            yield from _matches(f"{name}.{child}", found, rest if head == "**" else tail, parents)


def _children(places: Iterable[str]) -> set[str]:
    """Return the names of the modules and packages in folders, also of packages without an `__init__.py`."""
    names = {module.name for module in pkgutil.iter_modules(places)}
    for place in filter(os.path.isdir, places):
        with os.scandir(place) as entries:
            names.update(entry.name for entry in entries if entry.name.isidentifier() and entry.is_dir())
    return names - _SKIPPED
