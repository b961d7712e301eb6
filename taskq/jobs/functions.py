"""Functions that become jobs: their kinds, and the attributes by which frameworks recognize them."""

from __future__ import annotations

import functools
import inspect
import sys
from types import MethodType
from typing import Any, Literal

from taskq.errors import JobDefinitionError

__all__ = [
    "LazySignature",
    "MethodLike",
    "check_decorated",
    "imitate",
    "is_async_callable",
    "is_generator",
    "kind_of",
    "qualname_of",
    "returns_generator",
    "signature_of",
]

#: `inspect` looks at the first three to see whether a callable is a coroutine or generator function. The others mark a callable object
#: as a coroutine function: for asyncio until Python 3.11, and for inspect.
_MARKS = ("__code__", "__defaults__", "__kwdefaults__", "_is_coroutine", "_is_coroutine_marker")
_AS_TEXT: dict[str, Any] = {}
if sys.version_info >= (3, 14):
    # Annotations are evaluated on request. Some use names that only type checkers import, so ask for their text.
    _AS_TEXT["annotation_format"] = inspect.Format.STRING


def kind_of(function: Any) -> Literal["function", "static", "class"]:
    """Return how a function binds as a method.

    Raises:
        JobDefinitionError: it can't be a job.
    """
    if isinstance(function, staticmethod):
        return "static"
    if isinstance(function, classmethod):
        return "class"
    if inspect.isclass(function):
        advice = "decorate one of its methods, or push an instance that has handle(): queue.push(...)"
        raise JobDefinitionError(f"a job must be a function or a method; got the class {function.__name__}: {advice}")
    if not callable(function):
        raise JobDefinitionError(f"a job must be a function or a method; got {function!r}")
    return "function"


def check_decorated(function: Any, decorator: str) -> None:
    """Check that a decorator of a queue that has no options was given a callable. None: nothing, because of parentheses.

    Raises:
        JobDefinitionError: it was not.
    """
    if not callable(function):
        given = "" if function is None else f"; got {function!r}"
        raise JobDefinitionError(f"@queue.{decorator} must decorate a function{given}. It has no options: write it without parentheses")


def qualname_of(function: Any) -> str:
    """Return the name of a callable in errors about its decorator."""
    return getattr(function, "__qualname__", None) or repr(function)


def is_async_callable(function: Any) -> bool:
    """Return True for a coroutine function, and for an object whose `__call__` is one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def is_generator(function: Any) -> bool:
    """Return True if a function is a generator function, sync or async."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def returns_generator(function: Any) -> bool:
    """Return True if a call would only make a generator, as far as taskq can see: a partial, a wrapper, or a callable object."""
    if is_generator(function) or inspect.iscoroutinefunction(function):
        return False
    function = _inner(function)
    return is_generator(inspect.unwrap(function)) or is_generator(type(function).__call__)


def signature_of(function: Any, *, follow_wrapped: bool = True) -> inspect.Signature | None:
    """Return the signature of a callable, or None if it has none that can be read: some built-ins, and objects that compute it and fail."""
    try:
        return inspect.signature(function, follow_wrapped=follow_wrapped, **_AS_TEXT)
    except Exception:
        return None


def imitate(job: Any, function: Any) -> None:
    """Give a job the attributes of its function, so that frameworks await an async job."""
    functools.update_wrapper(job, _inner(function), assigned=(*_MARKS, *functools.WRAPPER_ASSIGNMENTS), updated=())
    functools.update_wrapper(job, function, updated=())


class LazySignature:
    """A job's signature, after a check of the job. `functools.cached_property` has a lock in Python 3.11, which a fork may leave locked."""

    def __get__(self, job: Any, owner: type) -> Any:
        if job is None:
            return self
        job.check_place()
        job.signature = job._signature
        return job.signature


class _OfFunction:
    """An attribute that a bound job shares with its function."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, bound: Any, owner: type) -> Any:
        if bound is None:
            raise AttributeError(self._name)
        function = bound._job.function
        return signature_of(MethodType(function, *bound._first)) if self._name == "__signature__" else getattr(function, self._name)


class MethodLike:
    """The attributes of a bound job, as `imitate` sets them. Looked up on demand, because each push of a method makes a bound job."""

    __name__ = _OfFunction()
    __signature__ = _OfFunction()
    __code__ = _OfFunction()
    __defaults__ = _OfFunction()
    __kwdefaults__ = _OfFunction()
    _is_coroutine = _OfFunction()
    _is_coroutine_marker = _OfFunction()


def _inner(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function
