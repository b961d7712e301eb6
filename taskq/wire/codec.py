"""Arguments to bytes and back. The only file that makes and runs pickles, and that knows cloudpickle and the serializers' codes."""

from __future__ import annotations

import contextlib
import io
import math
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from taskq.errors import ConfigError, MalformedMessage, SerializationError

__all__ = [
    "CODE",
    "PYTHON",
    "SERIALIZERS",
    "Serializer",
    "SerializerName",
    "check_python",
    "check_serializer",
    "dump_arguments",
    "load_arguments",
    "python_of",
    "serializer_of_code",
]

SerializerName = Literal["pickle", "json", "msgpack"]
SERIALIZERS: tuple[str, ...] = get_args(SerializerName)

#: Stands in every pickle that holds code by value. Bytecode is another one in every minor version of Python, and running a foreign
#: one crashes the interpreter, so what was pickled like this says by which version.
CODE = b"cloudpickle.cloudpickle"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Serializer(NamedTuple):
    """One way to turn arguments into bytes. `code` stands in the message and never changes its meaning."""

    name: SerializerName
    code: int
    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]


def _dump_pickle(value: Any) -> bytes:
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        return _dump_by_value(value)
    # pickle stores what `__main__` defines as a name, and the worker's `__main__` is another program: send it by value. The test
    # also hits an argument that only mentions the word, which costs time and nothing else.
    if b"__main__" in data:
        return _dump_by_value(value)
    return data


def _dump_by_value(value: Any) -> bytes:
    file = io.BytesIO()
    _by_value_pickler()(file, pickle.HIGHEST_PROTOCOL).dump(value)
    return file.getvalue()


@cache
def _by_value_pickler() -> Any:
    import cloudpickle  # a slow import that most producers never need

    table: Any = cloudpickle.Pickler.dispatch_table
    of_file = table[io.TextIOWrapper]

    def reduce_file(file: io.TextIOWrapper) -> Any:
        # cloudpickle would store all that the file holds, and the job would get something that is no file.
        if file not in (sys.stdout, sys.stderr):
            raise TypeError("cannot pickle an open file")
        return of_file(file)

    changed: Any = ChainMap({io.TextIOWrapper: reduce_file}, table)

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """cloudpickle's, without open files."""

        dispatch_table = changed

    return Pickler


def _load_pickle(data: bytes) -> Any:
    try:
        return pickle.loads(data)
    except ModuleNotFoundError as error:
        if error.name not in _MOVED:
            raise
        return _OldNames(io.BytesIO(data)).load()


#: Modules that pickles of taskq 0.1 name, and the modules that have their contents now.
_MOVED = {
    "taskq.awaiting": ("taskq.handle.status", "taskq.wire.progress"),
    "taskq.call": ("taskq.jobs.call",),
    "taskq.cancelling": ("taskq.handle.cancel",),
    "taskq.job": ("taskq.jobs.job",),
    "taskq.options": ("taskq.jobs.options",),
    "taskq.retry": ("taskq.jobs.retry",),
}


class _OldNames(pickle.Unpickler):
    """Reads pickles that name modules as they were called in taskq 0.1."""

    def find_class(self, module: str, name: str) -> Any:
        for home in _MOVED.get(module, (module,))[:-1]:
            with contextlib.suppress(AttributeError):
                return super().find_class(home, name)
        return super().find_class(_MOVED.get(module, (module,))[-1], name)


def _dump_json(value: Any) -> bytes:
    _check_plain(value, str)
    return msgspec.json.encode(value)


def _dump_msgpack(value: Any) -> bytes:
    _check_plain(value, (str, int, float, bytes), bytes, datetime)
    return msgspec.msgpack.encode(value)


def _check_plain(value: Any, keys: type | tuple[type, ...], *more: type) -> None:
    """Refuse what would arrive as something else: msgspec writes a date as text, and in JSON a NaN as null.

    Args:
        value: what shall be stored.
        keys: what the keys of a dict may be.
        more: what may be stored beside text, numbers, lists and dicts.

    Raises:
        TypeError: it would arrive changed.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return
    if isinstance(value, float):
        if not (more or math.isfinite(value)):
            raise TypeError(f"{value} is not a number in JSON")
    elif isinstance(value, (list, tuple)):
        for one in value:
            _check_plain(one, keys, *more)
    elif isinstance(value, dict):
        for key, one in value.items():
            if not isinstance(key, keys):
                raise TypeError(f"a key of type {type(key).__name__} would be restored as another type")
            _check_plain(one, keys, *more)
    elif not isinstance(value, more) or (isinstance(value, datetime) and value.tzinfo is None):
        raise TypeError(f"{type(value).__name__} is not plain data: it would be restored as another type")


_by_name: dict[str, Serializer] = {
    "pickle": Serializer("pickle", 0, _dump_pickle, _load_pickle),
    "json": Serializer("json", 1, _dump_json, msgspec.json.Decoder().decode),
    "msgpack": Serializer("msgpack", 2, _dump_msgpack, msgspec.msgpack.Decoder().decode),
}
_by_code = {serializer.code: serializer for serializer in _by_name.values()}


def check_serializer(name: str) -> Serializer:
    """Return the serializer of that name.

    Raises:
        ConfigError: there is none.
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
    """Return the version of this Python when `data`, just written, holds code that only this version can run; else None."""
    return PYTHON if CODE in data and serializer.code == 0 else None


def check_python(version: str | None, did: str) -> None:
    """See that code can run here. Before it is unpickled: that alone may crash.

    Args:
        version: the Python that has written it; None: there is no code.
        did: what that one did, for the error.

    Raises:
        MalformedMessage: it is another version.
    """
    if version is not None and version != PYTHON:
        raise MalformedMessage(
            f"{did} by Python {version} as code, which only that version can run, but this is Python {PYTHON}: "
            "use the same version on both sides, or a function that both can import"
        )


def dump_arguments(serializer: Serializer, args: tuple[Any, ...], kwargs: Mapping[str, Any], what: str, names: Sequence[str] = ()) -> bytes:
    """Turn the arguments of one call into bytes.

    Args:
        serializer: which one.
        args: by position. A pickle without keywords holds them alone, which saves bytes in every message.
        kwargs: by keyword.
        what: the job's name, for the error.
        names: names of the positional parameters, for the error.

    Raises:
        SerializationError: an argument can't be stored; the text names it and the job.
    """
    try:
        return serializer.dump(args if serializer.code == 0 and not kwargs else [args, dict(kwargs)])
    except Exception as error:
        raise _blame(serializer, args, kwargs, what, names, error) from error


def load_arguments(serializer: Serializer, data: bytes) -> Arguments:
    """Turn bytes back into (args, kwargs).

    Raises:
        MalformedMessage: the bytes aren't what `dump_arguments` writes.
        Exception: whatever unpickling an argument raises (its class can't be imported, for example).
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
    named = [(names[i] if i < len(names) else f"number {i + 1}", value) for i, value in enumerate(args)]
    for name, value in [*named, *kwargs.items()]:
        try:
            serializer.dump(value)
        except Exception as inner:
            return SerializationError(
                f"argument {name!r} of {what} ({type(value).__name__}) can't be stored with {serializer.name}: "
                f"{type(inner).__name__}: {inner}. Pass plain data (an id, a path) and open other resources inside the job."
            )
    return SerializationError(f"the arguments of {what} can't be stored with {serializer.name}: {type(error).__name__}: {error}")
