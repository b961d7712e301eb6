"""The output of `taskq demo`: live on a terminal, line by line elsewhere, with a summary at the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from taskq.channel import STATES
from taskq.cli.output import Column, console, print_text, table
from taskq.cli.words import clean, count, size
from taskq.clock import monotonic
from taskq.tools.demo.app import RETRY_SECONDS
from taskq.tools.demo.files import Found, Selection
from taskq.tools.demo.run import Report, Scene

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

__all__ = ["LineView", "LiveView", "comparing", "note", "opening", "picture", "summary"]

_LINE_EVERY = 1.0
_PROCESSES_SHOWN = 8
_PROCESSES = [Column("PROCESS", whole=True), Column("FILES", whole=True, right=True), Column("LAST COUNTED")]


def opening(selection: Selection, found: Found, processes: int) -> str:
    """Return the lines above all others: the files and the number of processes."""
    files = f"{count(len(found.files), 'file')} ({size(found.size)}) of {selection.folder}"
    less = f", without {', '.join(sorted(selection.without))}" if selection.without else ""
    return f"Counting {files}{less}\non {_processes(processes)}, one message per file.\n"


class LineView:
    """Prints one line of progress per second."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._printed_at = 0.0

    def __enter__(self) -> LineView:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """There is nothing to clean up."""

    def show(self, scene: Scene) -> None:
        if monotonic() - self._printed_at < _LINE_EVERY:
            return
        self._printed_at = monotonic()
        counts = ", ".join(f"{scene.counts.of(state):,} {state.value}" for state in STATES if scene.counts.of(state))
        self.note(
            f"{scene.seconds:5.1f} s: {len(scene.tally.by_path):,} of {scene.total:,} files counted; {counts or 'nothing left'}", good=True
        )

    def note(self, text: str, *, good: bool) -> None:
        print_text(text)

    def checking(self, done: int, total: int) -> None:
        if done == 0:
            self.note(f"Reading {count(total, 'file')} directly, to compare.", good=True)


class LiveView:
    """Redraws states, progress and processes in place. Notes stay above."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._console = console()
        self._live: Live | None = None

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, scene: Scene) -> None:
        self._started().update(picture(scene, self._folder), refresh=True)

    def note(self, text: str, *, good: bool) -> None:
        self._console.print(note(text, good=good))

    def checking(self, done: int, total: int) -> None:
        if done % 100 == 0:
            self._started().update(comparing(done, total), refresh=True)

    def _started(self) -> Live:
        # Starts late: its output must not appear between the lines before it.
        if self._live is None:
            from rich.live import Live

            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self._live


def picture(scene: Scene, folder: Path) -> Group:
    """Return the states, the progress and the processes at one moment."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    tally = scene.tally
    done = len(tally.by_path)
    states = table(
        [Column(state.value.upper(), whole=True, right=True) for state in STATES], [[f"{scene.counts.of(state):,}" for state in STATES]]
    )
    rate = f"{done / scene.seconds:,.0f} files/s" if scene.seconds else ""
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_row(
        ProgressBar(total=scene.total, completed=done, width=30),
        Text(f"{done:,} of {scene.total:,} files  {size(tally.bytes)}  {rate}  {scene.seconds:.1f} s"),
    )
    rows = [[str(pid), f"{number:,}", str(Path(path).relative_to(folder))] for pid, (number, path) in sorted(tally.processes.items())]
    more = [Text(f"and {len(rows) - _PROCESSES_SHOWN} more processes")] if len(rows) > _PROCESSES_SHOWN else []
    return Group(states, Text(""), line, Text(""), table(_PROCESSES, rows[:_PROCESSES_SHOWN]), *more)


def note(text: str, *, good: bool) -> Text:
    """Return a line that stays above the live view."""
    from rich.text import Text

    return Text(clean(text), style="green" if good else "yellow")


def comparing(done: int, total: int) -> str:
    """Return the progress of the direct count."""
    return f"comparing with a direct count: {done:,} of {total:,} files"


# ---- the summary


def summary(report: Report, processes: int) -> str:
    """Return the text at the end."""
    tally, checked = report.tally, report.check
    rate = f"{len(tally.by_path) / report.seconds:,.0f} files/s" if report.seconds else "at once"
    lines = [
        "",
        f"files     {count(tally.counted, 'file')}, {report.delayed:,} of the messages delayed by 0.1 to 2 s{_skipped(report.skipped)}",
        f"content   {size(tally.bytes)}, {count(tally.lines, 'line')}, {count(tally.words, 'word')}",
        f"time      {report.seconds:.1f} s with {_processes(processes)}, {rate}, from first push to last result, delays included",
        f"failure   {_failure(report)}",
        f"check     {_checked(report)}",
        *(f"          {clean(problem, lines=True)}" for problem in checked.problems),
        "",
        "The demo's server and data are removed. Next:",
        "  taskq init        create a settings file and a jobs module",
        "  taskq worker      run its jobs",
        "  taskq --help      list all commands",
    ]
    return "\n".join(lines)


def _processes(number: int) -> str:
    return f"{number} process{'' if number == 1 else 'es'}"


def _skipped(skipped: Counter[str]) -> str:
    return "".join(f"; skipped: {number:,} ({reason})" for reason, number in skipped.most_common())


def _failure(report: Report) -> str:
    if not report.failures:
        return "unexpected outcome"
    waits = " and ".join(f"{seconds:g}" for seconds in RETRY_SECONDS)
    return f"write_report failed {report.failures} times (retried after {waits} s), was reloaded, and succeeded"


def _checked(report: Report) -> str:
    found = report.check
    if found.problems:
        return "the numbers differ:"
    changed = f"; {count(found.changed, 'file')} changed meanwhile" if found.changed else ""
    return f"every file was counted exactly once; counting {count(found.read_again, 'file')} directly gives the same numbers{changed}"
