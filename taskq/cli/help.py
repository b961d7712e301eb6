"""`taskq help`: show the help of a command."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("help", short_help="Show the help of a command.")
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Show the help of COMMAND, as `taskq COMMAND --help` does, or the list of commands.

    For a subcommand, give both names: taskq help server stop
    """
    shown = ctx.find_root()
    for name in names:
        if not isinstance(shown.command, click.Group):
            raise click.UsageError(f"{shown.command_path} has no commands: try 'taskq help {' '.join(names[: names.index(name)])}'")
        _, found, _ = shown.command.resolve_command(shown, [name])
        if found is None:  # pragma: no cover (a group fails instead)
            return
        shown = click.Context(found, info_name=name, parent=shown)
    click.echo(shown.get_help())
