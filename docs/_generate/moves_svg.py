"""The drawing of all moves: one column for each state, one row for each move, an arrow from source to target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from docs._generate.moves import place
from taskq.channel import Move, State

__all__ = ["moves_svg"]

_LEFT, _COLUMN, _RIGHT = 96, 92, 172
_TOP, _ROW = 40, 28
_ARROW = 7
#: Shown as an image, so that the page's styles don't apply. The colors fit light and dark backgrounds.
_STYLE = (
    "<style>text{font:13px sans-serif;fill:#1d2228}.place{font-weight:600}.move{font-family:monospace}.who{fill:#5c6570}"
    ".lane{stroke:#d5d9df;stroke-width:1}.path{stroke:#0a7d5a;stroke-width:1.5}.source,.target{fill:#0a7d5a}</style>"
)


def moves_svg(moves: Sequence[Move], states: Iterable[State]) -> str:
    """Draw the moves."""
    places: list[State | None] = [None, *states]
    x = {where: _LEFT + _COLUMN * (number + 0.5) for number, where in enumerate(places)}
    width = _LEFT + _COLUMN * len(places) + _RIGHT
    height = _TOP + _ROW * len(moves) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 0 {width + 12} {height}" role="img" aria-labelledby="moves-title">',
        '<title id="moves-title">The moves of a message between states; the table in docs/message.md has the same content</title>',
        _STYLE,
        f'<rect x="-12" width="{width + 12}" height="{height}" rx="6" fill="#fbfbfc"/>',
        *(_column(x[where], place(where), height) for where in places),
        *(_row(move, x, _TOP + _ROW * (number + 0.5), width) for number, move in enumerate(moves)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


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
