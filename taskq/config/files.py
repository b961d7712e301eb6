"""Find and read the settings file: taskq.toml, or pyproject.toml with a [tool.taskq] table."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from taskq.config.entries import Source
from taskq.config.suggestions import shown
from taskq.errors import ConfigError

__all__ = ["SettingsFile", "find_settings_file"]

_POSITION = r"(?s)(?P<text>.*?) *\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)"


class SettingsFile(NamedTuple):
    """A settings file: its directory, its table, and its label in errors."""

    directory: Path
    table: dict[str, Any]
    source: Source


def find_settings_file(start: Path, *, bare_name: bool = False) -> SettingsFile | None:
    """Return the settings file of the nearest directory that has one, from `start` upwards.

    A pyproject.toml without a [tool.taskq] table is skipped. With `bare_name`, errors show only the name of a file in `start`;
    for other files they show the whole path.

    Raises:
        ConfigError: a file can't be read or is not valid TOML, or both files of one directory contain settings.
    """
    for directory in (start, *start.parents):
        bare = bare_name and directory == start
        if os.path.isdir(directory / "taskq.toml"):
            raise ConfigError(
                f"{'taskq.toml' if bare else directory / 'taskq.toml'} must be a file, but is a directory: rename or remove it"
            )
        own = _read(directory / "taskq.toml", bare=bare)
        project = _read_project(directory / "pyproject.toml", bare=bare)
        if own and project and own.table and project.table:
            raise ConfigError(
                f"settings found in both {own.source.label} and {project.source.label}: "
                "keep them in one file, and remove the [tool.taskq] tables from the other"
            )
        if own or project:
            return project if project and not (own and own.table) else own
    return None


def _read_project(path: Path, *, bare: bool) -> SettingsFile | None:
    # A file without the word has no such table. It is not parsed, which is faster and can't fail.
    file = _read(path, bare=bare, only_with="taskq")
    if file is None:
        return None
    tool = file.table.get("tool")
    if not isinstance(tool, dict) or "taskq" not in tool:
        return None
    table = tool["taskq"]
    if not isinstance(table, dict):
        raise ConfigError(f"{file.source.label}: tool.taskq: expected a table; got {shown(table)}")
    return file._replace(table=table, source=file.source._replace(prefix="tool.taskq."))


def _read(path: Path, *, bare: bool, only_with: str = "") -> SettingsFile | None:
    # Path.is_file raises if the directory is not searchable; such a directory has no settings for taskq.
    if not os.path.isfile(path):
        return None
    label = path.name if bare else str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{label} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{label} is not valid UTF-8, which TOML requires") from None
    if only_with not in text:
        return None
    return SettingsFile(path.parent, _parse(text, label), Source(label, is_file=True))


def _parse(text: str, label: str) -> dict[str, Any]:
    import tomllib  # needed only for a project with a settings file

    try:
        # Normalize newlines as for a file opened as text; tomllib.load does the same.
        return tomllib.loads(text.replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        match = re.fullmatch(_POSITION, str(error))
        problem = match["text"] if match else str(error)
        line = match["line"] if match and match["line"] else text.rstrip().count("\n") + 1
        column = f" (column {match['column']})" if match and match["column"] else " (the file ends too early)"
        raise ConfigError(f"{label}, line {line}: invalid TOML: {problem}{column}") from None
