"""`taskq chaos`: a fault-injection test that checks that no job is lost."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from taskq.cli.chaos_view import LineView, LiveView, NoView, fault_list, heading, summary
from taskq.cli.options import Seconds, as_json, chosen_of, debug_option
from taskq.cli.output import print_json, print_text, warn
from taskq.config import check_url
from taskq.tools.chaos.faults import FAULTS
from taskq.tools.chaos.run import Plan, Report, Run
from taskq.tools.chaos.site import site

__all__ = ["command"]

#: Jobs per second: about half of the rate of two processors under faults.
_RATE = 100


@click.command("chaos", short_help="Fault-injection test: kill workers and the server, check that no job is lost.")
@click.option("--seconds", type=Seconds(1, 86400), default=30.0, show_default=True, metavar="N", help="How long faults happen.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Random seed. Default: random; printed at the start.")
@click.option("--faults", default="all", show_default=True, metavar="A,B,C", help="Only these faults; `list` shows them all.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help=f"Number of jobs to push. Default: {_RATE} per second.")
@click.option("--supervisors", type=click.IntRange(1, 32), default=2, show_default=True, metavar="N", help="Number of workers.")
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, metavar="N", help="Processes per worker.")
@click.option("--url", metavar="URL", help="Use this server, with a separate key prefix. This disrupts its other clients.")
@click.option("--yes", is_flag=True, help="With --url: confirm that other clients of the server may be disrupted.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="Copy the ledger and the logs there.")
@as_json
@debug_option
def command(url: str | None, yes: bool, keep: Path | None, as_json: bool, **options: Any) -> int:
    """Fault-injection test: run jobs while killing workers, freezing the server and cutting connections at random.

    The test uses a separate server and removes it at the end. A ledger records every push and every run. After the faults,
    the queue is drained. Then every job must have run, and a fault must explain every job that ran more than once.
    Exits with 0 if every check passes, and with 1 if a job was lost, left behind, or ran twice without a fault.
    """
    if options["faults"] == "list":
        print_json(fault_list()) if as_json else print_text("\n".join(f"{one['name']:<15} {one['text']}" for one in fault_list()))
        return 0
    plan = _plan(_chosen(options["faults"], own=url is None), options)
    if url is None and yes:
        raise click.UsageError("--yes is only valid with --url: without it, chaos uses a separate server")
    if url is not None:
        check_url(url)
        if not yes:
            raise click.UsageError("--url: chaos cuts the connections of all clients of that server and pauses it. Pass --yes to confirm")
    report, number = _run(plan, url, keep, as_json)
    if as_json:
        print_json(msgspec.to_builtins(report) | {"ok": report.is_good})
    else:
        print_text(summary(report))
    if report.stopped:
        raise KeyboardInterrupt(number)
    return 0 if report.is_good else 1


def _run(plan: Plan, url: str | None, keep: Path | None, as_json: bool) -> tuple[Report, int]:
    """Return the report, and the number of the signal that stopped the run early, if any."""
    view = NoView() if as_json else LiveView() if sys.stdout.isatty() else LineView()
    with site(url, keep) as place:
        if not as_json:
            print_text(heading(plan))
        with view:
            report = Run(place, plan, view).play()
    for text in place.unkept:
        warn(text)
    return report, place.stop.number


def _plan(faults: Sequence[str], options: dict[str, Any]) -> Plan:
    seconds = options["seconds"]
    seed = secrets.randbelow(1_000_000) if options["seed"] is None else options["seed"]
    jobs = options["jobs"] or int(seconds * _RATE)
    return Plan(seconds, seed, jobs, options["supervisors"], options["processes"], faults)


def _chosen(text: str, *, own: bool) -> list[str]:
    """Return the names of the faults.

    Raises:
        UsageError: a name is missing, unknown, or needs chaos's own server.
    """
    if text == "all":
        return [name for name, kind in FAULTS.items() if own or not kind.own]
    chosen = chosen_of("--faults", text, FAULTS, "fault")
    for name in chosen:
        if FAULTS[name].own and not own:
            raise click.UsageError(f"--faults: {name!r} is only possible on chaos's own server, without --url")
    return chosen
