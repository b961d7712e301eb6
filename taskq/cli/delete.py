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
@channels_option("Search this channel. May be given several times. Default: every known channel.")
@server_options
def command(message_id: str, channels: tuple[str, ...], *, app: str | None, url: str | None) -> None:
    """Delete the message ID permanently, in any state except `reserved`.

    ID may be a unique prefix of an id, with at least eight digits.

    Exit code 1 if the message doesn't exist.
    """
    inspector = open_inspector(app, url)
    with progress_bar("looking") as progress:
        entry = inspector.delete(message_id, channels=channels, progress=progress)
    if entry is None:
        looked = ", ".join(channels or inspector.channels())
        raise NotThere(f"message {message_id} not found in {looked}: it has finished, was deleted, or is in another channel")
    whole = "" if entry.id == message_id.strip().lower() else f" {entry.id}"
    click.echo(f"deleted{whole} from {entry.state.value} of {entry.channel}")
