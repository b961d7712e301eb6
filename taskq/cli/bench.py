"""`taskq bench`: measure this setup."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from taskq.cli.bench_view import Bar, heading, print_cases, print_figures
from taskq.cli.options import as_json, chosen_of, debug_option
from taskq.cli.output import print_json, print_text
from taskq.cli.target import command_settings
from taskq.cli.words import size
from taskq.config import Settings, mask_url
from taskq.tools.bench.compare import compare
from taskq.tools.bench.place import scratch_place
from taskq.tools.bench.plan import MEASURES, Plan
from taskq.tools.bench.run import run, server_version
from taskq.tools.scratch.worker import processors

__all__ = ["command"]

#: The most memory of the server that a bench may use.
_MOST = 2 << 30


@click.command("bench", short_help="Benchmark pushes, workers and delays on this setup.")
@click.option("--jobs", type=click.IntRange(10, 10_000_000), default=100_000, show_default=True, metavar="N", help="Jobs in a round.")
@click.option("--processes", type=click.IntRange(1, 64), metavar="N", help="Worker processes. Default: one per processor.")
@click.option("--payload", type=click.IntRange(0, 1 << 20), default=10, show_default=True, metavar="BYTES", help="Size of each argument.")
@click.option(
    "--rounds",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    metavar="N",
    help="Rounds of all but latency, lateness and memory.",
)
@click.option("--only", default="all", metavar="A,B,C", help=f"Only these measures and cases: {', '.join(MEASURES)}.")
@click.option("--url", metavar="URL", help="The server. Default: the setting `url`, or a separate embedded server.")
@as_json
@debug_option
def command(url: str | None, only: str, as_json: bool, processes: int | None, **sizes: Any) -> int:
    """Measure push, push_many, drain, latency, lateness, memory and CPU per job, on the server of the settings.

    Then compare the rate and CPU time of several kinds of jobs and pushes with bare loops that make only the necessary round trips.

    The benchmark uses a separate key prefix and a separate worker, and removes them at the end, however it ends.
    On a shared server, it slows down other clients, and their load distorts the results.
    """
    plan = Plan(processes=processes or processors(), measures=_measures(only), **sizes)
    if plan.weight > _MOST:
        wanted = f"--jobs, --payload and --rounds would use about {size(plan.weight)} of the server's memory"
        raise click.UsageError(f"{wanted}; the maximum is {size(_MOST)}. Reduce one of them")
    settings = command_settings(None, url)
    try:
        with scratch_place(settings) as place:
            setup = _setup(plan, settings, server_version(place))
            if not as_json:
                print_text(heading(plan, setup["server"], setup["url"]))
            with Bar() as bar:
                figures = run(place, plan, bar)
                cases = compare(place, plan, bar)
    except KeyboardInterrupt:
        if not as_json:
            print_text("\nStopped. The bench's worker and messages are removed.")
        raise
    if as_json:
        print_json(setup | {"measures": msgspec.to_builtins(figures), "cases": msgspec.to_builtins(cases)})
    else:
        print_figures(figures)
        if figures and cases:
            print_text("")
        print_cases(cases)
    return 0


def _measures(text: str) -> frozenset[str]:
    """Return the names of the measures.

    Raises:
        UsageError: a name is missing or unknown.
    """
    return frozenset(MEASURES if text == "all" else chosen_of("--only", text, MEASURES, "measure"))


def _setup(plan: Plan, settings: Settings, server: str) -> dict[str, Any]:
    """Return the conditions of the measurement."""
    return {
        "server": server,
        "url": mask_url(settings.url) if settings.url is not None else None,
        "serializer": settings.serializer,
        "signed": bool(settings.secrets),
        "jobs": plan.jobs,
        "rounds": plan.rounds,
        "processes": plan.processes,
        "payload": plan.payload,
    }
