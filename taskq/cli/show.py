"""`taskq show`: show one message in full."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import cast

import click

from taskq.channel import State
from taskq.cli.options import as_json, channels_option, server_options
from taskq.cli.output import print_json, print_text
from taskq.cli.problems import NotThere
from taskq.cli.progress import progress_bar
from taskq.cli.target import open_inspector
from taskq.cli.words import count, duration, moment, progress_text, size
from taskq.errors import ArgumentsError
from taskq.inspector import NOT_VERIFIED, Entry, Inspector
from taskq.inspector.render import call_text
from taskq.wire.history import Record
from taskq.wire.message import check_message_id

__all__ = ["command"]

#: The most characters of an argument on the screen; --json prints it in full.
_ARGUMENTS = 20_000


@click.command("show", short_help="Show one message with its history.")
@click.argument("message_id", metavar="ID")
@channels_option("Search this channel. May be given several times. Default: every known channel.")
@as_json
@server_options
def command(message_id: str, channels: tuple[str, ...], *, as_json: bool, app: str | None, url: str | None) -> None:
    """Show the message ID: its state, its arguments, and the history of its attempts with tracebacks.

    ID may be a unique prefix of an id, with at least eight digits.

    If the message has finished and its result is stored, also show how and when it finished.
    Exit code 1 if the message is unknown: it was never pushed, was deleted, or finished without a stored result.
    """
    inspector = open_inspector(app, url)
    with progress_bar("looking") as progress:
        whole = inspector.resolve(message_id, channels=channels)
        entry = inspector.find(whole, channels=channels, progress=progress) if whole else None
    if entry is None:
        _show_ending(inspector, whole or message_id, channels, as_json=as_json)
    elif as_json:
        print_json(entry.to_dict())
    else:
        print_text("\n".join([*_facts(entry), *_progress(inspector, entry), *_history(entry)]))


def _show_ending(inspector: Inspector, message_id: str, channels: Sequence[str], *, as_json: bool) -> None:
    """Show the final state of a message that has finished, if it is stored."""
    found = inspector.status(message_id, channels=channels) if _is_id(message_id) else None
    if found is None:
        looked = ", ".join(channels or inspector.channels())
        raise NotThere(f"message {message_id} not found in {looked}: it has finished, was deleted, or is in another channel")
    if as_json:
        print_json(found.to_dict())
        return
    status = found.status
    facts = {
        "id": found.id,
        "channel": found.channel,
        "state": status.state,
        "by": status.by,
        "at": moment(status.ended_at.timestamp() * 1000) if status.ended_at else "",
        "attempt": str(status.attempt) if status.attempt else "",
        "error": status.error,
        "progress": progress_text(status.progress),
    }
    print_text("\n".join(f"{name + ':':<12} {_indented(value)}" for name, value in facts.items() if value))


def _progress(inspector: Inspector, entry: Entry) -> list[str]:
    if entry.state is not State.RESERVED or not _is_id(entry.id):
        return []
    found = inspector.status(entry.id, channels=[entry.channel])
    text = progress_text(found.status.progress) if found else ""
    return [f"{'progress:':<12} {text}"] if text else []


def _is_id(text: str) -> bool:
    """False of the name of bytes that another client has pushed: they have no id yet, and so no result."""
    try:
        check_message_id(text)
    except ArgumentsError:
        return False
    return True


def _facts(entry: Entry) -> list[str]:
    attempts = f"{entry.attempts} of {entry.max_attempts}" if entry.max_attempts else str(entry.attempts)
    facts = {
        "id": entry.id,
        "job": entry.job_text or "(unreadable)",
        "channel": entry.channel,
        "state": _state(entry),
        "arguments": entry.arguments(_ARGUMENTS) or "(none)",
        "headers": call_text((), entry.headers, _ARGUMENTS),
        "unreadable": entry.unreadable,
        "failed runs": attempts,
        "crashes": str(entry.crashes) if entry.crashes else "",
        "pushed": moment(entry.pushed_at_ms) if entry.pushed_at_ms is not None else "",
        "error": entry.error,
        "verified": _verified(entry),
        "size": f"{size(entry.size)}{', signed' if entry.is_signed else ''}{', pushed by another client' if entry.is_foreign else ''}",
    }
    return [f"{name + ':':<12} {_indented(value)}" for name, value in facts.items() if value]


def _state(entry: Entry) -> str:
    if entry.state is State.RESERVED:
        return f"reserved by worker {entry.worker}"
    if entry.state is State.DELAYED:
        return f"delayed, due in {duration(entry.due)}"
    return f"{entry.state.value}, for {duration(entry.age)}" if entry.age is not None else entry.state.value


def _history(entry: Entry) -> list[str]:
    if not entry.history:
        return []
    lines = ["", f"history ({count(len(entry.history), 'record')}):"]
    for record, sure in zip_longest(entry.history, entry.verified_records, fillvalue=True):
        lines += _record(cast("Record", record), "" if sure else f" {NOT_VERIFIED}")
    return lines


def _verified(entry: Entry) -> str:
    if entry.verified is None:
        return ""
    return "yes: the signature is valid" if entry.verified else "NO: not signed with this program's secret (TASKQ_SECRET)"


def _record(record: Record, mark: str) -> list[str]:
    what = f"{record.kind}, attempt {record.attempt}, worker {record.worker}{mark}"
    trace = [f"      {line}" for line in record.traceback.splitlines()]
    return [f"  {moment(record.at_ms)}  {what}", f"    {_indented(record.error, 4)}", *trace]


def _indented(text: str, width: int = 13) -> str:
    return text.replace("\n", "\n" + " " * width)
