"""Values as text for people and as JSON data. Both are bounded, because a few bytes can describe an endless value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import islice
from typing import Any

from taskq.inspector.values import Unknown

__all__ = ["call_text", "data_of", "text_of"]

_DEPTH = 20
#: The maximum number of values in one document, and of characters in all of its texts.
_VALUES = 100_000
_CHARACTERS = 1 << 24
_BITS = 10_000
#: The default limit of a text.
_ENOUGH = 1 << 20
_BRACKETS: dict[type, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("frozenset({", "})")}
_LEAVES = (bool, float, complex, date, datetime, time, timedelta, timezone, Decimal)


def text_of(value: Any, limit: int = _ENOUGH) -> str:
    """Return a value in Python syntax, cut to `limit` characters. An unknown object becomes `<Name field=value>`."""
    return _cut(_pieces(value, 0, limit), limit)


def call_text(args: tuple[Any, ...], kwargs: Mapping[Any, Any], limit: int = _ENOUGH) -> str:
    """Return arguments in the form of a call, cut to `limit` characters."""
    return _cut(_call(args, kwargs, 0, limit), limit)


def _cut(pieces: Iterator[str], limit: int) -> str:
    kept: list[str] = []
    size = 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > limit:
            break
    text = "".join(kept)
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"


def _pieces(value: Any, depth: int, limit: int) -> Iterator[str]:
    kind = type(value)
    if depth > _DEPTH:
        yield "…"
    elif kind in _BRACKETS:
        opening, closing = _BRACKETS[kind]
        yield opening
        yield from _joined(_pieces(item, depth + 1, limit) for item in value)
        yield ",)" if kind is tuple and len(value) == 1 else closing
    elif kind is dict:
        yield "{"
        yield from _joined((_pair(key, item, depth, limit) for key, item in value.items()))
        yield "}"
    elif isinstance(value, Unknown):
        yield from _unknown(value, depth, limit)
    else:
        yield _leaf(value, limit)


def _leaf(value: Any, limit: int) -> str:
    kind = type(value)
    if value is None or kind in _LEAVES:
        return _repr(value)
    if kind is int:
        return str(value) if value.bit_length() < _BITS else f"<int of {value.bit_length()} bits>"
    if kind in (str, bytes, bytearray):
        return repr(value[: limit + 1])
    return f"<{kind.__name__}>"


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # a time zone can be an Unknown, which lacks its methods
        return f"<{type(value).__name__}>"


def _unknown(value: Unknown, depth: int, limit: int) -> Iterator[str]:
    number = value.fields.get("int")
    if value.name == "UUID" and type(number) is int and 0 <= number < 1 << 128:
        yield f"<UUID {number:032x}>"
        return
    yield f"<{value.name}"
    if value.args or value.fields or value.items:
        yield " "
    yield from _joined(
        part
        for parts in (
            (_pieces(one, depth + 1, limit) for one in value.args),
            (_named(key, one, depth + 1, limit) for key, one in value.fields.items()),
            (_pieces(one, depth + 1, limit) for one in value.items),
        )
        for part in parts
    )
    yield ">"


def _call(args: tuple[Any, ...], kwargs: Mapping[Any, Any], depth: int, limit: int) -> Iterator[str]:
    positional = (_pieces(value, depth + 1, limit) for value in args)
    named = (_named(key, value, depth + 1, limit) for key, value in kwargs.items())
    return _joined(part for parts in (positional, named) for part in parts)


def _named(key: Any, value: Any, depth: int, limit: int) -> Iterator[str]:
    yield f"{key if isinstance(key, str) and key.isidentifier() else text_of(key, limit)}="
    yield from _pieces(value, depth, limit)


def _pair(key: Any, value: Any, depth: int, limit: int) -> Iterator[str]:
    yield from _pieces(key, depth + 1, limit)
    yield ": "
    yield from _pieces(value, depth + 1, limit)


def _joined(parts: Iterator[Iterator[str]]) -> Iterator[str]:
    for number, part in enumerate(parts):
        if number:
            yield ", "
        yield from part


def data_of(value: Any) -> Any:
    """Return a value as JSON data. A value that JSON can't represent becomes the text of `text_of`."""
    return _Data().of(value, 0)


class _Data:
    """Counts the values and the characters of one document: a string that is shared by many values is written for each of them."""

    def __init__(self) -> None:
        self._left = _VALUES
        self._characters = _CHARACTERS

    def of(self, value: Any, depth: int) -> Any:
        self._left -= 1
        kind = type(value)
        if depth > _DEPTH or self._left <= 0 or self._characters <= 0:
            return "…"
        if kind in (list, tuple, set, frozenset):
            return [self.of(item, depth + 1) for item in islice(value, self._left)]
        if kind is dict:
            pairs = islice(value.items(), self._left)
            return {self._text(key): self.of(item, depth + 1) for key, item in pairs}
        if value is None or kind is bool:
            return value
        if (kind is int and value.bit_length() < _BITS) or (kind is float and math.isfinite(value)):
            return value
        return self._text(value)

    def _text(self, value: Any) -> str:
        left = max(1, self._characters)
        text = _cut(iter((value,)), left) if type(value) is str else text_of(value, min(left, _ENOUGH))
        self._characters -= len(text) + 1
        return text
