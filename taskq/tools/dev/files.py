"""The files whose changes reload the code, and their state."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from importlib.util import cache_from_source
from pathlib import Path
from typing import NamedTuple

__all__ = ["SETTINGS_FILES", "Files", "Pending", "State", "changes", "forget_compiled"]

#: A file was written if one of these differs: time, size, inode.
State = Mapping[str, tuple[int, int, int]]

SETTINGS_FILES = ("taskq.toml", "pyproject.toml")
_PATTERNS = ("*.py", *SETTINGS_FILES)
#: Directories without project code, besides virtual environments and those whose name begins with a dot.
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})
#: Names of temporary files that editors write next to a file.
_TEMPORARY = (".*", "*~", "#*#", "flycheck_*", "*.swp", "*.tmp", "4913")

#: Seconds without a change after which the code is reloaded, and the longest wait for that.
_QUIET, _LONGEST = 0.15, 2.0


class Files(NamedTuple):
    """The files below some directories that match a pattern."""

    roots: tuple[Path, ...]
    #: Patterns of file names, besides Python modules and settings.
    patterns: tuple[str, ...] = ()

    @classmethod
    def below(cls, directories: Iterable[Path], patterns: Iterable[str]) -> Files:
        """Return the files below directories. A directory below another one is not scanned twice."""
        found = {directory.resolve() for directory in directories}
        roots = [one for one in found if not any(other != one and one.is_relative_to(other) for other in found)]
        return cls(tuple(sorted(roots)), tuple(patterns))

    def matches(self, name: str) -> bool:
        """Return True if changes of files of this name count."""
        if any(fnmatch(name, pattern) for pattern in _TEMPORARY):
            return False
        return any(fnmatch(name, pattern) for pattern in (*_PATTERNS, *self.patterns))

    def scan(self) -> State:
        """Return the state of every file."""
        return {path: state for root in self.roots for path, state in self._scan(str(root))}

    def _scan(self, directory: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
        below = []
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        below.append(entry)
                    elif self.matches(entry.name):
                        with suppress(OSError):  # it was removed meanwhile, or is a broken link
                            found = entry.stat()
                            yield entry.path, (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:  # it was removed meanwhile, or must not be read
            return
        for entry in below:
            if not _is_skipped(entry):
                yield from self._scan(entry.path)


class Pending:
    """Changed files that are not loaded yet. Many changes in a short time are combined."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._first = self._last = 0.0

    def add(self, paths: Iterable[str], now: float) -> None:
        """Note changed files."""
        self._first = self._first if self._paths else now
        self._last = now
        self._paths.update(paths)

    def take(self, now: float) -> list[str]:
        """Return the paths of the files once nothing more has changed for a moment; until then, an empty list."""
        if not self._paths or (now - self._last < _QUIET and now - self._first < _LONGEST):
            return []
        paths = sorted(self._paths)
        self._paths.clear()
        return paths


def changes(old: State, new: State) -> list[str]:
    """Return the files that were written, created or removed."""
    return sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))


def forget_compiled(paths: Iterable[str]) -> None:
    """Remove the compiled code of changed modules. Python takes it for that of the new text if the second and the size are the same."""
    for path in paths:
        with suppress(OSError, NotImplementedError):
            os.unlink(cache_from_source(path))


def _is_skipped(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".") or entry.name in _SKIPPED or os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))
