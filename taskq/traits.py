"""What a worker's id tells of it: whoever must give it up has nothing else left of it.

The id ends in a random part and the traits: `44ca1a0dt15` has a lease of 15 s, `44ca1a0dt15x8` also runs up to 8 jobs at once.
"""

from __future__ import annotations

import re

__all__ = ["lease_of", "pack_traits", "runs_several"]

_TRAITS = re.compile(r"[0-9a-f]{8}(?:t(\d{1,9}(?:\.\d{1,9})?))?(?:x(\d+))?", re.ASCII)


def pack_traits(lease: float, concurrency: int) -> str:
    """Return what stands behind the random part of an id."""
    seconds = f"{lease:.3f}".rstrip("0").rstrip(".")
    return f"t{seconds}{f'x{concurrency}' if concurrency > 1 else ''}"


def runs_several(worker: str) -> bool:
    """True when the id is of a worker that runs several jobs at once: then not only the first of its messages may have been running."""
    found = _read(worker)
    return found is not None and found[2] is not None


def lease_of(worker: str) -> float:
    """Seconds of the worker's own lease; 0.0 when its id doesn't tell."""
    found = _read(worker)
    return float(found[1]) if found is not None and found[1] else 0.0


def _read(worker: str) -> re.Match[str] | None:
    return _TRAITS.fullmatch(worker.rsplit(":", 1)[-1])
