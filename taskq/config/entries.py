"""One written value and where it came from. A table (of a file, or the arguments of a call) becomes entries here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from taskq.channel import check_channel_name
from taskq.config.fields import channel_fields, top_fields
from taskq.config.problem import did_you_mean, nearest, shown
from taskq.errors import ConfigError

__all__ = ["Entry", "Source", "table_entries"]


class Entry(NamedTuple):
    """One value as it was written.

    `path` is `("url",)`, `("channels", name, key)`, or `("channels", name)` for a channel that is written at all. `place` begins
    an error, `origin` is what the settings remember. `text` says that the value is a text whatever its setting takes.
    """

    path: tuple[str, ...]
    raw: object
    origin: str
    place: str
    text: bool = False


class Source(NamedTuple):
    """A table to be read: how errors name it, what stands before its keys, and whether it is a file."""

    label: str
    prefix: str = ""
    is_file: bool = False

    def place(self, *path: str) -> str:
        """Return where a key of this source is, as an error says it."""
        return f"{self.label}: {self.prefix}{'.'.join(path)}"

    def top_keys(self) -> list[str]:
        """Return the keys that may stand at the top."""
        only_elsewhere = ("secret", "directory") if self.is_file else ()
        return [key for key in top_fields() if key not in only_elsewhere] + ["channels"]


def table_entries(table: Mapping[str, object], source: Source) -> Iterator[Entry]:
    """Yield the entries of a whole table.

    Raises:
        ConfigError: a key is unknown, or a value stands where a table belongs.
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
        check_channel_name(name)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
    yield Entry(("channels", name), None, source.label, place)
    valid = channel_fields()
    for key, setting in _subtable(value, source, f"channels.{name}", "a table of the channel's settings").items():
        if key not in valid:
            where = source.place("channels", name, key)
            if key in source.top_keys():
                raise ConfigError(f'{where}: "{key}" is no setting of a channel; it stands one table higher, as {source.prefix}{key}')
            raise ConfigError(f'{where}: unknown key "{key}"; {did_you_mean(key, valid)}')
        yield Entry(("channels", name, key), setting, source.label, source.place("channels", name, key))


def _subtable(value: object, source: Source, path: str, expected: str) -> Mapping[str, object]:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return value
    raise ConfigError(f"{source.place(path)}: expected {expected}; got {shown(value)}")


def _unknown_key(key: str, value: object, source: Source, valid: list[str]) -> str:
    """Return the text of the error for a key that can't stand at the top of `source`."""
    place = source.place(key)
    if source.is_file and key in ("secret", "secrets"):
        return f"{place}: a secret does not belong in a file, which is shared and stored; set the variable TASKQ_SECRET instead"
    if source.is_file and key == "directory":
        return f"{place}: the directory is where this file is; it can be set only as an argument"
    if source.is_file and key == "tool" and not source.prefix:
        return f'{place}: in this file the keys stand without "tool.taskq", as in [channels.default]'
    if isinstance(value, Mapping) and key == "channel":
        return f'{place}: unknown table "channel"; did you mean [{source.prefix}channels.{next(iter(value), "default")}]?'
    if key in channel_fields():
        return f'{place}: "{key}" is the setting of a channel; write it below [{source.prefix}channels.default]'
    if isinstance(value, Mapping) and not nearest(key, valid):
        return f'{place}: unknown table "{key}"; for a channel write [{source.prefix}channels.{key}]'
    return f'{place}: unknown key "{key}"; {did_you_mean(key, valid)}'
