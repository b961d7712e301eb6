"""The type hints of a job, resolved at its first use: by then, the names that they refer to exist."""

from __future__ import annotations

import collections.abc
import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple, Optional, get_args, get_origin, get_type_hints

from taskq.errors import JobDefinitionError
from taskq.jobs.functions import is_generator, signature_of

__all__ = ["Hinted", "Returned", "hints_of", "returned_by"]

_ITERATORS = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.Generator,
    collections.abc.AsyncGenerator,
)


class Hinted(NamedTuple):
    """A parameter and its hint: `Any` without an annotation."""

    parameter: inspect.Parameter
    hint: Any


class Returned(NamedTuple):
    """The hints of what a job returns and, if it is a generator, of what it yields."""

    result: Any
    item: Any


def hints_of(job: str, function: Callable[..., Any], *, through_wrapper: bool) -> list[Hinted] | None:
    """Return the parameters of a job with their hints, or None if they are unknown.

    Args:
        job: the job's name, for the error.
        function: its function.
        through_wrapper: read the hints of the function that a decorator wraps. Otherwise a wrapper has none: it may change the arguments.

    Raises:
        JobDefinitionError: a hint can't be resolved.
    """
    signature = _signature(function, through_wrapper=through_wrapper)
    if signature is None:
        return None
    found = []
    for name, one in signature.parameters.items():
        hint = Any if one.annotation is one.empty else _resolve(one.annotation, function, f"parameter {name!r} of {job}")
        found.append(Hinted(one, Optional[hint] if one.default is None else hint))  # noqa: UP045
    return found


def returned_by(job: str, function: Callable[..., Any], *, through_wrapper: bool) -> Returned:
    """Return the hints of what a job returns and yields; see `hints_of`."""
    signature = _signature(function, through_wrapper=through_wrapper)
    if signature is None or signature.return_annotation is signature.empty:
        return Returned(Any, Any)
    hint = _resolve(signature.return_annotation, function, f"the return value of {job}")
    if not is_generator(function):
        return Returned(hint, Any)
    arguments: tuple[Any, ...] = get_args(hint) if get_origin(hint) in _ITERATORS else ()
    is_full = get_origin(hint) is collections.abc.Generator and len(arguments) == 3
    return Returned(arguments[2] if is_full else Any, arguments[0] if arguments else Any)


def _signature(function: Callable[..., Any], *, through_wrapper: bool) -> inspect.Signature | None:
    if hasattr(function, "__wrapped__") and not through_wrapper:
        return None
    return signature_of(function)


def _resolve(annotation: Any, function: Callable[..., Any], what: str) -> Any:
    inner = _defined(function)
    # A separate function, so that the hints of the other parameters aren't evaluated.
    probe = FunctionType(_probe.__code__, getattr(inner, "__globals__", {}))
    probe.__annotations__ = {"hint": annotation}
    if hasattr(inner, "__type_params__"):  # Python 3.12
        probe.__type_params__ = inner.__type_params__  # type: ignore[attr-defined]
    try:
        return get_type_hints(probe, include_extras=True)["hint"]
    except Exception as error:
        text = annotation if isinstance(annotation, str) else repr(annotation)
        raise JobDefinitionError(
            f"the type hint {text!r} of {what} can't be resolved: {error}. Import or define the name where the module runs, not only under "
            "TYPE_CHECKING; or turn the check off with @queue.job(validate=False)"
        ) from error


def _probe() -> None: ...


def _defined(function: Any) -> Any:
    """Return the function whose module defines the names of the hints."""
    while isinstance(function, functools.partial) or hasattr(function, "__wrapped__"):
        function = function.func if isinstance(function, functools.partial) else function.__wrapped__
    return function if hasattr(function, "__globals__") else type(function).__call__
