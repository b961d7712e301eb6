"""`taskq server`: manage the embedded server."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from taskq.cli.options import as_json, debug_option
from taskq.cli.output import print_json, print_text
from taskq.cli.problems import MISSING
from taskq.cli.target import command_settings
from taskq.cli.words import duration, size
from taskq.config import mask_url
from taskq.driver.embedded.server import EmbeddedServer, ServerStatus

__all__ = ["command"]


class _Group(click.Group):
    """Explains how the server starts: taskq has no command for it."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"no command {args[0]!r}; valid are: {', '.join(self.commands)}. The first push or worker starts the server")
        return super().resolve_command(ctx, args)


@click.group("server", cls=_Group, short_help="Manage the embedded server.")
def command() -> None:
    """Manage the embedded server. taskq uses it if the settings have no `url` and the extra `embedded` is installed.

    It starts automatically when it is first needed, keeps its data in .taskq/ next to the settings file, and runs until it is stopped.
    """


@command.command("status", short_help="Show the server's status.")
@as_json
@debug_option
def status(as_json: bool) -> int:
    """Show the status of the embedded server: URL, process, uptime, memory. Never starts it. Exit code 1 if it is not running."""
    server, url = _find()
    found = server.status()
    if as_json:
        print_json(_data(found, url))
    else:
        print_text("\n".join(_lines(found, url)))
    return 0 if found.running else MISSING


@command.command("stop", short_help="Stop the server. Its data stays.")
@as_json
@debug_option
def stop(as_json: bool) -> int:
    """Stop the embedded server. Its data stays, and the next push or worker restarts it. Exit code 1 if it is not running."""
    server, url = _find()
    stopped = server.stop()
    if as_json:
        print_json({"stopped": stopped, "in_use": url is None, "directory": str(server.directory)})
    else:
        lines = ["stopped" if stopped else f"no embedded server is running in {server.directory}", *_not_in_use(url)]
        print_text("\n".join(lines))
    return 0 if stopped else MISSING


def _find() -> tuple[EmbeddedServer, str | None]:
    """Return the server of this project, and the URL of the settings, which replaces it if set."""
    settings = command_settings(None, None)
    return EmbeddedServer(settings.directory / ".taskq"), settings.url


def _not_in_use(url: str | None) -> list[str]:
    return [] if url is None else [f"the embedded server is not in use: the settings have url = {mask_url(url)}"]


def _data(status: ServerStatus, url: str | None) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(status, enc_hook=str)
    return {**data, "in_use": url is None}


def _lines(status: ServerStatus, url: str | None) -> list[str]:
    if not status.running:
        return [f"not running; data in {status.directory}", *_not_in_use(url)]
    facts = {
        "url": status.url,
        "process": status.pid,
        "version": f"Valkey {status.version}" if status.version else None,
        "running for": duration(status.uptime_seconds) if status.uptime_seconds is not None else None,
        "memory": size(status.used_memory_bytes) if status.used_memory_bytes is not None else None,
        "data": size(status.data_bytes) if status.data_bytes is not None else None,
        "clients": status.clients,
        "directory": status.directory,
        "log": status.log,
    }
    lines = [f"  {name + ':':<13}{value}" for name, value in facts.items() if value is not None]
    return ["loading its data" if status.loading else "running", *lines, *_not_in_use(url)]
