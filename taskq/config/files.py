"""Find and read the settings file: taskq.toml, or pyproject.toml with a [tool.taskq] table."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from taskq.config.entries import Source
from taskq.config.owners import OWNERS_VARIABLE, is_trusted, owner_text
from taskq.config.suggestions import shown
from taskq.errors import ConfigError

__all__ = ["SettingsFile", "find_settings_file"]

_POSITION = r"(?s)(?P<text>.*?) *\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)"


class SettingsFile(NamedTuple):
    """A settings file: its directory, its table, and its label in errors."""

    directory: Path
    table: dict[str, Any]
    source: Source


def find_settings_file(start: Path, *, environ: Mapping[str, str] | None = None, bare_name: bool = False) -> SettingsFile | None:
    """Return the settings file of the nearest directory that has one, from `start` upwards.

    A pyproject.toml without a [tool.taskq] table is skipped. With `bare_name`, errors show only the name of a file in `start`;
    for other files they show the whole path.

    Raises:
        ConfigError: a file can't be read, is not valid TOML, or belongs to another user, or both files of one directory contain
            settings.
    """
    search = _Search(start, environ, bare_name)
    for directory in (start, *start.parents):
        own = search.own(directory / "taskq.toml")
        project = search.project(directory / "pyproject.toml")
        if own and project and own.table and project.table:
            raise ConfigError(
                f"settings found in both {own.source.label} and {project.source.label}: "
                "keep them in one file, and remove the [tool.taskq] tables from the other"
            )
        if own or project:
            return project if project and not (own and own.table) else own
    return None


class _Search(NamedTuple):
    start: Path
    environ: Mapping[str, str] | None
    bare_name: bool

    def own(self, path: Path) -> SettingsFile | None:
        """Read a taskq.toml."""
        if os.path.isdir(path):
            raise ConfigError(f"{self._label(path)} must be a file, but is a directory: rename or remove it")
        found = self._read(path)
        if found is None:
            return None
        text, owners = found
        self._check_owners(path, owners)
        return SettingsFile(path.parent, _parse(text, self._label(path)), Source(self._label(path), is_file=True))

    def project(self, path: Path) -> SettingsFile | None:
        """Read a pyproject.toml. None without our table."""
        found = self._read(path)
        # A file without the word has no such table. It is not parsed, which is faster and can't fail.
        if found is None or "taskq" not in found[0]:
            return None
        text, owners = found
        label = self._label(path)
        tool = _parse(text, label).get("tool")
        if not isinstance(tool, dict) or "taskq" not in tool:
            return None
        self._check_owners(path, owners)
        table = tool["taskq"]
        if not isinstance(table, dict):
            raise ConfigError(f"{label}: tool.taskq: expected a table; got {shown(table)}")
        return SettingsFile(path.parent, table, Source(label, is_file=True, prefix="tool.taskq."))

    def _label(self, path: Path) -> str:
        return path.name if self.bare_name and path.parent == self.start else str(path)

    def _read(self, path: Path) -> tuple[str, set[int]] | None:
        """Return the text of a file, and the owners of the file and of a link to it. Return None if the file doesn't exist."""
        # Path.is_file raises if the directory is not searchable; such a directory has no settings for taskq.
        if not os.path.isfile(path):
            return None
        try:
            # After reading, too: the directory's owner may replace the file meanwhile.
            owners = {path.stat().st_uid, path.lstat().st_uid}
            text = path.read_bytes().decode("utf-8-sig")
            return text, owners | {path.stat().st_uid, path.lstat().st_uid}
        except OSError as error:
            raise ConfigError(f"{self._label(path)} can't be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{self._label(path)} is not valid UTF-8, which TOML requires") from None

    def _check_owners(self, path: Path, owners: set[int]) -> None:
        """Refuse the file of an untrusted user.

        Root also trusts the owner of the directory where it starts: containers mount the projects of users, and `sudo` runs in them.
        """
        for uid in owners:
            if not is_trusted(uid, self.environ) and not (os.geteuid() == 0 and uid == self.start.stat().st_uid):
                raise ConfigError(
                    f"settings file {path} belongs to {owner_text(uid)}, neither to you nor to root. It could run any code as you, "
                    f"so it is not read. Remove it, or add that user to {OWNERS_VARIABLE}"
                )


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
