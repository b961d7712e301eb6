"""`taskq cancel`: cancel one message."""

from __future__ import annotations

import click

from taskq.cli.options import channels_option, server_options
from taskq.cli.problems import NotThere
from taskq.cli.target import open_inspector
from taskq.handle.cancel import Cancelled

__all__ = ["command"]


@click.command("cancel", short_help="Cancel one message, even while it runs.")
@click.argument("message_id", metavar="ID")
@channels_option("Search this channel. May be given several times. Default: every known channel.")
@click.option("--kill", is_flag=True, help="Kill the process if the job is still running after three seconds.")
@click.option("--by", metavar="NAME", help="Name to record for the cancellation. Default: user@host.")
@server_options
def command(message_id: str, channels: tuple[str, ...], *, kill: bool, by: str | None, app: str | None, url: str | None) -> None:
    """Cancel the message ID. A waiting message never runs; a running job is interrupted and not retried.

    ID may be a unique prefix of an id, with at least eight digits.

    `taskq show ID` then shows who cancelled it and when, for a day (or as long as its result is stored).
    Exit code 1 if it is too late: the message has finished, or it doesn't exist.
    """
    inspector = open_inspector(app, url)
    done = inspector.cancel(message_id, channels=channels, kill=kill, by=by)
    if done.effect is Cancelled.TOO_LATE:
        looked = ", ".join(channels or inspector.channels())
        raise NotThere(
            f"message {message_id} can't be cancelled: not found in {looked} (it has finished, was deleted, or is in another channel)"
        )
    whole = "" if done.id == message_id.strip().lower() else f" {done.id}"
    if done.effect is Cancelled.NOW:
        click.echo(f"cancelled{whole} in {done.channel}: the job never runs")
    else:
        click.echo(f"cancellation{whole} requested in {done.channel}: the job is being interrupted")
