"""Arguments to bytes and back. The only file that knows the codes of the serializers."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from taskq.errors import ConfigError, MalformedMessage, SerializationError
from taskq.wire.pickles import dump_call, dump_pickle, load_pickle

__all__ = [
    "CALLS",
    "CODE",
    "PYTHON",
    "SERIALIZERS",
    "Serializer",
    "SerializerName",
    "check_python",
    "check_serializer",
    "describe_change",
    "dump_arguments",
    "load_arguments",
    "python_of",
    "serializer_of_code",
]

SerializerName = Literal["pickle", "json", "msgpack"]
SERIALIZERS: tuple[str, ...] = get_args(SerializerName)

#: Part of every pickle that contains code by value. Each minor version of Python has different bytecode, and running that of another
#: version crashes the interpreter, so such data is stored with the version that wrote it.
CODE = b"cloudpickle.cloudpickle"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Serializer(NamedTuple):
    """A way to turn arguments into bytes. `code` is part of the message, and its meaning never changes."""

    name: SerializerName
    code: int
    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]


def _dump_json(value: Any) -> bytes:
    _check_plain(value, _JSON, _JSON_KEYS)
    return msgspec.json.encode(value)


def _dump_msgpack(value: Any) -> bytes:
    _check_plain(value, _MSGPACK, _MSGPACK_KEYS)
    return msgspec.msgpack.encode(value)


#: The types that a serializer restores exactly, as values and as keys of a dict. A subclass (an enum, a type of numpy) is not restored.
_JSON = frozenset({type(None), bool, int, str})
_JSON_KEYS = frozenset({str})
_MSGPACK = _JSON | {float, bytes}
_MSGPACK_KEYS = frozenset({str, int, float, bytes, bool})


def _check_plain(value: Any, exact: frozenset[type], keys: frozenset[type]) -> None:
    """Reject values that would be restored as another type. Tuples, which are restored as lists, are accepted.

    Raises:
        TypeError: the value would be changed.
    """
    kind = type(value)
    if kind in exact:
        return
    if kind is list or kind is tuple:
        for one in value:
            if type(one) not in exact:
                _check_plain(one, exact, keys)
    elif kind is dict:
        for key, one in value.items():
            if type(key) not in keys:
                raise TypeError(f"a key of type {type(key).__name__} would be restored as another type")
            if type(one) not in exact:
                _check_plain(one, exact, keys)
    elif kind is float:
        if not math.isfinite(value):
            raise TypeError(f"{value} is not a number in JSON")
    elif kind is not datetime or exact is not _MSGPACK or value.tzinfo is not UTC:
        raise TypeError(_change(value, exact))


def describe_change(value: Any, serializer: SerializerName) -> str:
    """Describe how a serializer would change a value, and what to pass instead."""
    return _change(value, _MSGPACK if serializer == "msgpack" else _JSON)


def _change(value: Any, exact: frozenset[type]) -> str:
    kind = type(value)
    if isinstance(value, Enum):
        return f"{kind.__name__} is an enum, and its members would be restored as plain values: pass member.value"
    if kind is datetime and exact is _MSGPACK:
        zone = "no time zone" if value.tzinfo is None else f"the time zone {value.tzinfo!r}"
        return f"a datetime with {zone} would be restored as one in UTC: pass value.astimezone(datetime.UTC)"
    for plain in (str, int, float, bytes, dict, list, tuple):
        if isinstance(value, plain) and kind is not plain:
            return f"{kind.__name__} is not plain data: it would be restored as a plain {'list' if plain is tuple else plain.__name__}"
    return f"{kind.__name__} is not plain data: it would be restored as another type"


_by_name: dict[str, Serializer] = {
    "pickle": Serializer("pickle", 0, dump_pickle, load_pickle),
    "json": Serializer("json", 1, _dump_json, msgspec.json.Decoder().decode),
    "msgpack": Serializer("msgpack", 2, _dump_msgpack, msgspec.msgpack.Decoder().decode),
}
#: The serializer of `queue.call`: the code of a script's function travels with the message, even if the worker has the function.
CALLS = Serializer("pickle", 0, dump_call, load_pickle)
_by_code = {serializer.code: serializer for serializer in _by_name.values()}


def check_serializer(name: str) -> Serializer:
    """Return the serializer of that name.

    Raises:
        ConfigError: the name is unknown.
    """
    try:
        return _by_name[name]
    except (KeyError, TypeError):
        raise ConfigError(f"unknown serializer {name!r}: use one of {', '.join(SERIALIZERS)}") from None


def serializer_of_code(code: int) -> Serializer:
    """Return the serializer that wrote a message.

    Raises:
        MalformedMessage: no serializer has that code.
    """
    try:
        return _by_code[code]
    except KeyError:
        raise MalformedMessage(f"unknown serializer code {code}") from None


def python_of(serializer: Serializer, data: bytes) -> str | None:
    """Return the version of this Python if `data`, just written, contains code that only this version can run, otherwise None."""
    return PYTHON if CODE in data and serializer.code == 0 else None


def check_python(version: str | None, did: str) -> None:
    """Check that code can run here, before it is unpickled: loading alone may crash.

    Args:
        version: the version of Python that wrote the code, or None without code.
        did: the action of that Python, for the error.

    Raises:
        MalformedMessage: this is another version.
    """
    if version is not None and version != PYTHON:
        raise MalformedMessage(
            f"{did} by Python {version} as code, which only that version can run, but this is Python {PYTHON}: "
            "use the same version on both sides, or a function that both can import"
        )


def dump_arguments(serializer: Serializer, args: tuple[Any, ...], kwargs: Mapping[str, Any], what: str, names: Sequence[str] = ()) -> bytes:
    """Turn the arguments of one call into bytes.

    Args:
        serializer: the serializer.
        args: the positional arguments. A pickle without keyword arguments contains only these, which saves bytes in every message.
        kwargs: the keyword arguments.
        what: the job's name, for the error.
        names: names of the positional parameters, for the error.

    Raises:
        SerializationError: an argument can't be stored; the text contains its name and the job.
    """
    try:
        return serializer.dump(args if serializer.code == 0 and not kwargs else [args, dict(kwargs)])
    except Exception as error:
        raise _blame(serializer, args, kwargs, what, names, error) from error


def load_arguments(serializer: Serializer, data: bytes) -> Arguments:
    """Turn bytes back into (args, kwargs).

    Raises:
        MalformedMessage: the bytes were not written by `dump_arguments`.
        Exception: any exception that unpickling an argument raises (for example, its class can't be imported).
    """
    value = serializer.load(data)
    if type(value) is tuple:
        return value, {}
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], (list, tuple)) and isinstance(value[1], dict):
        return tuple(value[0]), value[1]
    raise MalformedMessage(f"the arguments must be [args, kwargs]; got a {type(value).__name__}")


def _blame(
    serializer: Serializer, args: tuple[Any, ...], kwargs: Mapping[str, Any], what: str, names: Sequence[str], error: Exception
) -> SerializationError:
    other = "" if serializer.name == "pickle" else " Or choose another serializer: @queue.job(serializer=...)."
    named = [(repr(names[i]) if i < len(names) else str(i + 1), value) for i, value in enumerate(args)]
    for name, value in [*named, *((repr(key), value) for key, value in kwargs.items())]:
        try:
            serializer.dump(value)
        except Exception as inner:
            return SerializationError(
                f"argument {name} of {what} ({type(value).__name__}) can't be stored with {serializer.name}: "
                f"{type(inner).__name__}: {inner}. Pass plain data (an id, a path) and open other resources inside the job.{other}"
            )
    return SerializationError(f"the arguments of {what} can't be stored with {serializer.name}: {type(error).__name__}: {error}")
