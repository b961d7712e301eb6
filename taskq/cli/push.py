"""`taskq push`: push a call of a job."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import click
import msgspec

from taskq.cli.mistakes import no_option
from taskq.cli.options import Seconds, server_options
from taskq.cli.target import open_queue
from taskq.config import did_you_mean
from taskq.errors import UnknownJob
from taskq.handle.handle import Handle
from taskq.jobs.options import PushChoices
from taskq.push.hooks import is_async
from taskq.queue import Queue

__all__ = ["command"]

#: Python literals that JSON spells differently.
_PYTHON = {"True": "true", "False": "false", "None": "null"}
_KWARGS = """'{"subject": "hi"}'"""


@click.command(
    "push",
    short_help="Push a call of a job.",
    # A negative number looks like an option: treat unknown options as arguments.
    context_settings={"ignore_unknown_options": True},
)
@click.argument("job", metavar="JOB")
@click.argument("args", nargs=-1, metavar="[ARGS]...", type=click.UNPROCESSED)
@click.option("--kwargs", metavar="JSON", help="""Arguments by name, as a JSON object: '{"subject": "hi"}'.""")
@click.option("--delay", type=Seconds(), default=0, metavar="TIME", help="Run the job later: after 30s, 5m, 1h30m, or seconds.")
@click.option("--channel", metavar="NAME", help="Channel to push to. Default: the job's channel.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="Add a header to the message. May be given several times.")
@server_options
def command(
    job: str,
    args: tuple[str, ...],
    *,
    kwargs: str | None,
    delay: float,
    channel: str | None,
    headers: tuple[str, ...],
    app: str | None,
    url: str | None,
) -> None:
    """Push a call of JOB and print the message's id.

    JOB is a name such as shop.jobs:send_email, or just send_email if that name is unique. Each of ARGS is JSON:

    \b
        taskq push send_email '"a@b.c"' --kwargs '{"subject": "hi"}' --delay 1m
        taskq push add 2 3
    """  # noqa: D301 (click's sign for lines that stay as they are)
    values = [_argument(number, text) for number, text in enumerate(args, 1)]
    named = _named(kwargs)
    own = _headers(headers) or None
    queue = open_queue(app, url)
    options: PushChoices = {"delay": delay, "channel": channel, "headers": own}
    click.echo(_push(queue, _full_name(queue, job), values, named, options).id)


def _push(queue: Queue, name: str, args: list[Any], kwargs: dict[str, Any], options: PushChoices) -> Handle[Any]:
    if not is_async(queue):
        return queue.push_name(name, args, kwargs, **options)
    import asyncio  # a slow import that only async push hooks need

    async def apush() -> Handle[Any]:
        try:
            return await queue.apush_name(name, args, kwargs, **options)
        finally:
            await queue.aclose()

    return asyncio.run(apush())


def _argument(number: int, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        pass
    if text.startswith("-"):
        known = no_option(text, click.get_current_context())
        advice = f"Arguments of the job by name: --kwargs {_KWARGS}; a string that begins with a dash: {_quoted(text)}"
        raise click.UsageError(f"{known}\n{advice}")
    name, equals, value = text.partition("=")
    advice = f"Quote strings twice, for JSON and for the shell: {_quoted(text)}"
    if text in _PYTHON:
        advice = f"Write {_PYTHON[text]}, without quotes"
    elif equals and name.isidentifier():
        advice = f"Pass an argument by name with --kwargs {_quoted({name: _value(value)})}"
    raise click.ClickException(f"argument {number} is not valid JSON: {text}\n{advice}")


def _quoted(value: Any) -> str:
    """Return a value in JSON, for the shell. Quotes around a string are those of a command with too few of them."""
    return shlex.quote(msgspec.json.encode(value.strip("'\"") if isinstance(value, str) else value).decode())


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _named(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        named = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise click.ClickException(f"--kwargs is not valid JSON: {error}. It must be an object, such as {_KWARGS}") from None
    if not isinstance(named, dict):
        raise click.ClickException(f"--kwargs must be a JSON object, such as {_KWARGS}")
    return named


def _headers(texts: tuple[str, ...]) -> dict[str, str]:
    headers = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.ClickException(f"--header must be NAME=VALUE, such as --header tenant=acme; got {text}")
        headers[name] = value
    return headers


def _full_name(queue: Queue, name: str) -> str:
    names = [*queue.jobs.names(), *queue.jobs.aliases()]
    if name in names:
        return name
    short = [full for full in names if full.rpartition(":")[2] == name]
    if len(short) == 1:
        return short[0]
    if short:
        raise UnknownJob(f"several jobs are named {name!r}: give the full name, {' or '.join(short)}")
    known = did_you_mean(name, [*names, *(full.rpartition(":")[2] for full in names)]) if names else "the app has no jobs"
    module = name.rpartition(":")[0]
    if (module and module not in sys.modules) or not names:
        known += f"{'' if known.endswith('?') else '.'} If {module or 'a module'} has it, add that module to the setting `imports`"
    raise UnknownJob(f"unknown job {name!r}; {known}")
