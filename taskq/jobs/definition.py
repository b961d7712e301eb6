"""The definition of a job: it decides whether a second one of the same name replaces the first, or is a mistake."""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import CellType, CodeType, FrameType
from typing import Any, NamedTuple

from taskq.main_module import home_of, importable_name

__all__ = ["Definition"]

_DATA = frozenset({str, bytes, int, float, timedelta, type(Path())})


class Definition(NamedTuple):
    """A function, and the execution of the top-level code that made it a job: of a module, or of a notebook cell."""

    function: Callable[..., Any]
    #: The globals of the top-level code, and its code. A weak reference: only jobs need the module's code after its import.
    namespace: dict[str, Any]
    code: weakref.ref[CodeType]
    #: The specs of the top-level code's module and of the function's module. A reload runs in the same globals, with a new spec.
    specs: tuple[object, object]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Definition:
        """Return the definition of a function that is being made a job."""
        frame: FrameType = sys._getframe(1)
        while not _is_top_level(frame) and frame.f_back is not None:
            frame = frame.f_back
        specs = frame.f_globals.get("__spec__"), getattr(function, "__globals__", {}).get("__spec__")
        return cls(function, frame.f_globals, weakref.ref(frame.f_code), specs)

    @property
    def place(self) -> str:
        """The file and line of the function, for an error."""
        code = getattr(self.function, "__code__", None)
        return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(self.function)

    def replaces(self, old: Definition) -> bool:
        """Return True if nothing refers to the old function any longer, or both do the same."""
        if _does_the_same(old.function, self.function):
            return True
        module = importable_name(self.namespace)
        if module != importable_name(old.namespace):
            return False
        if self.namespace is not old.namespace or self.specs[0] is not old.specs[0]:
            return module is not None  # the module was reloaded, or imported again: perhaps as a script and under its name
        if home_of(self.function) == home_of(old.function) and self._module_is_newer(old):
            return True
        return self.code() is not old.code() and self._is_bound_in_place_of(old)

    def _module_is_newer(self, old: Definition) -> bool:
        """Return True if the function's module was reloaded, or imported again, between the definitions."""
        before, after = getattr(old.function, "__globals__", None), getattr(self.function, "__globals__", None)
        return before is not after or self.specs[1] is not old.specs[1]

    def _is_bound_in_place_of(self, old: Definition) -> bool:
        """Return True if the top-level code, such as a notebook cell, binds this function to the name that the old one had."""
        name: str | None = getattr(self.function, "__qualname__", None)
        is_its_own = getattr(self.function, "__globals__", None) is self.namespace
        return is_its_own and name is not None and "<" not in name and name == getattr(old.function, "__qualname__", None)


def _is_top_level(frame: FrameType) -> bool:
    return not frame.f_code.co_flags & inspect.CO_OPTIMIZED and frame.f_locals is frame.f_globals


def _does_the_same(one: Any, other: Any) -> bool:
    """Return True if functions have the same code and globals, and the same objects or data in closures, defaults and instances."""
    if one is other:
        return True
    code = getattr(one, "__code__", None)
    if code is None or code != getattr(other, "__code__", None) or one.__globals__ is not other.__globals__:
        return False
    mine, theirs = _objects(one), _objects(other)
    return len(mine) == len(theirs) and all(map(_is_same, mine, theirs))


def _is_same(one: object, other: object) -> bool:
    """Return True for one object, and for equal data that no code can change: an app factory may compute its settings at each call."""
    if one is other:
        return True
    if type(one) is tuple and type(other) is tuple:
        return len(one) == len(other) and all(map(_is_same, one, other))
    return type(one) is type(other) and type(one) in _DATA and one == other


def _objects(function: Any) -> list[object]:
    """Return the objects that a function uses and that are not in its code."""
    cells = map(_content, function.__closure__ or ())
    return [getattr(function, "__self__", None), *cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def _content(cell: CellType) -> object:
    try:
        content: object = cell.cell_contents
    except ValueError:
        return cell  # empty: it will hold an object that isn't known yet, so it equals no other
    return content
