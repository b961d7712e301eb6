"""Convert one value to plain data and back, by its hint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from taskq.jobs.typed.compare import Changed, Mismatch, check_same
from taskq.jobs.typed.models import MODEL_PATH, encode_model, from_data, from_object
from taskq.wire.codec import Serializer

__all__ = ["Changed", "Mismatch", "Value", "mismatch"]


class Value:
    """A compiled hint. Converts its values to plain data and back."""

    def __init__(self, hint: Any, serializer: Serializer, *, is_plain: bool) -> None:
        # A field of a Struct: msgspec compiles its type once, and other types again at each call.
        self._holder = msgspec.defstruct("Value", [("value", hint)], array_like=True)
        self._serializer = serializer
        self._is_stored_as_is = is_plain or serializer.name == "pickle"

    def checked(self, value: Any, name: str) -> Any:
        """Return a value that was passed to a job, as an object of its hint.

        Raises:
            Mismatch: it doesn't fit the hint.
        """
        return self.convert(value, name, from_object)

    def load(self, data: Any, name: str) -> Any:
        """Return the value that plain data describes.

        Raises:
            Mismatch: it doesn't fit the hint.
        """
        return self.convert(data, name, from_object if self._serializer.name == "pickle" else from_data)

    def dump(self, value: Any, name: str) -> Any:
        """Return the plain data of a value; raises as `plain`."""
        checked = self.checked(value, name)
        return value if self._is_stored_as_is else self.plain(checked, name)

    def plain(self, checked: Any, name: str) -> Any:
        """Return the plain data of a checked value, from which the same value can be rebuilt.

        Raises:
            Mismatch: a field of the value doesn't fit its hint, or it would be restored as another value.
        """
        serializer = self._serializer.name
        is_json = serializer == "json"
        try:
            natives = () if is_json else (bytes, datetime)
            data = msgspec.to_builtins(checked, builtin_types=natives, str_keys=is_json, enc_hook=encode_model)
            data = data if is_json else _with_offsets(data)
        except Exception as error:
            raise Changed(f"{name}: {error}") from None
        check_same(checked, self.load(data, name), name, serializer)
        return data

    def convert(self, value: Any, name: str, hook: Any) -> Any:
        """Return a value converted to the hint. `hook` makes the objects that msgspec doesn't know; raises as `load`."""
        try:
            holder: Any = msgspec.convert((value,), self._holder, str_keys=True, dec_hook=hook)
        except Exception as error:  # the constructor of a class may raise anything
            raise mismatch(error, (name,)) from None
        return holder.value


def _with_offsets(data: Any) -> Any:
    """Return data in which datetimes that MessagePack would move to UTC are text."""
    kind = type(data)
    if kind is list or kind is tuple:
        return [_with_offsets(one) for one in data]
    if kind is dict:
        return {_with_offsets(key): _with_offsets(one) for key, one in data.items()}
    return data.isoformat() if kind is datetime and data.tzinfo is not UTC else data


#: The end of an error text of msgspec: the path of the value, from the Struct that contains it.
_PATH = re.compile(r" - at `(?P<key>key` in `)?\$(?:\[(?P<index>\d+)\])?(?P<path>.*?)`$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_WORDS = {"array": "list", "object": "dict", "null": "None", "decimal": "Decimal", "duration": "timedelta", "uuid": "UUID"}


def mismatch(error: Exception, names: Sequence[str]) -> Mismatch:
    """Return the error for a value that msgspec refuses: `order.items[2].price: expected Decimal, got str`.

    Args:
        error: the error of msgspec, or of a class that it calls.
        names: the names of the values in the Struct.
    """
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        text = f"{type(error).__name__}: {text}"
    path, found = names[0] if names else "", _PATH.search(text)
    if found is not None:
        text = text[: found.start()]
        path = (names[int(found["index"] or 0)] + found["path"]).removeprefix(".")
    if text.startswith(MODEL_PATH):
        _, inner, text = text.split(MODEL_PATH, 2)
        path += inner
    if missing := _MISSING.match(text):
        path, text = f"{path}.{missing[1]}", "required, but missing"
    text = text.replace("Invalid enum value", "Invalid value")
    text = re.sub(r"`([^`]*)`", lambda quoted: re.sub(r"\w+", lambda word: _WORDS.get(word[0], word[0]), quoted[1]), text)
    return Mismatch(f"{'a key in ' if found and found['key'] else ''}{path}: {text[:1].lower()}{text[1:]}")
