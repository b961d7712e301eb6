"""`taskq reload`: put failed, timed out or parked messages back to waiting."""

from __future__ import annotations

import re

import click

from taskq.channel import State
from taskq.cli.options import channel_argument, server_options, state_option
from taskq.cli.problems import NotThere
from taskq.cli.progress import progress_bar
from taskq.cli.target import open_inspector
from taskq.cli.words import count
from taskq.inspector import RELOADED

__all__ = ["command"]


@click.command("reload", short_help="Move failed, timed out or parked messages back to waiting.")
@channel_argument(required=False)
@state_option(RELOADED, "Which messages.", State.FAILED)
@click.option("--job", metavar="NAME", help="Only messages of this job: shop.jobs:send_email, or send_email.")
@click.option("--id", "message_id", metavar="ID", help="Only this message. A unique prefix of the id is enough.")
@server_options
def command(channel: str | None, state: str, *, job: str | None, message_id: str | None, app: str | None, url: str | None) -> None:
    """Move the failed (or timed out, or parked) messages of CHANNEL back to waiting. Their attempt counts are reset.

    CHANNEL may be omitted if there is only one.

    Messages that fail while the command runs are not included. Exit code 1 if --id or --job matches no message.
    """
    inspector = open_inspector(app, url)
    if channel and re.fullmatch("[0-9a-fA-F]{8,32}", channel) and channel not in inspector.channels():
        path = click.get_current_context().command_path
        raise click.UsageError(f"{channel} is the id of a message; expected its channel, as in: {path} default --id {channel}")
    channel = channel or inspector.only_channel()
    with progress_bar("reloading") as progress:
        moved = inspector.reload(channel, state, job=job, message_id=message_id, progress=progress)
    if not moved and (job or message_id):
        wanted = " and ".join([*([f"id {message_id}"] if message_id else []), *([f"job {job}"] if job else [])])
        raise NotThere(f"no message with {wanted} in {state} of {channel}")
    click.echo(f"{count(moved, 'message')} reloaded")
