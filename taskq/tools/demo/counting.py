"""Counting one file."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

__all__ = ["Counted", "count"]

_CHUNK = 1 << 20


class Counted(NamedTuple):
    """The contents of a file: as `sha256sum` and `wc` report them."""

    sha256: str
    bytes: int
    lines: int
    words: int


def count(path: str | Path) -> Counted:
    """Read a file once, in pieces, and count it.

    Raises:
        OSError: it can't be read.
    """
    digest = sha256()
    size = lines = words = 0
    in_word = False
    with open(path, "rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
            size += len(piece)
            lines += piece.count(b"\n")
            words += len(piece.split())
            if in_word and not piece[:1].isspace():
                words -= 1  # it began in the piece before
            in_word = not piece[-1:].isspace()
    return Counted(digest.hexdigest(), size, lines, words)
