"""Records `taskq demo` as an animated picture: docs/_static/demo.svg.

    python -m docs._generate.demo_svg           needs the extra `embedded`; takes a few seconds

The demo runs for real, and each frame is what it shows on a terminal at that moment. The picture differs from a terminal in two ways: it
plays slower than the demo runs, and the folder of the standard library has the name that it has on most systems.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from docs._generate.terminal_svg import SHORTEST, Frame, animation
from taskq.cli.demo_view import comparing, note, opening, picture, summary
from taskq.clock import monotonic
from taskq.tools.demo.files import Found, Selection, find_files, python_library
from taskq.tools.demo.place import scratch_place
from taskq.tools.demo.run import Run, Scene

__all__ = ["draw", "record"]

PICTURE = Path(__file__).parents[1] / "_static" / "demo.svg"

COLUMNS = 108
#: How much slower than the demo the picture plays, how long it shows the command and the end (in seconds).
SLOWDOWN, COMMAND_SECONDS, END_SECONDS = 3.0, 1.5, 7.0

TITLE = "A recording of taskq demo: two worker processes count 2,000 files, one job fails, is retried and reloaded"


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


def draw(frames: list[Frame]) -> str:
    """Draw the frames of the demo."""
    return animation(TITLE, "taskq demo", frames, columns=COLUMNS, end_seconds=END_SECONDS)


def main() -> int:
    """Record the demo on Python's standard library, and write the picture."""
    selection = python_library()
    text = draw(record(selection, find_files(selection, lambda number: None), 2))
    PICTURE.write_text(text, encoding="utf-8")
    print(f"wrote {PICTURE.name}: {len(text):,} characters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
