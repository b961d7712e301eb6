"""From the ledger and the faults to the verdict: what was lost, what ran twice and why, how soon work went on."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import msgspec

from taskq.tools.chaos.facts import DEADLY, TROUBLE, Facts
from taskq.tools.chaos.ledger import Book, Run
from taskq.tools.chaos.stage import Fault

__all__ = ["Recovery", "Verdict", "judge"]

_SHOWN = 20


class Recovery(msgspec.Struct, kw_only=True):
    """How one kind of fault was got over. Times in seconds; None: it was never measured."""

    count: int
    #: From the fault until a job that it had interrupted ran again.
    again_max: float | None = None
    again_median: float | None = None
    #: From the end of the fault until the last of the supervisors it had hit started a job.
    resumed_max: float | None = None
    resumed_median: float | None = None


class Verdict(msgspec.Struct, kw_only=True):
    """The verdict of a run."""

    pushed: int
    unknown: int
    refused: int
    runs: int
    retries: int
    lost: int
    doubled: int
    #: Messages left when chaos was stopped early. Their fate is unknown.
    unfinished: int = 0
    #: Results and streams that arrived as they should.
    answered: int = 0
    #: How often a message ran once more, by reason.
    reasons: dict[str, int]
    #: Everything that no fault explains.
    problems: list[str]
    recovery: dict[str, Recovery]

    @property
    def is_good(self) -> bool:
        """True when nothing was lost and every repetition has its reason."""
        return not self.lost and not self.problems


def judge(book: Book, faults: Sequence[Fault], workers: Mapping[int, int], until: float, *, stopped: bool = False) -> Verdict:
    """Judge what has happened.

    Args:
        book: the ledger.
        faults: everything that was done.
        seats: of every supervisor's process id its seat.
        until: when it ended.
        stopped: True if chaos was stopped before the queue was drained.
    """
    facts = Facts(faults, book.births, until)
    outcomes = Counter(push.outcome for push in book.pushes.values())
    undone = sorted(number for number, push in book.pushes.items() if push.outcome == "accepted" and number not in book.done)
    lost, waiting = ([], []) if stopped else (undone, sorted(book.asked - book.answers.keys()))
    reasons: Counter[str] = Counter()
    problems = [f"lost: {_describe(book, number)}" for number in lost[:_SHOWN]]
    problems += [f"waits forever: {_describe(book, number)}" for number in waiting[:_SHOWN]]
    problems += [f"got {what}: {_describe(book, number)}" for number, what in sorted(book.answers.items()) if what != "right"][:_SHOWN]
    retries = 0
    for number in book.runs:
        retries += _check_message(book, number, facts, reasons, problems)
    return Verdict(
        pushed=outcomes["accepted"],
        unknown=outcomes["unknown"],
        refused=outcomes["refused"],
        runs=book.run_count,
        retries=retries,
        lost=len(lost),
        unfinished=len(undone) - len(lost),
        doubled=reasons.total(),
        answered=sum(what == "right" for what in book.answers.values()),
        reasons=dict(reasons.most_common()),
        problems=problems,
        recovery=_recovery(book, facts, workers),
    )


def _check_message(book: Book, number: int, facts: Facts, reasons: Counter[str], problems: list[str]) -> int:
    """Judge the runs of one message; returns how many were retries."""
    runs = sorted(book.runs[number], key=lambda run: run.start)
    push = book.pushes.get(number)
    if push is not None and push.outcome == "refused":
        problems.append(f"refused, and yet it ran: {_describe(book, number)}")
    if len({run.id for run in runs}) > 1 and (push is None or push.kind != "foreign"):
        problems.append(f"stored twice: {_describe(book, number)}")
    retries = 0
    for index, run in enumerate(runs):
        before = [one for one in runs[:index] if one.attempt == run.attempt]
        if not before:
            retries += run.attempt > 1
            if run.attempt > 1 and not any(one.attempt == run.attempt - 1 and one.ending == "raised" for one in runs[:index]):
                problems.append(f"attempt {run.attempt} without a failed one before: {_describe(book, number)}")
            continue
        reason = facts.explain(before[-1], run)
        if reason is None:
            problems.append(f"ran again without a fault: {_describe(book, number)}")
        else:
            reasons[reason] += 1
    return retries


def _describe(book: Book, number: int) -> str:
    """Everything that is known of one message."""
    push = book.pushes.get(number)
    runs = sorted(book.runs.get(number, ()), key=lambda run: run.start)
    text = f"number {number} ({push.kind}, {push.outcome} at {push.at:.3f})" if push else f"number {number} (push not noted)"
    ran = [f"attempt {one.attempt} of {one.id} in {one.pid} from {one.start:.3f} {_ended(one)}" for one in runs]
    return "; ".join([text, *ran]) if ran else f"{text}; never ran"


def _ended(run: Run) -> str:
    return "without an end" if run.end is None else f"to {run.end:.3f} ({run.ending})"


# ---- recovery


def _recovery(book: Book, facts: Facts, workers: Mapping[int, int]) -> dict[str, Recovery]:
    by_pid: dict[int, list[Run]] = {}
    for runs in book.runs.values():
        for run in runs:
            by_pid.setdefault(run.pid, []).append(run)
    starts = _starts(book, facts, workers)
    again: dict[str, list[float]] = {}
    resumed: dict[str, list[float]] = {}
    for fault in facts.faults:
        if fault.kind in DEADLY:
            again.setdefault(fault.kind, []).extend(_again(book, facts, fault, by_pid))
        if fault.kind in TROUBLE or fault.kind != "child":
            resumed.setdefault(fault.kind, []).extend(_resumed(fault, starts))
    counts = Counter(fault.kind for fault in facts.faults)
    return {kind: _figures(count, again.get(kind, []), resumed.get(kind, [])) for kind, count in counts.most_common()}


def _figures(count: int, again: list[float], resumed: list[float]) -> Recovery:
    figures: dict[str, Any] = {}
    for name, values in (("again", again), ("resumed", resumed)):
        if values:
            figures |= {f"{name}_max": round(max(values), 3), f"{name}_median": round(median(values), 3)}
    return Recovery(count=count, **figures)


def _starts(book: Book, facts: Facts, workers: Mapping[int, int]) -> dict[int, list[float]]:
    """When each seat's processes started jobs."""
    starts: dict[int, list[float]] = {}
    for runs in book.runs.values():
        for run in runs:
            birth = facts.birth(run)
            if birth is not None and birth.supervisor in workers:
                starts.setdefault(workers[birth.supervisor], []).append(run.start)
    return {worker: sorted(times) for worker, times in starts.items()}


def _again(book: Book, facts: Facts, fault: Fault, by_pid: Mapping[int, Sequence[Run]]) -> Iterator[float]:
    for birth in _hit(book, fault, facts):
        for run in by_pid.get(birth, ()):
            if run.start <= fault.begin and run.end is None:
                later = [one.start for one in book.runs[run.number] if one.start > fault.begin]
                if later:
                    yield min(later) - fault.begin


def _hit(book: Book, fault: Fault, facts: Facts) -> set[int]:
    """Process ids of all workers that a fault was done to."""
    return {birth.pid for birth in book.births if facts.hits(fault, birth)}


def _resumed(fault: Fault, starts: Mapping[int, Sequence[float]]) -> Iterator[float]:
    """How long until the last of the seats that were hit went on; nothing when one never did before the end."""
    if fault.end is None:
        return
    hit = [fault.worker] if fault.worker is not None else list(starts)
    waits = []
    for worker in hit:
        times = starts.get(worker, ())
        index = bisect_right(times, fault.end)
        if index == len(times):
            return
        waits.append(times[index] - fault.end)
    if waits:
        yield max(waits)
