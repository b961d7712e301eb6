"""`taskq list`: list the messages in a state."""

from __future__ import annotations

from itertools import chain, islice

import click

from taskq.channel import STATES, State
from taskq.cli.options import as_json, channel_argument, server_options, state_option
from taskq.cli.output import Column, print_json_list, print_table
from taskq.cli.problems import NotThere
from taskq.cli.target import open_inspector
from taskq.cli.words import count, duration
from taskq.config import did_you_mean
from taskq.inspector import NOT_VERIFIED, Entry

__all__ = ["command"]

#: The most characters of arguments and of an error; the width of the terminal may cut them further.
_CELL = 200


@click.command("list", short_help="List the messages in a state.")
@channel_argument(required=False)
@state_option(STATES, "Which messages.", State.FAILED)
@click.option("--job", metavar="NAME", help="Only messages of this job: shop.jobs:send_email, or send_email.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=20, show_default=True, metavar="N", help="Maximum number of messages. 0: no limit."
)
@as_json
@server_options
def command(channel: str | None, state: str, *, job: str | None, limit: int, as_json: bool, app: str | None, url: str | None) -> None:
    """List the messages of CHANNEL in one state, the oldest first. Delayed messages are listed by due time.

    CHANNEL may be omitted if there is only one.

    Arguments are shown without unpickling them, so listing never runs code. `taskq show ID` shows the whole message.
    """
    inspector = open_inspector(app, url)
    found = inspector.iter_entries(channel, state, job=job, limit=limit or None)
    first = list(islice(found, 1))
    if not first and job:
        _check_job(job, inspector.job_names())
    entries = chain(first, found)
    if as_json:
        print_json_list(entry.to_dict() for entry in entries)
        return
    if first:
        print_table(_columns(found.state), map(_row, entries))
    else:
        click.echo(f"no messages{f' of job {job}' if job else ''} in {state} of {found.channel}", err=True)
    if not found.is_complete:
        total = "" if job else f" of {count(found.total, 'message')}"
        click.echo(f"the first {limit}{total}; --limit 0 lists all", err=True)


def _check_job(wanted: str, names: list[str]) -> None:
    """Raise NotThere if the app has no such job. Call it only if no message was found: removed jobs may still have messages."""
    known = {*names, *(name.rpartition(":")[2] for name in names)}
    if names and wanted not in known:
        raise NotThere(f"unknown job {wanted!r}; {did_you_mean(wanted, known)}")


def _columns(state: State) -> list[Column]:
    when = "DUE IN" if state is State.DELAYED else "AGE"
    texts = [Column("JOB"), Column("ARGUMENTS"), Column("ERROR")]
    if state in (State.WAITING, State.DELAYED):
        texts.pop()
    if state is State.RESERVED:
        texts[2] = Column("WORKER")
    return [Column("ID", whole=True), Column("ATTEMPT", whole=True, right=True), Column(when, whole=True, right=True), *texts]


def _row(entry: Entry) -> list[str]:
    attempts = f"{entry.attempts}/{entry.max_attempts}" if entry.max_attempts else str(entry.attempts)
    when = duration(entry.due if entry.state is State.DELAYED else entry.age)
    job = f"{NOT_VERIFIED} " if entry.verified is False else ""
    row = [entry.id, attempts, when, job + (entry.job_text[:_CELL] or "(unreadable)"), entry.arguments(_CELL)]
    if entry.state is State.RESERVED:
        return [*row, entry.worker[:_CELL]]
    if entry.state in (State.WAITING, State.DELAYED):
        return row
    return [*row, (entry.error or entry.unreadable)[:_CELL]]
