"""`taskq flush`: delete all messages of a state."""

from __future__ import annotations

import sys

import click

from taskq.channel import STATES, State
from taskq.cli.options import channel_argument, server_options, state_option
from taskq.cli.progress import progress_bar
from taskq.cli.target import open_inspector
from taskq.cli.words import count

__all__ = ["command"]


@click.command("flush", short_help="Delete all messages of a state.")
@channel_argument()
@state_option(STATES, "Which messages.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@server_options
def command(channel: str, state: str, *, yes: bool, app: str | None, url: str | None) -> None:
    """Delete all messages of CHANNEL in one state permanently. Asks first, unless --yes is given."""
    chosen = State(state)
    if chosen is State.RESERVED:
        raise click.ClickException(
            "reserved messages can't be flushed: workers are running them. "
            "Stop the worker: it finishes its running jobs and releases the rest."
        )
    inspector = open_inspector(app, url)
    number = inspector.counts(channel).of(chosen)
    if number and not yes:
        _ask(f"Delete {count(number, 'message')} in {state} of {channel} permanently?")
    with progress_bar("deleting") as progress:
        deleted = inspector.flush(channel, chosen, progress=progress) if number else 0
    click.echo(f"{count(deleted, 'message')} deleted")


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise click.ClickException("standard input is not a terminal: pass --yes to delete without confirmation")
    if not click.confirm(question, err=True):
        click.echo("nothing was deleted", err=True)
        raise click.exceptions.Exit(1)
