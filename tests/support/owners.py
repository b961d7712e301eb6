"""Another user, real for root and pretended otherwise: only root can give a file away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["NOBODY", "give_away"]

NOBODY = 65534


def give_away(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> int:
    """Make these files those of another user, without following links. Return that user's id."""
    if os.getuid() == 0:
        for path in paths:
            os.chown(path, NOBODY, -1, follow_symlinks=False)
        return NOBODY
    mine = os.getuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    return mine
