"""The table of commands, and the group that reads it. A command's file is imported when the command is used."""

from __future__ import annotations

import importlib
import io
import signal
import sys
from typing import Any, NamedTuple

import click

from taskq.cli.problems import DEBUG, report
from taskq.stdio.missing import open_missing

__all__ = ["ALIASES", "COMMANDS", "Listed", "main", "root"]


class Listed(NamedTuple):
    """One line of the table: the module that has the `command`, and its help line."""

    module: str
    help: str


#: In the order of `taskq --help`.
COMMANDS = {
    "demo": Listed("taskq.cli.demo", "Watch jobs count every file of a folder."),
    "init": Listed("taskq.cli.init", "Create a starter taskq.toml and jobs.py."),
    "worker": Listed("taskq.cli.worker", "Start a worker."),
    "dev": Listed("taskq.cli.dev", "Run a worker that reloads changed code, and show each job."),
    "push": Listed("taskq.cli.push", "Push a call of a job."),
    "info": Listed("taskq.cli.info", "Show message counts and worker activity."),
    "list": Listed("taskq.cli.list", "List the messages in a state."),
    "show": Listed("taskq.cli.show", "Show one message with its history."),
    "reload": Listed("taskq.cli.reload", "Move failed, timed out or parked messages back to waiting."),
    "retry": Listed("taskq.cli.reload", "The same as reload."),
    "flush": Listed("taskq.cli.flush", "Delete all messages of a state."),
    "delete": Listed("taskq.cli.delete", "Delete one message."),
    "cancel": Listed("taskq.cli.cancel", "Cancel one message, even while it runs."),
    "ping": Listed("taskq.cli.ping", "Check that a worker of this machine is alive, and its server answers."),
    "config": Listed("taskq.cli.config", "Show every setting and its source."),
    "server": Listed("taskq.cli.server", "Manage the embedded server."),
    "doctor": Listed("taskq.cli.doctor", "Check the server, the app and the channels, and advise."),
    "bench": Listed("taskq.cli.bench", "Benchmark pushes, workers and delays on this setup."),
    "chaos": Listed("taskq.cli.chaos", "Fault-injection test: kill workers and the server, check that no job is lost."),
    "completion": Listed("taskq.cli.completion", "Print a shell completion script."),
    "help": Listed("taskq.cli.help", "Show the help of a command."),
}

#: Second names of commands.
ALIASES = {"retry": "reload"}


class _Group(click.Group):
    """Loads commands from the table, and turns every error into a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        listed = COMMANDS.get(cmd_name)
        if listed is None:
            return None
        command: click.Command = importlib.import_module(listed.module).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            from taskq.config import did_you_mean  # slow to import, and not needed for `taskq --help`
            from taskq.other_queues.words import command_hint

            ctx.fail(f"no command {name!r}; {command_hint(name) or did_you_mean(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.help) for name, listed in COMMANDS.items()])

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            shown = error
            if isinstance(error, click.NoSuchOption) and error.option_name in ("--app", "--debug", "--url"):
                shown = click.UsageError(f"{error.option_name} must follow the command, as in: taskq info {error.option_name}")
            raise click.exceptions.Exit(report(shown, debug=False)) from error
        except OSError as error:  # `taskq --help > /dev/full`
            raise click.exceptions.Exit(report(error, debug=False)) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except click.exceptions.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, click.UsageError) and error.ctx is None and ctx.invoked_subcommand:  # an option without its value
                error.ctx = click.Context(self, info_name=ctx.invoked_subcommand, parent=ctx)
            code = report(error, debug=bool(ctx.meta.get(DEBUG)))
        raise click.exceptions.Exit(code or 0)


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from taskq import __version__

        click.echo(f"taskq {__version__}")
        ctx.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-V", "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version and exit."
)
def root() -> None:
    """Background jobs on Redis and Valkey: push calls of Python functions, now or later, and run them in workers.

    Settings come from taskq.toml or pyproject.toml, searched from the working directory upwards, and from TASKQ_* variables.
    `taskq config` shows them. `taskq help COMMAND` explains a command.
    """


def main() -> None:
    """Run the command line. Ends the process with the exit code."""
    open_missing()
    is_worker = sys.argv[1:2] in (["worker"], ["dev"])
    if is_worker:
        # These signals change the number of processes. Their default action, before and after, would stop this process.
        for number in (signal.SIGTTIN, signal.SIGTTOU):
            signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        # If a terminal can't show a character, print its number instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        root(prog_name="taskq")
    finally:
        if is_worker:
            # The worker has stopped. A repeated signal must not change the exit code while Python exits.
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
