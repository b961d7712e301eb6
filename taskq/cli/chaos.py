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
from taskq.cli.simulate import SEEDS
from taskq.cli.simulate import simulate as run_simulation
from taskq.config import check_url
from taskq.tools.chaos.clock import find_library
from taskq.tools.chaos.faults.table import FAULTS
from taskq.tools.chaos.run import Plan, Report, Run
from taskq.tools.chaos.site import Site, site

__all__ = ["command"]

#: Jobs per second: about half of the rate of two processors under faults.
_RATE = 100
_INSTALL = "On Debian and Ubuntu: apt-get install libfaketime"
_NO_CLOCK = f"left out: clock, since libfaketime was not found. {_INSTALL}\n"


@click.command("chaos", short_help="Fault-injection test: kill workers and the server, check that no job is lost.")
@click.option("--seconds", type=Seconds(1, 86400), default=30.0, show_default=True, metavar="TIME", help="How long faults happen.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Random seed. Default: random; printed at the start.")
@click.option("--faults", default="all", show_default=True, metavar="A,B,C", help="Only these faults; `list` shows them all.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help=f"Number of jobs to push. Default: {_RATE} per second.")
@click.option("--supervisors", type=click.IntRange(1, 32), default=2, show_default=True, metavar="N", help="Number of workers.")
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, metavar="N", help="Processes per worker.")
@click.option("--url", metavar="URL", help="Use this server, with a separate key prefix. This disrupts its other clients.")
@click.option("--yes", is_flag=True, help="With --url: confirm that other clients of the server may be disrupted.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="Copy the ledger and the logs there.")
@click.option("--simulate", is_flag=True, help="Simulate instead: seeded faults in virtual time, which can be repeated exactly.")
@click.option("--seeds", type=click.IntRange(1), metavar="N", help=f"With --simulate: number of seeds, from --seed on. Default: {SEEDS}.")
@as_json
@debug_option
def command(url: str | None, yes: bool, keep: Path | None, as_json: bool, simulate: bool, seeds: int | None, **options: Any) -> int:
    """Fault-injection test: run jobs while killing workers, freezing the server and cutting connections at random.

    The test uses a separate server and removes it at the end. A ledger records every push and every run. After the faults,
    the queue is drained. Then every job must have run, and a fault must explain every job that ran more than once.
    Exits with 0 if every check passes, and with 1 if a job was lost, left behind, or ran twice without a fault.

    With --simulate, all of this happens in one process, in virtual time and in an order that a seed decides.
    """
    if simulate:
        return run_simulation(options["seed"] or 0, seeds or SEEDS, as_json=as_json)
    if seeds is not None:
        raise click.UsageError("--seeds is only valid with --simulate")
    if options["faults"] == "list":
        print_json(fault_list()) if as_json else print_text("\n".join(f"{one['name']:<15} {one['text']}" for one in fault_list()))
        return 0
    library = find_library() if url is None else None
    plan = _plan(_chosen(options["faults"], own=url is None, clock=library is not None), options)
    if url is None and yes:
        raise click.UsageError("--yes is only valid with --url: without it, chaos uses a separate server")
    if url is not None:
        check_url(url)
        if not yes:
            raise click.UsageError("--url: chaos cuts the connections of all clients of that server and pauses it. Pass --yes to confirm")
    left_out = _NO_CLOCK if options["faults"] == "all" and url is None and library is None else ""
    with_clock = any(FAULTS[name].clock for name in plan.faults)
    with site(url, keep, library=library if with_clock else None) as place:
        report = _run(plan, place, left_out, as_json)
    for text in place.unkept:
        warn(text)
    if as_json:
        print_json(msgspec.to_builtins(report) | {"ok": report.is_good})
    else:
        print_text(summary(report))
    if report.stopped:
        raise KeyboardInterrupt(place.stop.number)
    return 0 if report.is_good else 1


def _run(plan: Plan, place: Site, left_out: str, as_json: bool) -> Report:
    view = NoView() if as_json else LiveView() if sys.stdout.isatty() else LineView()
    if not as_json:
        print_text(heading(plan, left_out))
    elif left_out:
        warn(left_out.strip())
    with view:
        return Run(place, plan, view).play()


def _plan(faults: Sequence[str], options: dict[str, Any]) -> Plan:
    seconds = options["seconds"]
    seed = secrets.randbelow(1_000_000) if options["seed"] is None else options["seed"]
    jobs = options["jobs"] or int(seconds * _RATE)
    return Plan(seconds, seed, jobs, options["supervisors"], options["processes"], faults)


def _chosen(text: str, *, own: bool, clock: bool) -> list[str]:
    """Return the names of the faults.

    Raises:
        UsageError: a name is missing, unknown, or needs chaos's own server or libfaketime.
    """
    if text == "all":
        return [name for name, kind in FAULTS.items() if (own or not kind.own) and (clock or not kind.clock)]
    chosen = chosen_of("--faults", text, FAULTS, "fault")
    for name in chosen:
        if FAULTS[name].own and not own:
            raise click.UsageError(f"--faults: {name!r} is only possible on chaos's own server, without --url")
        if FAULTS[name].clock and not clock:
            raise click.UsageError(f"--faults: {name!r} needs libfaketime, which was not found. {_INSTALL}")
    return chosen
