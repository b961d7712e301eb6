"""How `taskq chaos` looks: live on a terminal, line by line elsewhere, and the summary at the end."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from taskq.cli.output import Column, console, print_text, table
from taskq.cli.words import clean, count
from taskq.clock import monotonic
from taskq.tools.chaos.faults.table import FAULTS
from taskq.tools.chaos.judge import Recovery, Verdict
from taskq.tools.chaos.run import Plan, Report, Scene

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

__all__ = ["LineView", "LiveView", "NoView", "fault_list", "heading", "summary"]

_LINE_EVERY = 2.0
_DRAW_EVERY = 0.1
_FAULTS_SHOWN = 8
_PROBLEMS_SHOWN = 20
_NUMBERS = ["PUSHED", "DONE", "RUNS", "WAITING", "DELAYED", "RESERVED", "FAULTS"]


def fault_list() -> list[dict[str, Any]]:
    """Return every fault with its words."""
    return [
        {"name": name, "text": kind.text, "only_own_server": kind.own, "needs_libfaketime": kind.clock} for name, kind in FAULTS.items()
    ]


def heading(plan: Plan, left_out: str) -> str:
    """Return the words at the beginning. `left_out` names faults that are impossible here, and the reason."""
    workers = f"{count(plan.supervisors, 'worker')} of {plan.processes} process{'' if plan.processes == 1 else 'es'} each"
    first = f"chaos for {plan.seconds:g} s with seed {plan.seed}: {count(plan.jobs, 'job')}, {workers}"
    return f"{first}\nfaults: {', '.join(plan.faults)}\n{left_out}"


class NoView:
    """Shows nothing."""

    def __enter__(self) -> NoView:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing has to be put back."""

    def show(self, scene: Scene) -> None:
        """Show nothing."""


class LineView(NoView):
    """Prints one line of progress every two seconds."""

    def __init__(self) -> None:
        self._printed_at = 0.0

    def show(self, scene: Scene) -> None:
        if monotonic() - self._printed_at < _LINE_EVERY:
            return
        self._printed_at = monotonic()
        numbers = ", ".join(f"{number} {title.lower()}" for title, number in zip(_NUMBERS, _numbers(scene), strict=True) if number)
        last = f"; last fault: {scene.faults[-1].text}" if scene.faults else ""
        print_text(f"{scene.seconds:6.1f} s  {scene.act}: {numbers or 'nothing yet'}{last}")


class LiveView(NoView):
    """Redraws numbers and the latest faults in place."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._drawn_at = 0.0

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, scene: Scene) -> None:
        if monotonic() - self._drawn_at < _DRAW_EVERY:
            return
        self._drawn_at = monotonic()
        if self._live is None:
            from rich.live import Live

            # Without auto_refresh, rich starts no thread: supervisors are forked from here.
            self._live = Live(console=console(), auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(_picture(scene), refresh=True)


def _numbers(scene: Scene) -> list[str]:
    left, book = scene.left, scene.book
    states = [left.waiting, left.delayed, left.reserved] if left else [0, 0, 0]
    return [f"{number:,}" if number else "" for number in (book.accepted, len(book.done), book.run_count, *states, len(scene.faults))]


def _picture(scene: Scene) -> Group:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_row(ProgressBar(total=scene.jobs, completed=len(scene.book.done), width=30), Text(f"{scene.act}  {scene.seconds:.1f} s"))
    numbers = table([Column(title, whole=True, right=True) for title in _NUMBERS], [_numbers(scene)])
    begin = monotonic() - scene.seconds
    rows = [[f"{fault.begin - begin:.1f} s", fault.text, "" if fault.end else "now"] for fault in scene.faults[-_FAULTS_SHOWN:]]
    return Group(numbers, Text(""), line, Text(""), table([Column("AFTER", right=True), Column("FAULT"), Column("")], rows))


# ---- the summary


def summary(report: Report) -> str:
    """Return the words at the end."""
    verdict = report.verdict
    doubtful = f"; unknown outcome: {verdict.unknown:,}; refused: {verdict.refused:,}" if verdict.unknown or verdict.refused else ""
    rest = f"the last {report.drain_seconds:.1f} s without faults, to drain the queue"
    faults = f"{count(sum(report.faults.values()), 'fault')} in {report.seconds:.0f} s, {rest}"
    lines = [
        "",
        f"faults    {faults}; seed {report.seed}",
        f"pushed    {count(verdict.pushed, 'job')}{doubtful}",
        f"run       {verdict.runs:,} times, {verdict.retries:,} of them retries of failed attempts",
        f"answered  {verdict.answered:,} results and streams, each to its caller",
        f"lost      {verdict.lost:,}" + (f"; not run: {verdict.unfinished:,}" if report.stopped else ""),
        f"doubled   {verdict.doubled:,}{_share(verdict)}",
        *(f"          {number:>6,}  {reason}" for reason, number in verdict.reasons.items()),
        "recovery  seconds until an interrupted job ran again, and until the workers continued (median / longest)",
        *(f"          {kind:<15}{count(one.count, 'time'):>10}   {_times(one)}".rstrip() for kind, one in verdict.recovery.items()),
        f"left      {'nothing' if not report.leftovers else count(len(report.leftovers), 'thing')}",
        *(f"          {clean(left)}" for left in report.leftovers[:_PROBLEMS_SHOWN]),
        *_problems(report),
    ]
    return "\n".join(lines)


def _share(verdict: Verdict) -> str:
    return f" ({100 * verdict.doubled / verdict.runs:.2f} % of the runs), each explained by a fault:" if verdict.doubled else ""


def _times(one: Recovery) -> str:
    again = f"again {one.again_median:.3f} / {one.again_max:.3f}" if one.again_max is not None else ""
    resumed = f"on {one.resumed_median:.3f} / {one.resumed_max:.3f}" if one.resumed_max is not None else ""
    return f"{again:<22}{resumed}".rstrip()


def _problems(report: Report) -> list[str]:
    problems = [*report.problems, *report.verdict.problems]
    if report.stopped:
        return ["", "Stopped. Server and data of the chaos are removed."]
    if report.is_good:
        return ["", "Nothing was lost, nothing ran twice without a fault, and nothing is left."]
    more = [f"and {len(problems) - _PROBLEMS_SHOWN} more"] if len(problems) > _PROBLEMS_SHOWN else []
    return ["", "NOT GOOD:", *(f"  {clean(problem)}" for problem in [*problems[:_PROBLEMS_SHOWN], *more])]
