"""The moves as a drawing: one column for each place, one row for each move, an arrow from where to where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from _generate.moves import place
from taskq.channel import Move, State

__all__ = ["moves_svg"]

_LEFT, _COLUMN, _RIGHT = 96, 92, 172
_TOP, _ROW = 40, 28
_ARROW = 7


def moves_svg(moves: Sequence[Move], states: Iterable[State]) -> str:
    """Draw the moves. Colours and fonts come from the page."""
    places: list[State | None] = [None, *states]
    x = {where: _LEFT + _COLUMN * (number + 0.5) for number, where in enumerate(places)}
    width = _LEFT + _COLUMN * len(places) + _RIGHT
    height = _TOP + _ROW * len(moves) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="moves-title">',
        '<title id="moves-title">The moves of a message from place to place; the table below says the same</title>',
        *(_column(x[where], place(where), height) for where in places),
        *(_row(move, x, _TOP + _ROW * (number + 0.5), width) for number, move in enumerate(moves)),
        "</svg>",
    ]
    return "".join(parts)


def _column(x: float, name: str, height: int) -> str:
    head = f'<text class="place" x="{x:g}" y="22" text-anchor="middle">{escape(name)}</text>'
    return f'{head}<line class="lane" x1="{x:g}" y1="{_TOP - 8}" x2="{x:g}" y2="{height}"/>'


def _row(move: Move, x: dict[State | None, float], y: float, width: int) -> str:
    sources, targets = [x[where] for where in move.sources], [x[where] for where in move.targets]
    ends = [*sources, *targets]
    return "".join(
        [
            f'<text class="move" x="0" y="{y + 4:g}">{escape(move.name)}</text>',
            f'<line class="path" x1="{min(ends):g}" y1="{y:g}" x2="{max(ends):g}" y2="{y:g}"/>',
            *(f'<circle class="source" cx="{end:g}" cy="{y:g}" r="4"/>' for end in sources),
            *(_arrow(end, y, leftwards=end < min(sources)) for end in targets),
            f'<text class="who" x="{width - _RIGHT + 16}" y="{y + 4:g}">{escape(move.who)}</text>',
        ]
    )


def _arrow(x: float, y: float, *, leftwards: bool) -> str:
    back = x + _ARROW + 3 if leftwards else x - _ARROW - 3
    return f'<path class="target" d="M{x:g} {y:g}L{back:g} {y - _ARROW + 1:g}L{back:g} {y + _ARROW - 1:g}Z"/>'
