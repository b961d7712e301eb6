"""The values that reading a pickle makes: placeholders for objects, and the plain values that are safe to make, and to hash."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

__all__ = ["KEY_VALUES", "Global", "Unknown", "is_cheap_key", "is_plain_key", "is_small"]

#: The most values in a key that is hashed, if its hash can be made to collide.
KEY_VALUES = 20
#: Hashes of smaller integers don't collide.
_LARGE = 1 << 60
#: The longest argument of a plain value.
_TEXT = 1000

_HARMLESS: dict[str, Any] = {
    f"{module} {real.__name__}": real
    for module, reals in {
        "builtins": (complex, frozenset, set),
        "__builtin__": (complex, frozenset, set),
        "datetime": (date, datetime, time, timedelta, timezone),
        "decimal": (Decimal,),
    }.items()
    for real in reals
}
_PLAIN = (type(None), bool, int, float, str, bytes, date, datetime, time, timedelta, timezone)
_SIMPLE_KEYS = frozenset({type(None), bool, float, str, bytes})
_HASHABLE = frozenset({*_PLAIN, complex, Decimal})


#: See taskq.wire.pickles, which the inspector doesn't need.
_FINDERS = frozenset({"taskq.wire.pickles _found", "taskq.wire.pickles _found_or_made"})


class Unknown:
    """Placeholder for an object in a pickle. It has the name of the class and the arguments that would make the object."""

    __slots__ = ("args", "fields", "items", "name")

    def __init__(self, name: str = "?", args: tuple[Any, ...] = (), fields: dict[Any, Any] | None = None) -> None:
        self.name = name
        self.args = args
        self.fields = fields or {}
        #: The items of a list, set or mapping of an unknown class.
        self.items: list[Any] = []

    def __repr__(self) -> str:
        return f"<{self.name[:_TEXT]}>"


class Global(Unknown):
    """A class or function that a pickle names."""

    __slots__ = ("is_finder", "real")

    def __init__(self, path: str) -> None:
        super().__init__(path.partition(" ")[2])
        #: True for a function that finds what a script defines, by its module and its name.
        self.is_finder = path in _FINDERS
        #: The class, if it is one of plain values, which are not larger than the bytes they are made from.
        self.real = _HARMLESS.get(path)


def is_small(value: Any) -> bool:
    """Return True if a class of plain values may get this argument."""
    if type(value) in (str, bytes):
        return len(value) <= _TEXT
    return type(value) in _PLAIN and (type(value) is not int or value.bit_length() <= 64)


def is_cheap_key(value: Any) -> bool:
    """Return True if the hash of a value takes no longer than that of a few numbers.

    Raises:
        ValueError: it has no hash.
    """
    left, seen = [value], 0
    while left:
        one = left.pop()
        seen += 1
        if type(one) in (tuple, frozenset):
            if seen + len(left) + len(one) > KEY_VALUES:
                return False
            left.extend(one)
        elif type(one) is int and one.bit_length() > 64 * KEY_VALUES:
            return False
        elif type(one) not in _HASHABLE and not isinstance(one, Unknown):
            raise ValueError(f"unhashable type: {type(one).__name__}")
    return True


def is_plain_key(value: Any) -> bool:
    """Return True if nobody can choose many such values with the same hash."""
    return type(value) in _SIMPLE_KEYS or isinstance(value, Unknown) or (type(value) is int and -_LARGE < value < _LARGE)
