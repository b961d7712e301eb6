"""Records `taskq demo` as an animated picture: docs/_static/demo.svg.

    python -m docs._generate.demo_svg           needs the extra `embedded`; takes a few seconds

The demo runs for real, and each frame is what it shows on a terminal at that moment. The picture differs from a terminal in two ways: it
plays slower than the demo runs, and the folder of the standard library has the name that it has on most systems. Where a viewer doesn't
play animations, or its user prefers none, the picture shows the last frame.
"""

from __future__ import annotations

import io
import sys
import sysconfig
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from taskq.cli.demo_view import comparing, note, opening, picture, summary
from taskq.clock import monotonic
from taskq.tools.demo.files import Found, Selection, find_files, python_library
from taskq.tools.demo.place import scratch_place
from taskq.tools.demo.run import Run, Scene

__all__ = ["Frame", "animation", "record"]

PICTURE = Path(__file__).parents[1] / "_static" / "demo.svg"

COLUMNS = 108
#: How much slower than the demo the picture plays, how long it shows the command and the end, and the shortest frame: all in seconds.
SLOWDOWN, COMMAND_SECONDS, END_SECONDS, SHORTEST = 3.0, 1.5, 7.0, 0.1

_CHARACTER, _LINE, _TOP, _SIDE = 8.4, 19.0, 44.0, 18.0
_BAR = "━╸╺"
#: SVG joins plain spaces.
_SPACE = "\N{NO-BREAK SPACE}"
#: The colors of rich's progress bar: what is done, all done, and what is left.
_BARS = {"rgb(249,38,114)": "m", "rgb(114,156,31)": "g", "color(237)": "d", "grey23": "d"}
_BUTTONS = ("#ff5f57", "#febc2e", "#28c840")
_TITLE = "A recording of taskq demo: two worker processes count 2,000 files, one job fails, is retried and reloaded"
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"


class Frame(NamedTuple):
    """The screen at one moment."""

    seconds: float
    screen: RenderableType


class _Recorder:
    """Shows the demo as the live view does, to a list of frames."""

    def __init__(self, folder: Path, head: RenderableType) -> None:
        self.frames: list[Frame] = []
        self.kept: list[RenderableType] = [head]
        self._folder = folder
        self._live: RenderableType = Text("")
        self._began = monotonic()

    def show(self, scene: Scene) -> None:
        self._live = picture(scene, self._folder)
        self._take()

    def note(self, text: str, *, good: bool) -> None:
        self.kept.append(note(text, good=good))
        self._take()

    def checking(self, done: int, total: int) -> None:
        if done % 100 == 0:
            self._live = Text(comparing(done, total))
            self._take()

    def _take(self) -> None:
        self.frames.append(Frame(monotonic() - self._began, Group(*self.kept, self._live)))


def record(selection: Selection, found: Found, processes: int) -> list[Frame]:
    """Run the demo and return its frames: the command, what it shows, and its summary."""
    shown = Selection(_usual(selection), selection.without)
    command = Text.assemble(("$ ", "bold green"), ("taskq demo", "bold"))
    recorder = _Recorder(selection.folder, Group(command, Text(opening(shown, found, processes))))
    with scratch_place(None) as place:
        report = Run(place, found, processes, recorder).play()
    if report.check.problems:
        raise SystemExit("\n".join(report.check.problems))
    start = recorder.frames[0].seconds
    frames = [Frame(COMMAND_SECONDS + SLOWDOWN * (frame.seconds - start), frame.screen) for frame in recorder.frames]
    end = Group(*recorder.kept, Text(summary(report, processes)))
    return [Frame(0, command), *frames, Frame(frames[-1].seconds + 2 * SHORTEST, end)]


def _usual(selection: Selection) -> Path:
    """Return where most systems have the folder: the standard library is in a place of its own wherever pyenv or uv installed it."""
    library = Path(sysconfig.get_path("stdlib"))
    return Path("/usr/lib", library.name) if selection.folder == library else selection.folder


# ---- drawing


def animation(frames: Sequence[Frame]) -> str:
    """Draw the frames below each other, and move the strip up by one frame at a time."""
    frames = _without_short(frames)
    screens = [_lines(frame.screen) for frame in frames]
    height = _TOP + _LINE * max(len(lines) for lines in screens) + _SIDE
    width = COLUMNS * _CHARACTER + 2 * _SIDE
    duration = frames[-1].seconds + END_SECONDS
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
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="demo-title">',
            f'<title id="demo-title">{_TITLE}</title>',
            f"<style>{style}</style>",
            f'<clipPath id="screen"><rect width="{width:g}" height="{height:g}" rx="10"/></clipPath>',
            f'<rect width="{width:g}" height="{height:g}" rx="10" fill="#161a22"/>',
            *(
                f'<circle cx="{22 + 20 * place}" cy="20" r="6" fill="{color}"/>'
                for place, color in enumerate(("#ff5f57", "#febc2e", "#28c840"))
            ),
            f'<text class="t" x="{width / 2:g}" y="25" text-anchor="middle">taskq demo</text>',
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


def _lines(screen: RenderableType) -> list[str]:
    """Render a screen, and draw each of its lines."""
    console = Console(width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False, markup=False)
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


def main() -> int:
    """Record the demo on Python's standard library, and write the picture."""
    selection = python_library()
    text = animation(record(selection, find_files(selection, lambda number: None), 2))
    PICTURE.write_text(text, encoding="utf-8")
    print(f"wrote {PICTURE.name}: {len(text):,} characters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
