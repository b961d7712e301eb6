"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

from taskq.channel import State
from taskq.cli.problems import DEBUG
from taskq.config import did_you_mean, load_settings, seconds_from
from taskq.errors import TaskqError

__all__ = [
    "Seconds",
    "as_json",
    "channel_argument",
    "channels_option",
    "chosen_of",
    "debug_option",
    "server_options",
    "state_option",
    "url_option",
    "worker_arguments",
]

F = TypeVar("F", bound=Callable[..., Any])


class Seconds(click.FloatRange):
    """A duration within bounds, in seconds: a number, or text such as "5m" or "1h30m"."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str):
            try:
                value = seconds_from(value)
            except ValueError as error:
                self.fail(f"{value!r} is {error}.", param, ctx)
        return super().convert(value, param, ctx)

    def _describe_range(self) -> str:
        # The base class would write "x<=None" into the help.
        return super()._describe_range() if self.min is not None or self.max is not None else ""


def chosen_of(option: str, text: str, known: Iterable[str], what: str) -> list[str]:
    """Return the comma-separated names in a text.

    Raises:
        UsageError: a name is missing or unknown.
    """
    names = list(known)
    chosen = [name.strip() for name in text.split(",") if name.strip()]
    if not chosen:
        raise click.UsageError(f"{option} must have at least one of {', '.join(names)}")
    for name in chosen:
        if name not in names:
            raise click.UsageError(f"{option}: no {what} {name!r}; {did_you_mean(name, names)}")
    return chosen


def _keep_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.meta[DEBUG] = value


def debug_option(command: F) -> F:
    """Add --debug. The group handles it; commands don't receive it."""
    return click.option(
        "--debug",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        envvar="TASKQ_DEBUG",
        callback=_keep_debug,
        help="Show the traceback of an error. Also: TASKQ_DEBUG=1.",
    )(command)


url_option = click.option("--url", metavar="URL", help="The server. Default: the setting `url`, or the embedded server.")


def server_options(command: F) -> F:
    """Add --app, --url and --debug."""
    command = url_option(debug_option(command))
    return click.option("--app", metavar="MODULE[:QUEUE]", help="The app, such as shop.jobs:queue. Default: the setting `app`.")(command)


def _complete_channel(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    try:
        return [name for name in sorted(load_settings().channels) if name.startswith(incomplete)]
    except TaskqError:
        return []


def channel_argument(*, required: bool = True) -> Callable[[F], F]:
    """Add the argument CHANNEL."""
    return click.argument("channel", required=required, shell_complete=_complete_channel)


def channels_option(text: str) -> Callable[[F], F]:
    """Add --channel, which may be given several times."""
    return click.option("--channel", "channels", multiple=True, metavar="NAME", help=text, shell_complete=_complete_channel)


def worker_arguments(command: F) -> F:
    """Add APP, MODULE, --app, --channel, --processes and --concurrency, for the commands that run a worker."""
    for add in (
        click.option(
            "--concurrency", type=click.IntRange(1, 1000), metavar="N", help="Concurrent jobs per process. Default: the channel's setting."
        ),
        click.option(
            "--processes", type=click.IntRange(min=1), metavar="N", help="Processes for each channel. Default: the channel's setting."
        ),
        channels_option("Consume this channel. May be given several times. Default: every channel of the settings and the jobs."),
        click.option("--app", "named_app", metavar="MODULE[:QUEUE]", help="The same as APP."),
        click.argument("modules", nargs=-1, metavar="[MODULE]..."),
        click.argument("app", required=False, metavar="[APP]"),
    ):
        command = add(command)
    return command


def state_option(states: Sequence[State], text: str, default: State | None = None) -> Callable[[F], F]:
    """Add --state with the states that a command accepts. Without a default the option is required."""
    choice = click.Choice([state.value for state in states])
    if default is None:  # an explicit default of None makes click 8.3 and later forget that the option is required
        return click.option("--state", type=choice, required=True, help=text)
    return click.option("--state", type=choice, default=default.value, show_default=True, help=text)


as_json = click.option("--json", "as_json", is_flag=True, help="Print a single JSON document.")
