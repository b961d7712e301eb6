"""Load the settings from all sources, in order of precedence: arguments, environment, file, defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from taskq.channel import is_channel_pattern
from taskq.config.entries import Entry, Source, table_entries
from taskq.config.environment import environment_entries
from taskq.config.fields import Field, channel_fields, top_fields
from taskq.config.files import find_settings_file
from taskq.config.structures import ChannelSettings, Settings
from taskq.errors import ConfigError

__all__ = ["load_settings", "working_directory"]


def load_settings(
    arguments: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    start: Path | None = None,
    argument_name: str = "Queue(...) argument",
) -> Settings:
    """Read, check and merge the settings of all sources.

    Each source is checked completely, even where another overrides it. An argument that is None is ignored.

    Args:
        arguments: the keys of a settings file, and `secret` and `directory`.
        environ: the environment variables. Default: those of this process.
        start: the directory in which the search for a settings file starts, going upwards. Default: the working directory.
        argument_name: the label of the arguments in errors and `origins`.

    Raises:
        ConfigError: a key is unknown, or a value is invalid. The message names the source and the key.
    """
    here = working_directory() if start is None else start.absolute()
    file = find_settings_file(here, environ=environ, bare_name=start is None)
    from_file = list(table_entries(file.table, file.source)) if file else []
    given = {key: value for key, value in (arguments or {}).items() if value is not None}
    from_arguments = list(table_entries(given, Source(argument_name)))
    written = {entry.path[1] for entry in (*from_file, *from_arguments) if len(entry.path) == 2}
    from_environment = list(environment_entries(environ, written))
    home = Entry(("directory",), file.directory if file else here, file.source.label if file else "default", "directory")
    return _build([home, *from_file, *from_environment, *from_arguments])


def working_directory() -> Path:
    """Return the working directory.

    Raises:
        ConfigError: it no longer exists.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the working directory no longer exists; change to an existing directory") from None


def _build(entries: Iterable[Entry]) -> Settings:
    """Build the settings from entries. A later entry overrides an earlier one with the same path."""
    top: dict[str, Any] = {}
    channels: dict[str, dict[str, Any]] = {"default": {}}
    origins: dict[str, str] = {}
    for entry in entries:
        if len(entry.path) == 2:
            channels.setdefault(entry.path[1], {})
            continue
        field = _field(entry.path)
        value = field.read(entry.raw, text=entry.text, place=entry.place)
        target = top if len(entry.path) == 1 else channels[entry.path[1]]
        target[field.attribute] = value
        origins[".".join(entry.path)] = entry.origin
    built = {name: ChannelSettings(name=name, **values) for name, values in channels.items()}
    patterns = {name: built.pop(name) for name in list(built) if is_channel_pattern(name)}
    settings = Settings(**top, channels=built, patterns=patterns, origins=_all_origins([*built, *patterns], origins))
    _check_prefixes(settings)
    return settings


def _field(path: tuple[str, ...]) -> Field:
    return top_fields()[path[0]] if len(path) == 1 else channel_fields()[path[2]]


def _all_origins(channels: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the origin of every value, in the order of the structures."""
    paths = [*top_fields(), *(f"channels.{name}.{key}" for name in channels for key in channel_fields())]
    return {path: known.get(path, "default") for path in paths}


def _check_prefixes(settings: Settings) -> None:
    """Refuse two channels with the same key prefix: each would run and settle the messages of the other."""
    owners: dict[str, str] = {}
    for name, channel in settings.channels.items():
        other = owners.setdefault(channel.channel, name)
        if other != name:
            where = " and ".join(f"channels.{one}.channel ({settings.origins[f'channels.{one}.channel']})" for one in (other, name))
            raise ConfigError(
                f'{where}: channels "{other}" and "{name}" have the same key prefix "{channel.channel}"; '
                f'expected one for each, as in channel = "{name}-jobs"'
            )
