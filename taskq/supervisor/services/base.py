"""The protocol of a service."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Service"]


class Service(Protocol):
    """One duty."""

    due: float

    def tick(self, now: float) -> None: ...
