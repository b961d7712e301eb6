"""`taskq chaos`: kill and freeze workers and server at random moments, and prove that no job was lost."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import click
import msgspec

from taskq.chaos.faults import FAULTS
from taskq.chaos.run import Plan, Run
from taskq.chaos.site import site
from taskq.cli.chaos_view import LineView, LiveView, NoView, list_faults, summary
from taskq.cli.options import as_json, debug_option
from taskq.cli.output import print_json, print_text
from taskq.config import check_url, did_you_mean

__all__ = ["command"]

#: Jobs a second: about half of what two small processors can do meanwhile.
_RATE = 150
_DEFAULT_SECONDS = 30.0


@click.command("chaos", short_help="Kill workers and server at random, and prove that no job is lost.")
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86400),
    default=_DEFAULT_SECONDS,
    show_default=True,
    metavar="N",
    help="How long there are faults. What is left is then worked off.",
)
@click.option("--seed", type=int, metavar="N", help="Repeats the choices of an earlier run. Default: by chance; it is printed.")
@click.option("--faults", default="all", show_default=True, metavar="A,B,…", help="Only these faults. `list` shows them.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help=f"How many jobs are pushed. Default: {_RATE} a second.")
@click.option("--supervisors", type=click.IntRange(1, 32), default=2, show_default=True, metavar="N", help="How many workers run.")
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, metavar="N", help="Processes of each worker.")
@click.option("--url", metavar="URL", help="Use this server, with a key prefix of its own. Its other users are disturbed.")
@click.option("--yes", is_flag=True, help="With --url: its other users may be disturbed.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="Copy the ledger and the logs there.")
@as_json
@debug_option
def command(seed: int | None, url: str | None, yes: bool, keep: Path | None, as_json: bool, **options: Any) -> int:
    """Push jobs and work them in several workers, while workers and server are killed, frozen and cut off at random moments.

    On a server of its own, that is removed at the end. Every run of a job is counted in a ledger. At the end everything is worked
    off, and each message must have been done; what ran more than once must be explained by a fault. Exit code 1 when not.
    """
    raise NotImplementedError
