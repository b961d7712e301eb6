"""Types that can be checked, and the hooks for classes that msgspec doesn't know: pydantic models, and any class in a pickle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, get_origin

import msgspec
from msgspec import inspect

from taskq.wire.codec import describe_change

__all__ = ["MODEL_PATH", "Examined", "encode_model", "examine", "from_data", "from_object"]

#: Encloses the path in the text of a model's error. `value` adds it to the path of the model.
MODEL_PATH = "\0"
#: Data of these types is the same before and after it was stored, except for tuples.
_PLAIN = (
    inspect.AnyType,
    inspect.NoneType,
    inspect.BoolType,
    inspect.IntType,
    inspect.FloatType,
    inspect.StrType,
    inspect.LiteralType,
    inspect.ListType,
    inspect.TupleType,
    inspect.VarTupleType,
    inspect.DictType,
    inspect.UnionType,
    inspect.Metadata,
)


class Examined(NamedTuple):
    """The result of examining a hint."""

    #: The reason why values can't be checked, or None.
    problem: str | None
    #: True if the values are plain data, which the serializer stores as it is.
    is_plain: bool


def examine(hint: Any, *, takes_objects: bool) -> Examined:
    """Examine a hint.

    Args:
        hint: a resolved hint.
        takes_objects: objects of any class can be stored, so `isinstance` checks them.

    Raises:
        NameError: the hint of a field can't be resolved.
    """
    try:
        info = inspect.type_info(hint)
    except NameError:
        raise
    except Exception as error:  # msgspec raises TypeError; the hint may be anything
        return Examined(str(error).partition(" - type ")[0] or type(error).__name__, is_plain=False)
    is_plain = True
    for part in _parts(info, set()):
        if isinstance(part, inspect.CustomType) and not _is_known(part.cls, takes_objects=takes_objects):
            return Examined(f"{getattr(part.cls, '__name__', part.cls)} is not a type that {_STORES[takes_objects]}", is_plain=False)
        if isinstance(part, inspect.DictType) and not isinstance(part.key_type, (inspect.StrType, inspect.AnyType)):
            is_plain = False
        is_plain = is_plain and isinstance(part, _PLAIN)
    return Examined(None, is_plain)


_STORES = {False: "can be rebuilt from plain data", True: "isinstance can check"}


def _parts(info: Any, seen: set[int]) -> Iterator[inspect.Type]:
    """Yield a type and the types in it. A class may contain itself."""
    if isinstance(info, tuple):
        for one in info:
            yield from _parts(one, seen)
    elif isinstance(info, (inspect.Type, inspect.Field)) and id(info) not in seen:
        seen.add(id(info))
        if isinstance(info, inspect.Type):
            yield info
        for name in info.__struct_fields__:
            yield from _parts(getattr(info, name), seen)


def _is_known(kind: Any, *, takes_objects: bool) -> bool:
    if kind is object or _is_model(kind):
        return True
    return takes_objects and isinstance(kind, type) and _can_check(kind)


def _can_check(kind: type) -> bool:
    try:
        isinstance(None, kind)
    except TypeError:  # a protocol that isn't runtime_checkable
        return False
    return True


def _is_model(kind: Any) -> bool:
    """Return True for a pydantic model. It is recognized by its methods: nothing imports pydantic here."""
    return isinstance(kind, type) and hasattr(kind, "model_validate_json") and hasattr(kind, "model_dump")


def from_object(kind: Any, value: Any) -> Any:
    """Return a value that msgspec can't check, as an object of its class: for a push."""
    if kind is object or isinstance(value, get_origin(kind) or kind):
        return value
    if not _is_model(kind):
        raise TypeError(f"Expected `{getattr(kind, '__name__', kind)}`, got `{type(value).__name__}`")
    return _model(kind.model_validate, value)


def from_data(kind: Any, value: Any) -> Any:
    """Return the object that plain data describes: for a worker, and for a result."""
    if kind is object or not _is_model(kind):
        return from_object(kind, value)
    return _model(kind.model_validate_json, msgspec.json.encode(value))  # a strict model accepts a date as text only in JSON


def _model(make: Any, value: Any) -> Any:
    try:
        return make(value)
    except ValueError as error:
        errors: Any = getattr(error, "errors", None)
        if errors is None:
            raise
        first = errors()[0]
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        raise ValueError(f"{MODEL_PATH}{path}{MODEL_PATH}{first['msg']}") from None


def encode_model(value: Any) -> Any:
    """Return the plain data of an object that msgspec can't encode."""
    if _is_model(type(value)):
        return value.model_dump(mode="json", by_alias=True, round_trip=True, warnings=False)  # `compare` finds what is lost
    raise TypeError(describe_change(value, "json"))
