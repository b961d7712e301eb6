"""Draws a terminal as an animated picture. Viewers that don't play animations, or whose users prefer none, show the last frame."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style

__all__ = ["SHORTEST", "Frame", "animation"]

#: Seconds: shorter frames are left out.
SHORTEST = 0.1

_CHARACTER, _LINE, _TOP, _SIDE = 8.4, 19.0, 44.0, 18.0
_BAR = "━╸╺"
#: SVG joins plain spaces.
_SPACE = "\N{NO-BREAK SPACE}"
#: The colors of rich's progress bar: what is done, all done, and what is left.
_BARS = {"rgb(249,38,114)": "m", "rgb(114,156,31)": "g", "color(237)": "d", "grey23": "d"}
_BUTTONS = ("#ff5f57", "#febc2e", "#28c840")
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"


class Frame(NamedTuple):
    """The screen at one moment."""

    seconds: float
    screen: RenderableType


def animation(title: str, name: str, frames: Sequence[Frame], *, columns: int, end_seconds: float) -> str:
    """Draw frames as an animated terminal window.

    The frames are a strip, one below the other, that moves up by one frame at a time.

    Args:
        title: a description, for readers who can't see the picture.
        name: the title of the window.
        frames: the screens, and when each begins.
        columns: the width of the terminal.
        end_seconds: how long the last frame stays.
    """
    frames = _without_short(frames)
    screens = [_lines(frame.screen, columns) for frame in frames]
    height = _TOP + _LINE * max(len(lines) for lines in screens) + _SIDE
    width = columns * _CHARACTER + 2 * _SIDE
    duration = frames[-1].seconds + end_seconds
    strip = [f'<g transform="translate(0 {number * height:g})">{"".join(lines)}</g>' for number, lines in enumerate(screens)]
    steps = "".join(f"{frame.seconds / duration:.3%}{{transform:translateY({-place * height:g}px)}}" for place, frame in enumerate(frames))
    last = f"translateY({-(len(frames) - 1) * height:g}px)"
    style = (
        f"text{{font:14px {_FONTS};fill:#d7dde8;white-space:pre}}.b{{font-weight:700;fill:#fff}}.g{{fill:#5fd38d}}.y{{fill:#f0c674}}"
        f".m{{fill:#f92672}}.d{{fill:#3a4150}}.t{{fill:#8b93a3;font-size:13px}}"
        f"#strip{{transform:{last};animation:play {duration:g}s step-end infinite}}"
        f"@keyframes play{{{steps}100%{{transform:{last}}}}}"
        "@media (prefers-reduced-motion:reduce){#strip{animation:none}}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="terminal-title">',
            f'<title id="terminal-title">{escape(title)}</title>',
            f"<style>{style}</style>",
            f'<clipPath id="screen"><rect width="{width:g}" height="{height:g}" rx="10"/></clipPath>',
            f'<rect width="{width:g}" height="{height:g}" rx="10" fill="#161a22"/>',
            *(f'<circle cx="{22 + 20 * place}" cy="20" r="6" fill="{color}"/>' for place, color in enumerate(_BUTTONS)),
            f'<text class="t" x="{width / 2:g}" y="25" text-anchor="middle">{escape(name)}</text>',
            f'<g clip-path="url(#screen)"><g id="strip" transform="translate(0 {-(len(frames) - 1) * height:g})">',
            *strip,
            "</g></g>",
            "</svg>\n",
        ]
    )


def _without_short(frames: Sequence[Frame]) -> list[Frame]:
    """Return the frames that are shown long enough to be seen, and the last."""
    kept: list[Frame] = []
    for frame, following in zip(frames, [*frames[1:], None], strict=True):
        if following is None or following.seconds - frame.seconds >= SHORTEST:
            kept.append(frame)
    return kept


def _lines(screen: RenderableType, columns: int) -> list[str]:
    """Render a screen, and draw each of its lines."""
    console = Console(width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False, markup=False)
    lines = console.render_lines(screen, pad=False)
    while lines and not "".join(segment.text for segment in lines[-1]).strip():
        lines.pop()
    return [_line(line, _TOP + _LINE * (number + 0.75)) for number, line in enumerate(lines)]


def _line(segments: Sequence[Segment], y: float) -> str:
    parts: list[str] = []
    column = 0
    for segment in segments:
        text = segment.text.rstrip("\n")
        left = _SIDE + column * _CHARACTER + (len(text) - len(text.lstrip())) * _CHARACTER
        column += segment.cell_length
        word = text.strip()
        if not word:
            continue
        length, kind = len(word) * _CHARACTER, _class(segment.style)
        if set(word) <= set(_BAR):
            parts.append(f'<rect class="{kind}" x="{left:g}" y="{y - 7:g}" width="{length:g}" height="5" rx="1"/>')
        else:
            parts.append(f'<text class="{kind}" x="{left:g}" y="{y:g}" textLength="{length:g}">{escape(word).replace(" ", _SPACE)}</text>')
    return "".join(parts)


def _class(style: Style | None) -> str:
    """Return the class of a style: bar, good, bad, bold, or none."""
    if style is None:
        return ""
    name = style.color.name if style.color else ""
    return {"green": "g", "yellow": "y"}.get(name) or _BARS.get(name) or ("b" if style.bold else "")
