"""`taskq cancel`: cancel one message."""

from __future__ import annotations

import click

from taskq.cli.options import channels_option, server_options
from taskq.cli.problems import NotThere
from taskq.cli.target import open_inspector
from taskq.handle.cancel import Cancelled

__all__ = ["command"]


@click.command("cancel", short_help="Cancel one message, also while it runs.")
@click.argument("message_id", metavar="ID")
@channels_option("Look in this channel. May be given several times. Default: every known one.")
@click.option("--kill", is_flag=True, help="Kill the process of a job that goes on for three seconds more.")
@click.option("--by", metavar="WHO", help="Who cancels; shown with the message. Default: user@host.")
@server_options
def command(message_id: str, channels: tuple[str, ...], *, kill: bool, by: str | None, app: str | None, url: str | None) -> None:
    """Cancel the message ID: one that waits never runs, one that runs is told to end, and isn't run again.

    Afterwards `taskq show ID` says by whom and when it was cancelled, for a day (or as long as its result is kept).
    Exit code 1 when it is too late: it has ended, or there is no such message.
    """
    inspector = open_inspector(app, url)
    channel, found = inspector.cancel(message_id, channels=channels, kill=kill, by=by)
    if found is Cancelled.TOO_LATE:
        looked = ", ".join(channels or inspector.channels())
        raise NotThere(f"message {message_id} can't be cancelled in {looked}: it has ended, was deleted, or is in another channel")
    click.echo(f"cancelled in {channel}: it never runs" if found is Cancelled.NOW else f"its worker in {channel} is told to end it")
