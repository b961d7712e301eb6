"""The simulated system that runs now. The code under test creates the doubles, so they look it up here."""

from __future__ import annotations

from typing import Any

__all__ = ["put", "system"]

_systems: list[Any] = []


def system() -> Any:
    """Return the system that runs now. (Any, since the module of its class imports the doubles.)"""
    return _systems[-1]


def put(one: object) -> None:
    """Set the system that runs now; None: none."""
    _systems[:] = [] if one is None else [one]
