"""`taskq completion`: print a shell completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from taskq.cli.options import debug_option

__all__ = ["command"]


@click.command("completion", short_help="Print a shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@debug_option
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a shell completion script for taskq's commands, options and channels.

    \b
        bash:  taskq completion bash >> ~/.bashrc
        zsh:   taskq completion zsh >> ~/.zshrc
        fish:  taskq completion fish > ~/.config/fish/completions/taskq.fish
    """  # noqa: D301 (click's sign for lines that stay as they are)
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "taskq", "_TASKQ_COMPLETE").source())
