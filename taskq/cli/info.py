"""`taskq info`: message counts and worker activity."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from taskq.channel import STATES
from taskq.cli.options import as_json, channel_argument, server_options
from taskq.cli.output import Column, console, print_json, table
from taskq.cli.target import open_inspector
from taskq.cli.words import clean, duration, progress_text, size
from taskq.config import mask_url, seconds_from
from taskq.errors import ServerUnavailable
from taskq.inspector import NOT_VERIFIED, Inspector, WorkerReport

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["command", "view"]

_EVERY = 2.0
_HIDDEN = "channels that only jobs define aren't shown"
_NO_APP = f"no app given: {_HIDDEN} (pass --app, or set `app` in taskq.toml)"
_BROKEN_APP = f"the app can't be loaded: {_HIDDEN}"
_CHANNELS = [Column("CHANNEL", whole=True), *(Column(state.value.upper(), whole=True, right=True) for state in STATES)]
_WORKERS = [
    Column("WORKER", whole=True),
    Column("CHANNEL", whole=True),
    Column("STATE", whole=True),
    Column("FOR", whole=True, right=True),
    Column("RESERVED", right=True),
    Column("DONE", right=True),
    Column("FAILED", right=True),
    Column("MEMORY", right=True),
    Column("SEEN", right=True),
    Column("JOB"),
    Column("PROGRESS"),
]


@click.command("info", short_help="Show message counts and worker activity.")
@channel_argument(required=False)
@as_json
@click.option(
    "--watch",
    is_flag=False,
    flag_value=str(_EVERY),
    metavar="[TIME]",
    help=f"Refresh every TIME (default: {_EVERY:g} seconds) until Ctrl-C.",
)
@server_options
def command(channel: str | None, *, as_json: bool, watch: str | None, app: str | None, url: str | None) -> None:
    """Show the number of messages in each state of each channel, and the jobs that workers are running.

    CHANNEL: show only this channel. Default: every channel of the settings, and of the jobs if the app can be loaded.
    """
    seconds, word = _interval(watch)
    if word is not None and channel is not None:
        raise click.ClickException(f"--watch must be a number of seconds or a duration such as 5m; got {word!r}")
    if seconds is not None and as_json:
        raise click.ClickException("--watch and --json are mutually exclusive: --watch refreshes the view, --json prints one document")
    inspector = open_inspector(app, url)
    chosen = channel or word
    if seconds is not None:
        _watch(inspector, chosen, seconds)
    elif as_json:
        print_json([report.to_dict() for report in inspector.info(chosen)])
    else:
        console().print(view(inspector, chosen))


def _interval(watch: str | None) -> tuple[float | None, str | None]:
    """Return the seconds of --watch. In `--watch default` the next word is the channel: return it, too."""
    if watch is None:
        return None, None
    try:
        seconds = seconds_from(watch)
    except ValueError:
        return _EVERY, watch
    if not 0.1 <= seconds <= 86400:
        raise click.ClickException("--watch must be 0.1 to 86400 seconds")
    return seconds, None


def view(inspector: Inspector, channel: str | None) -> Group:
    """Return the counts of the channels and the activity of their workers."""
    from rich.console import Group
    from rich.text import Text

    reports = inspector.info(channel)
    workers = [worker for report in reports for worker in report.workers]
    rows = [[report.channel, *(f"{report.counts.of(state):,}" for state in STATES)] for report in reports]
    below = table(_WORKERS, map(_worker_row, workers)) if workers else Text("no workers")
    hint = [] if channel or inspector.has_app else [Text(_NO_APP if inspector.settings.app is None else _BROKEN_APP)]
    return Group(Text(f"server: {clean(mask_url(inspector.url()))}\n"), table(_CHANNELS, rows), *hint, Text(), below)


def _worker_row(worker: WorkerReport) -> Sequence[str]:
    where = f"{worker.host}:{worker.pid}" if worker.pid else worker.id
    numbers = (f"{worker.reserved:,}", f"{worker.done:,}", f"{worker.failed:,}", size(worker.memory_bytes) if worker.memory_bytes else "")
    running = duration(worker.running_seconds) if worker.job else ""
    more = f" and {worker.running - 1} more" if worker.running > 1 else ""
    return [
        where,
        worker.channel,
        worker.state + (f" {NOT_VERIFIED}" if worker.verified is False else ""),
        running,
        *numbers,
        duration(worker.heartbeat_seconds),
        worker.job + more,
        progress_text(worker.progress),
    ]


def _watch(inspector: Inspector, channel: str | None, seconds: float) -> None:
    """Refresh the view until Ctrl-C: in place on a terminal, otherwise one below the other."""
    if not sys.stdout.isatty():
        while True:
            console().print(view(inspector, channel))
            click.echo()
            time.sleep(seconds)
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    shown = view(inspector, channel)
    with Live(shown, console=console(), auto_refresh=False, screen=True) as live:
        while True:
            time.sleep(seconds)
            try:
                shown = view(inspector, channel)
                live.update(shown, refresh=True)
            except ServerUnavailable as error:  # keep watching while the server restarts
                live.update(Group(shown, Text(f"\n{clean(str(error))}", style="red")), refresh=True)
