"""Entries: one written value and its origin. The tables of a file and the arguments of `Queue(...)` become entries here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from taskq.channel import check_channel_name, check_channel_pattern, is_channel_pattern
from taskq.config.fields import channel_fields, top_fields
from taskq.config.suggestions import did_you_mean, nearest, shown
from taskq.errors import ConfigError

__all__ = ["Entry", "Source", "table_entries"]


#: Settings that a pattern of channels can't have, with the reason.
_FIXED = {
    "channel": "each channel that it matches has its name as key prefix",
    "driver": "workers find such channels only with the driver redis",
}


class Entry(NamedTuple):
    """One value as the user wrote it.

    `path` is `("url",)`, `("channels", name, key)`, or `("channels", name)` for the channel itself. `place` begins an error
    message; the settings store `origin`. `text` is True for the text of a variable, which the setting must parse.
    """

    path: tuple[str, ...]
    raw: object
    origin: str
    place: str
    text: bool = False


class Source(NamedTuple):
    """A table to read: its label in errors, the prefix of its keys, and a flag for files."""

    label: str
    prefix: str = ""
    is_file: bool = False

    def place(self, *path: str) -> str:
        """Return the place of a key in this source, for an error message."""
        return f"{self.label}: {self.prefix}{'.'.join(path)}"

    def top_keys(self) -> list[str]:
        """Return the valid top-level keys."""
        only_elsewhere = ("secret", "directory") if self.is_file else ()
        return [key for key in top_fields() if key not in only_elsewhere] + ["channels"]


def table_entries(table: Mapping[str, object], source: Source) -> Iterator[Entry]:
    """Yield the entries of a whole table.

    Raises:
        ConfigError: a key is unknown, or a table is expected and the value is not one.
    """
    valid = source.top_keys()
    for key, value in table.items():
        if key not in valid:
            raise ConfigError(_unknown_key(key, value, source, valid))
        if key != "channels":
            yield Entry((key,), value, source.label, source.place(key))
            continue
        for name, channel in _subtable(value, source, "channels", f"a table of channels, as in [{source.prefix}channels.default]").items():
            yield from _channel_entries(name, channel, source)


def _channel_entries(name: str, value: object, source: Source) -> Iterator[Entry]:
    place = source.place("channels", name)
    try:
        check_channel_pattern(name) if is_channel_pattern(name) else check_channel_name(name)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
    yield Entry(("channels", name), None, source.label, place)
    valid = channel_fields()
    for key, setting in _subtable(value, source, f"channels.{name}", "a table of the channel's settings").items():
        if key not in valid:
            where = source.place("channels", name, key)
            if key in source.top_keys():
                raise ConfigError(f'{where}: "{key}" is not a channel setting; set it at the top level, as {source.prefix}{key}')
            raise ConfigError(f'{where}: unknown key "{key}"; {did_you_mean(key, valid)}')
        if is_channel_pattern(name) and key in _FIXED:
            raise ConfigError(f"{source.place('channels', name, key)}: a pattern can't set {key}: {_FIXED[key]}")
        yield Entry(("channels", name, key), setting, source.label, source.place("channels", name, key))


def _subtable(value: object, source: Source, path: str, expected: str) -> Mapping[str, object]:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return value
    raise ConfigError(f"{source.place(path)}: expected {expected}; got {shown(value)}")


def _unknown_key(key: str, value: object, source: Source, valid: list[str]) -> str:
    """Return the error message for an invalid top-level key."""
    place = source.place(key)
    if source.is_file and key in ("secret", "secrets"):
        return f"{place}: secrets must not be in a file that is shared and stored; set the variable TASKQ_SECRET instead"
    if source.is_file and key == "directory":
        return f"{place}: the directory is that of this file; it can be set only as an argument"
    if source.is_file and key == "tool" and not source.prefix:
        return f"{place}: write the keys of [tool.taskq] at the top of this file, and [channels.default] for its channels"
    if isinstance(value, Mapping) and key == "channel":
        return f'{place}: unknown table "channel"; did you mean [{source.prefix}channels.{next(iter(value), "default")}]?'
    if key in channel_fields():
        return f'{place}: "{key}" is a channel setting; set it in [{source.prefix}channels.default]'
    if isinstance(value, Mapping) and not nearest(key, valid):
        return f'{place}: unknown table "{key}"; to define a channel, write [{source.prefix}channels.{key}]'
    return f'{place}: unknown key "{key}"; {did_you_mean(key, valid)}'
