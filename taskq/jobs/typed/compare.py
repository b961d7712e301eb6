"""Compare a value with the one that was rebuilt from its data: the job must get equal values of the same types."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from taskq.wire.codec import SerializerName, describe_change

__all__ = ["Changed", "Mismatch", "check_same"]

_PLAIN = (type(None), bool, int, float, str, bytes, list, dict)


class Mismatch(ValueError):
    """A value doesn't fit its hint. The text begins with the path to it."""


class Changed(Mismatch):
    """A value fits its hint, but would be restored as another one."""


def check_same(value: Any, rebuilt: Any, path: str, serializer: SerializerName) -> None:
    """Check that nothing was lost.

    Raises:
        Mismatch: a field holds a value of another type than its hint.
        Changed: a value would be restored as another one.
    """
    kind, other = type(value), type(rebuilt)
    if kind is not other:
        if kind is tuple and other is list:  # as without hints
            _check_each(enumerate(value), enumerate(rebuilt), path, serializer)
        elif kind is not int or other is not float:
            if other in _PLAIN:
                raise Changed(f"{path}: {describe_change(value, serializer)}")
            raise Mismatch(f"{path}: expected {other.__name__}, got {kind.__name__}")
    elif kind in (list, tuple):
        _check_each(enumerate(value), enumerate(rebuilt), path, serializer)
    elif kind is dict:
        _check_each(value.items(), rebuilt.items(), path, serializer)
    elif (names := _fields(value)) is not None:
        for name in names:
            check_same(getattr(value, name, None), getattr(rebuilt, name, None), f"{path}.{name}", serializer)
    elif not (_is_model(value) or _is_equal(value, rebuilt)):
        raise Changed(f"{path}: {value!r} would be restored as {rebuilt!r}")


def _check_each(pairs: Any, others: Any, path: str, serializer: SerializerName) -> None:
    for (key, value), (other, rebuilt) in zip(pairs, others, strict=True):
        inner = f"{path}[{key!r}]"
        check_same(key, other, f"a key in {path}", serializer)
        check_same(value, rebuilt, inner, serializer)


def _fields(value: Any) -> Iterator[str] | None:
    """Return the names of the fields of a dataclass, Struct, NamedTuple or attrs class; None for another value."""
    kind = type(value)
    for names in ("__struct_fields__", "_fields"):
        if isinstance(found := getattr(kind, names, None), tuple):
            return iter(found)
    if dataclasses.is_dataclass(kind):
        return (field.name for field in dataclasses.fields(kind))
    if isinstance(found := getattr(kind, "__attrs_attrs__", None), tuple):
        return (field.name for field in found)
    return None


def _is_model(value: Any) -> bool:
    return hasattr(type(value), "model_dump")


def _is_equal(value: Any, rebuilt: Any) -> bool:
    if isinstance(value, datetime):  # a time that a clock change repeats or skips is != to every time of another zone
        return bool(value.replace(tzinfo=None) == rebuilt.replace(tzinfo=None) and value.utcoffset() == rebuilt.utcoffset())
    return (value == rebuilt) is not False or bool(value != value)  # noqa: PLR0124  (NaN equals nothing)
