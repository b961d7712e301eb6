"""The rate and the processor time of a piece of work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from taskq.clock import monotonic
from taskq.driver.pool import LinkPool
from taskq.tools.bench.cpu import of_processes, of_server
from taskq.tools.bench.figures import Figure, figure

__all__ = ["Compared", "Cost", "Sample", "clock_of", "cpu_figure", "sample"]


class Sample(msgspec.Struct, frozen=True):
    """One round: units per second, and microseconds per unit of the Python processes and of the server. None: not reported."""

    rate: float
    cpu: float | None
    server: float | None


class Cost(msgspec.Struct, frozen=True):
    """The rounds, summed up."""

    rate: Figure
    cpu: Figure
    server: Figure

    @classmethod
    def of(cls, unit: str, samples: Sequence[Sample]) -> Cost:
        """Sum up the rounds. `unit` is what is counted: jobs, items."""
        rate = figure(f"{unit}/s", [one.rate for one in samples])
        per = f"µs/{unit.removesuffix('s')}"
        return cls(rate, cpu_figure([one.cpu for one in samples], per), cpu_figure([one.server for one in samples], per))


class Compared(msgspec.Struct, frozen=True):
    """taskq, and the bare loop that makes only the round trips."""

    taskq: Cost
    bare: Cost


def sample(work: Callable[[], object], units: int, server: LinkPool, cpu: Callable[[], float | None]) -> Sample:
    """Do the work, and return what it cost."""
    used, served, began = cpu(), of_server(server), monotonic()
    work()
    took = monotonic() - began
    return Sample(units / took, _per_unit(used, cpu(), units), _per_unit(served, of_server(server), units))


def clock_of(pids: Iterable[int] = ()) -> Callable[[], float | None]:
    """Return the clock of these processes; of this one without any."""
    chosen = list(pids)
    return (lambda: of_processes(chosen)) if chosen else time.process_time


def cpu_figure(spent: Sequence[float | None], unit: str = "µs/job") -> Figure:
    """Sum up processor times, if all are known."""
    known = [one for one in spent if one is not None]
    return figure(unit, known) if len(known) == len(spent) else Figure(unit=unit, note="not reported here")


def _per_unit(before: float | None, after: float | None, units: int) -> float | None:
    return None if before is None or after is None else (after - before) / units * 1e6
