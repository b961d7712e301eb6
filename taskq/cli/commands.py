"""The table of the commands, and the group that reads it: a command's file is imported when the command is used."""

from __future__ import annotations

import importlib
import io
import signal
import sys
from typing import Any, NamedTuple

import click

from taskq.cli.problems import DEBUG, report

__all__ = ["COMMANDS", "Listed", "main", "root"]


class Listed(NamedTuple):
    """One line of the table: the module whose `command` it is, and what `taskq --help` says of it."""

    module: str
    help: str


#: In the order in which `taskq --help` shows them.
COMMANDS = {
    "demo": Listed("taskq.cli.demo", "Count every file of a folder with jobs, and watch it."),
    "init": Listed("taskq.cli.init", "Write a settings file and a jobs module to begin with."),
    "worker": Listed("taskq.cli.worker", "Run jobs until told to stop, or until none are left."),
    "push": Listed("taskq.cli.push", "Push a call of a job."),
    "info": Listed("taskq.cli.info", "Show how many messages are where, and what the workers do."),
    "list": Listed("taskq.cli.list", "List the messages of a state."),
    "show": Listed("taskq.cli.show", "Show one message with its history."),
    "reload": Listed("taskq.cli.reload", "Put failed, timed out or parked messages back to waiting."),
    "flush": Listed("taskq.cli.flush", "Delete all messages of a state."),
    "delete": Listed("taskq.cli.delete", "Delete one message."),
    "cancel": Listed("taskq.cli.cancel", "Cancel one message, also while it runs."),
    "config": Listed("taskq.cli.config", "Show every setting and where its value comes from."),
    "server": Listed("taskq.cli.server", "Look after the embedded server."),
    "doctor": Listed("taskq.cli.doctor", "Check server, app and channels, and say what to change."),
    "bench": Listed("taskq.cli.bench", "Measure pushes, workers and delays of this setup."),
    "chaos": Listed("taskq.cli.chaos", "Kill workers and server at random moments, and show that no job is lost."),
    "completion": Listed("taskq.cli.completion", "Print the script that makes a shell complete taskq's commands."),
}


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
            from taskq.config import did_you_mean  # the settings' reader is slow to import, and `taskq --help` needs none

            ctx.fail(f"no command {name!r}; {did_you_mean(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.help) for name, listed in COMMANDS.items()])

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            told = error
            if isinstance(error, click.NoSuchOption) and error.option_name in ("--app", "--debug", "--url"):
                told = click.UsageError(f"{error.option_name} stands behind the command, as in: taskq info {error.option_name}")
            raise click.exceptions.Exit(report(told, debug=False)) from error
        except OSError as error:  # `taskq --help > /dev/full`
            raise click.exceptions.Exit(report(error, debug=False)) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            code = super().invoke(ctx)
            if sys.stdout is not None:  # None: who started this has closed it
                sys.stdout.flush()
        except click.exceptions.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            code = report(error, debug=bool(ctx.meta.get(DEBUG)))
        raise click.exceptions.Exit(code or 0)


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from taskq import __version__

        click.echo(f"taskq {__version__}")
        ctx.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version and exit.")
def root() -> None:
    """Background jobs on Redis: push calls of Python functions, now or later, and run them in workers.

    The settings come from taskq.toml or pyproject.toml, found from the working directory upwards, and from TASKQ_* variables;
    `taskq config` shows them. `taskq COMMAND --help` explains a command.
    """


def main() -> None:
    """Run the command line. Ends the process with the exit code."""
    if sys.argv[1:2] == ["worker"]:
        # They change the number of processes. Before there are any, and after, they would stop this one, as nobody expects.
        for number in (signal.SIGTTIN, signal.SIGTTOU):
            signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that can't show a letter shall get its number rather than an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    root(prog_name="taskq")
