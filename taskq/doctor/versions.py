"""The versions of Redis and Valkey in which a client that may send scripts can run code on the server.

CVE-2025-49844, CVE-2025-46817, CVE-2025-46818 and CVE-2025-46819: four holes in the Lua engine, closed on 3 October 2025.
"""

from __future__ import annotations

__all__ = ["HOLES", "fixed_in"]

HOLES = "CVE-2025-49844, CVE-2025-46817, CVE-2025-46818 and CVE-2025-46819"

_Version = tuple[int, ...]

#: The first fixed version of each line. Lines after the last are good from their beginning.
_MENDED: dict[str, tuple[_Version, ...]] = {
    "Redis": ((6, 2, 20), (7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2)),
    "Valkey": ((7, 2, 11), (8, 0, 6), (8, 1, 4)),
}


def fixed_in(name: str, version: str) -> str | None:
    """Return the version to update to, None when this one has no known hole."""
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    mended = _MENDED.get(name)
    if mended is None or len(numbers) < 2:
        return None
    same = next((one for one in mended if one[:2] == numbers[:2]), None)
    if same is not None:
        return None if numbers >= same else _text(same)
    later = next((one for one in mended if one[:2] > numbers[:2]), None)
    return None if later is None else _text(later)


def _text(version: _Version) -> str:
    return ".".join(map(str, version))
