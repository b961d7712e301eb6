"""`taskq delete`: delete one message."""

from __future__ import annotations

import click

from taskq.cli.options import channels_option, server_options
from taskq.cli.problems import NotThere
from taskq.cli.progress import progress_bar
from taskq.cli.target import open_inspector

__all__ = ["command"]


@click.command("delete", short_help="Delete one message.")
@click.argument("message_id", metavar="ID")
@channels_option("Look in this channel. May be given several times. Default: every known one.")
@server_options
def command(message_id: str, channels: tuple[str, ...], *, app: str | None, url: str | None) -> None:
    """Delete the message ID for good, whatever state it is in; only one that a worker has reserved can't be deleted.

    Exit code 1 when there is no such message.
    """
    inspector = open_inspector(app, url)
    with progress_bar("looking") as progress:
        entry = inspector.delete(message_id, channels=channels, progress=progress)
    if entry is None:
        looked = ", ".join(channels or inspector.channels())
        raise NotThere(f"no message {message_id} in {looked}: it is done, was deleted, or is in another channel")
    click.echo(f"deleted from {entry.state.value} of {entry.channel}")
