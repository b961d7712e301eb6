"""`taskq chaos --simulate`: the deterministic simulation, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec
from click.core import ParameterSource

from taskq.cli.output import print_json, print_text
from taskq.cli.progress import progress_bar
from taskq.cli.words import count

if TYPE_CHECKING:
    from taskq.tools.simulation.hunt import Found, Report

__all__ = ["SEEDS", "simulate"]

#: How many seeds are run without `--seeds`.
SEEDS = 200
_VALID_WITH_SIMULATE = {"simulate", "seeds", "seed", "as_json", "debug"}


def simulate(first: int, seeds: int, *, as_json: bool) -> int:
    """Run the simulation, print its report, and return the exit code.

    Raises:
        UsageError: an option was given that is not valid with --simulate.
    """
    from taskq.tools.scratch.signals import stop_signals
    from taskq.tools.simulation.hunt import hunt, simulator  # imports the worker and the supervisor

    context = click.get_current_context()
    for option in context.command.params:
        name = option.name or ""
        if name not in _VALID_WITH_SIMULATE and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option.opts[0]} is not valid with --simulate: a seed determines the whole run")
    with stop_signals(), simulator() as one, progress_bar("seeds") as show:
        report = hunt(one, first, seeds, show)
    if as_json:
        print_json(msgspec.to_builtins(report) | {"ok": report.found is None})
    else:
        print_text(_summary(report))
    return 0 if report.found is None else 1


def _summary(report: Report) -> str:
    last = report.first + report.seeds - 1
    lines = [
        f"seeds     {report.first} to {last}, in {report.seconds:.1f} s",
        f"simulated {count(report.commands, 'command')}, {count(report.runs, 'run')} of jobs, {report.virtual / 3600:.1f} hours",
    ]
    if report.found is None:
        return "\n".join([*lines, "No rule was broken."])
    return "\n".join([*lines, *_found(report.found)])


def _found(found: Found) -> list[str]:
    return [
        f"seed {found.seed} breaks a rule. {found.text}",
        "",
        "The smallest scenario that breaks it:",
        *(f"  {line}" for line in found.scenario),
        "",
        "Its history, without polls that found nothing:",
        *(f"  {line}" for line in found.history),
        "",
        f"Repeat it: taskq chaos --simulate --seed {found.seed} --seeds 1",
    ]
