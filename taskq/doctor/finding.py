"""The finding of a check, and its severity."""

from __future__ import annotations

from enum import Enum

import msgspec

__all__ = ["Finding", "Level", "exit_code", "good", "loses", "note", "unusable"]


class Level(str, Enum):
    """How bad it is, from harmless to worst."""

    GOOD = "good"
    #: Worth knowing, or to be changed; no job is lost by it.
    NOTE = "note"
    #: It can't be checked, or can't be used.
    UNUSABLE = "unusable"
    #: Jobs get lost, now or at the next fault.
    LOSES = "loses"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report."""

    level: Level
    #: "server", "app" or "channel NAME".
    area: str
    #: A word for programs: which check it is.
    check: str
    text: str
    #: The advice: a change and its reason; "" if there is nothing to do.
    advice: str = ""


def good(area: str, check: str, text: str) -> Finding:
    """All is well."""
    return Finding(level=Level.GOOD, area=area, check=check, text=text)


def note(area: str, check: str, text: str, advice: str = "") -> Finding:
    """Something worth knowing."""
    return Finding(level=Level.NOTE, area=area, check=check, text=text, advice=advice)


def loses(area: str, check: str, text: str, advice: str) -> Finding:
    """Something that loses jobs."""
    return Finding(level=Level.LOSES, area=area, check=check, text=text, advice=advice)


def unusable(area: str, check: str, text: str, advice: str) -> Finding:
    """Something that doesn't work, or can't be looked at."""
    return Finding(level=Level.UNUSABLE, area=area, check=check, text=text, advice=advice)


def exit_code(findings: list[Finding]) -> int:
    """Return 1 if a finding can lose jobs, 2 if something couldn't be checked, otherwise 0."""
    levels = {finding.level for finding in findings}
    return 1 if Level.LOSES in levels else 2 if Level.UNUSABLE in levels else 0
