"""The table of moves as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from taskq.channel import Move, State

__all__ = ["move_table", "place"]

OUTSIDE = "not stored"


def place(state: State | None) -> str:
    """Return the name of a state, or the word for a message that is not stored."""
    return state.value if state else OUTSIDE


def _places(states: Iterable[State | None]) -> str:
    return ", ".join(place(state) for state in states)


def move_table(moves: Iterable[Move]) -> str:
    """Return one row for each move."""
    rows = [f"| `{move.name}` | {_places(move.sources)} | {_places(move.targets)} | {move.who} |" for move in moves]
    return "\n".join(["| Move | From | To | Done by |", "|---|---|---|---|", *rows])
