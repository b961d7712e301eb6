"""The files of a folder, and why some are left out."""

from __future__ import annotations

import os
import stat
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["File", "Found", "Selection", "find_files", "python_library"]

_REPORT_EVERY = 500


class File(NamedTuple):
    """A file as it was when it was found."""

    path: str
    size: int
    mtime_ns: int

    def is_unchanged(self) -> bool:
        """Return True if the file has not changed since it was found."""
        try:
            now = os.stat(self.path)
        except OSError:
            return False
        return (now.st_size, now.st_mtime_ns) == (self.size, self.mtime_ns)


class Selection(NamedTuple):
    """Which files of a folder: all but those in folders of these names, and at most `limit` (0: no limit)."""

    folder: Path
    without: frozenset[str] = frozenset()
    limit: int = 0


class Found(NamedTuple):
    """The files, sorted by path, and how many were left out for which reason."""

    files: list[File]
    skipped: Counter[str]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def python_library() -> Selection:
    """Return the library of the Python that runs here, without what it has compiled and what was installed beside it."""
    return Selection(Path(sysconfig.get_path("stdlib")), frozenset({"__pycache__", "site-packages", "dist-packages"}))


def find_files(selection: Selection, on_progress: Callable[[int], None]) -> Found:
    """Look for the files of a folder and below. Symbolic links are not followed.

    Args:
        selection: where, and which.
        on_progress: called now and then with the number of files found.
    """
    files: list[File] = []
    skipped: Counter[str] = Counter()
    for entry in _walk(str(selection.folder), selection.without, skipped):
        if selection.limit and len(files) >= selection.limit:
            break
        try:
            known = os.lstat(entry)
        except OSError as error:
            skipped[_reason(error)] += 1
            continue
        if why := _why_not(entry, known.st_mode):
            skipped[why] += 1
            continue
        files.append(File(entry, known.st_size, known.st_mtime_ns))
        if len(files) % _REPORT_EVERY == 0:
            on_progress(len(files))
    return Found(files, skipped)


def _walk(folder: str, without: frozenset[str], skipped: Counter[str]) -> Iterator[str]:
    def note(error: OSError) -> None:
        skipped[f"folder: {_reason(error)}"] += 1

    for path, folders, names in os.walk(folder, onerror=note):
        links = [name for name in folders if os.path.islink(os.path.join(path, name))]
        skipped.update({"symbolic link": len(links)} if links else {})
        folders[:] = sorted(name for name in folders if name not in without)
        for name in sorted(names):
            yield os.path.join(path, name)


def _why_not(path: str, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "symbolic link"
    if not stat.S_ISREG(mode):
        return "no regular file"
    return "" if os.access(path, os.R_OK) else "no permission to read"


def _reason(error: OSError) -> str:
    return "no permission to read" if isinstance(error, PermissionError) else (error.strerror or "can't be read").lower()
