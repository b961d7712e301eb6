"""The protocol of a service."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Service"]


class Service(Protocol):
    """Periodic work: `tick` does it, and sets `due` to the time of the next tick."""

    due: float

    def tick(self, now: float) -> None: ...
