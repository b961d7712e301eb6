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
            field, other_field = getattr(value, name, None), getattr(rebuilt, name, None)
            # A model doesn't check its defaults: the text of an enum is as good as its member.
            if not (_is_model(kind) and type(field) is not type(other_field) and _is_equal(field, other_field)):
                check_same(field, other_field, f"{path}.{name}", serializer)
    elif not _is_equal(value, rebuilt):
        ours, theirs = repr(value), repr(rebuilt)
        lost = f"{ours} is hidden in the data" if ours == theirs else f"{ours} would be restored as {theirs}"  # a SecretStr
        raise Changed(f"{path}: {lost}")


def _check_each(pairs: Any, others: Any, path: str, serializer: SerializerName) -> None:
    before, after = list(pairs), list(others)
    if len(before) != len(after):  # a model decides itself what its data contains
        raise Changed(f"{path}: {len(before)} items would be restored as {len(after)}")
    for (key, value), (other, rebuilt) in zip(before, after, strict=True):
        inner = f"{path}[{key!r}]"
        check_same(key, other, f"a key in {path}", serializer)
        check_same(value, rebuilt, inner, serializer)


def _fields(value: Any) -> Iterator[str] | None:
    """Return the names of the fields of a dataclass, Struct, NamedTuple, attrs class or pydantic model; None for another value."""
    kind = type(value)
    for names in ("__struct_fields__", "_fields"):
        if isinstance(found := getattr(kind, names, None), tuple):
            return iter(found)
    if dataclasses.is_dataclass(kind):
        return (field.name for field in dataclasses.fields(kind))
    if isinstance(found := getattr(kind, "__attrs_attrs__", None), tuple):
        return (field.name for field in found)
    if _is_model(kind):  # `exclude=True` says that a field isn't part of the data
        return iter([*(name for name, field in kind.model_fields.items() if not field.exclude), *(value.model_extra or ())])
    return None


def _is_model(kind: type) -> bool:
    return hasattr(kind, "model_dump") and hasattr(kind, "model_fields")


def _is_equal(value: Any, rebuilt: Any) -> bool:
    if isinstance(value, datetime):  # a time that a clock change repeats or skips is != to every time of another zone
        return bool(value.replace(tzinfo=None) == rebuilt.replace(tzinfo=None) and value.utcoffset() == rebuilt.utcoffset())
    kind: Any = type(value)
    if kind.__eq__ is object.__eq__:  # the class of a model's field, which says nothing about its values
        return True
    return (value == rebuilt) is not False or bool(value != value)  # noqa: PLR0124  (NaN equals nothing)
