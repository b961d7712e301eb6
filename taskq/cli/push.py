"""`taskq push`: push a call of a job."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from taskq.cli.options import server_options
from taskq.cli.target import open_queue
from taskq.config import did_you_mean
from taskq.errors import UnknownJob
from taskq.queue import Queue

__all__ = ["command"]


@click.command(
    "push",
    short_help="Push a call of a job.",
    # A negative number looks like an option: treat unknown options as arguments.
    context_settings={"ignore_unknown_options": True},
)
@click.argument("job", metavar="JOB")
@click.argument("args", nargs=-1, metavar="[ARGS]...", type=click.UNPROCESSED)
@click.option("--kwargs", metavar="JSON", help="""Arguments by name, as a JSON object: '{"subject": "hi"}'.""")
@click.option("--delay", type=float, default=0, metavar="SECONDS", help="Run the job after this many seconds.")
@click.option("--channel", metavar="NAME", help="Channel to push to. Default: the job's channel.")
@server_options
def command(
    job: str, args: tuple[str, ...], *, kwargs: str | None, delay: float, channel: str | None, app: str | None, url: str | None
) -> None:
    """Push a call of JOB and print the message's id.

    JOB is a name such as shop.jobs:send_email, or just send_email if that name is unique. Each of ARGS is JSON:

    \b
        taskq push send_email '"a@b.c"' --kwargs '{"subject": "hi"}' --delay 60
        taskq push add 2 3
    """  # noqa: D301 (click's sign for lines that stay as they are)
    values = [_argument(number, text) for number, text in enumerate(args, 1)]
    named = _named(kwargs)
    queue = open_queue(app, url)
    handle = queue.push_name(_full_name(queue, job), values, named, delay=delay, channel=channel)
    click.echo(handle.id)


def _argument(number: int, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        pass
    quoted = f"""'"{text}"'"""
    advice = f"Quote strings twice, for JSON and for the shell: {quoted}"
    if text.startswith("-"):
        advice = f"It isn't an option of push, either. {advice}"
    raise click.ClickException(f"argument {number} is not valid JSON: {text}\n{advice}")


def _named(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        named = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise click.ClickException(f"--kwargs is not valid JSON: {error}") from None
    if not isinstance(named, dict):
        raise click.ClickException("""--kwargs must be a JSON object, such as '{"subject": "hi"}'""")
    return named


def _full_name(queue: Queue, name: str) -> str:
    names = queue.jobs.names()
    if name in names:
        return name
    short = [full for full in names if full.rpartition(":")[2] == name]
    if len(short) == 1:
        return short[0]
    if short:
        raise UnknownJob(f"several jobs are named {name!r}: give the full name, {' or '.join(short)}")
    known = did_you_mean(name, [*names, *(full.rpartition(":")[2] for full in names)]) if names else "the app has no jobs"
    raise UnknownJob(f"unknown job {name!r}; {known}")
