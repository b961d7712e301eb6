"""Entries from the TASKQ_* variables. No other file reads settings from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from taskq.channel import check_channel_name
from taskq.config.entries import Entry
from taskq.config.fields import channel_fields, top_fields
from taskq.config.owners import OWNERS_VARIABLE
from taskq.config.suggestions import did_you_mean
from taskq.errors import ConfigError

__all__ = ["RESERVED", "breakpoint_variable", "environment_entries", "named_directory"]

_PREFIX = "TASKQ_"
_CHANNELS = "TASKQ_CHANNELS__"
_SHAPE = "TASKQ_CHANNELS__<NAME>__<KEY>, as in TASKQ_CHANNELS__DEFAULT__PROCESSES"

#: Variables that are not settings: they set options of the command line, or decide whose settings file is read.
RESERVED = frozenset({"TASKQ_LOG_LEVEL", "TASKQ_LOG_FORMAT", "TASKQ_LOG_CONFIG", "TASKQ_KEEP_LOGGING", "TASKQ_DEBUG", OWNERS_VARIABLE})

# Kubernetes sets these variables in every container of a namespace that has a service named "taskq" or "taskq-...".
_SERVICE_LINK = r"TASKQ_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"


def environment_entries(environ: Mapping[str, str] | None, written: Iterable[str]) -> Iterator[Entry]:
    """Yield the entries of the environment. `written` are the channels of the other sources, which variables may refer to.

    Raises:
        ConfigError: a TASKQ_* variable is unknown, or contains an invalid channel or key.
    """
    variables = os.environ if environ is None else environ
    names = {"default", *written}
    seen: dict[tuple[str, ...], str] = {}
    for variable in sorted(variables):
        if not variable.startswith(_PREFIX) or _is_foreign(variable):
            continue
        path = _path(variable, names)
        if path in seen:
            raise ConfigError(f"environment: {seen[path]} and {variable} set the same setting; unset one")
        seen[path] = variable
        origin = f"{variable} (environment)"
        if len(path) == 3:
            yield Entry(path[:2], None, origin, f"environment: {variable}")
        yield Entry(path, variables[variable], origin, f"environment: {variable}", text=True)


def breakpoint_variable() -> str:
    """Return the value of Python's variable PYTHONBREAKPOINT: the function that `breakpoint()` calls, or "0"; "" if it is not set."""
    return os.environ.get("PYTHONBREAKPOINT", "")


def named_directory() -> str | None:
    """Return the path by which the shell entered the working directory, with its links; None if it is unknown or no longer leads there."""
    path = os.environ.get("PWD", "")
    try:
        return path if os.path.isabs(path) and os.path.samefile(path, ".") else None
    except OSError:
        return None


def _is_foreign(variable: str) -> bool:
    return variable in RESERVED or (not variable.startswith(_CHANNELS) and re.fullmatch(_SERVICE_LINK, variable) is not None)


def _path(variable: str, written: set[str]) -> tuple[str, ...]:
    """Return the path of the setting that a variable sets."""
    if variable.startswith(_CHANNELS):
        return _channel_path(variable, written)
    valid = {f"{_PREFIX}{key.upper()}": key for key in top_fields() if key != "directory"}
    if variable in valid:
        return (valid[variable],)
    key = variable.removeprefix(_PREFIX).lower()
    if variable.startswith("TASKQ_CHANNEL"):
        hint = f"the form of channel settings is {_SHAPE}"
    elif key in channel_fields():
        hint = f"it is a channel setting; did you mean {_CHANNELS}DEFAULT__{key.upper()}?"
    else:
        names = (name.removeprefix(_PREFIX) for name in (*valid, *RESERVED))
        hint = did_you_mean(variable.removeprefix(_PREFIX), names, prefix=_PREFIX)
    raise ConfigError(f"environment: unknown variable {variable}; {hint}")


def _channel_path(variable: str, written: set[str]) -> tuple[str, ...]:
    name, separator, key = variable.removeprefix(_CHANNELS).rpartition("__")
    if not separator or not name:
        raise ConfigError(f"environment: unknown variable {variable}; the form of channel settings is {_SHAPE}")
    if key.lower() not in channel_fields():
        hint = did_you_mean(key, [known.upper() for known in channel_fields()])
        raise ConfigError(f'environment: {variable}: unknown key "{key}"; {hint}')
    return "channels", _channel_name(variable, name, written), key.lower()


def _channel_name(variable: str, name: str, written: set[str]) -> str:
    """Return the written channel that a part of a variable matches, or that part in lower case if it matches none."""
    meant = sorted(channel for channel in written if _folded(channel) == _folded(name))
    if len(meant) > 1:
        raise ConfigError(f"environment: {variable} matches several channels, {', '.join(meant)}; set it in a file instead")
    if meant:
        return meant[0]
    try:
        return check_channel_name(name.lower())
    except ConfigError as error:
        raise ConfigError(f"environment: {variable}: {error}") from None


def _folded(name: str) -> str:
    return name.casefold().replace("-", "_").replace(".", "_")
