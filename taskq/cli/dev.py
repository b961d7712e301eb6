"""`taskq dev`: run a worker during development."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from taskq.cli.options import debug_option, url_option, worker_arguments
from taskq.cli.problems import DEBUG, report
from taskq.cli.target import app_name, command_settings, given_app
from taskq.config import Settings
from taskq.driver.load import chosen_embedded
from taskq.errors import TaskqError
from taskq.extras import how_to_install

__all__ = ["command", "embedded_server"]


@click.command("dev", short_help="Run a worker that reloads changed code, and show each job.")
@worker_arguments
@url_option
@click.option(
    "--watch",
    "directories",
    multiple=True,
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Also watch this directory. May be given several times. Default: the project's directory.",
)
@click.option("--include", "patterns", multiple=True, metavar="PATTERN", help="Also watch files with matching names, such as '*.html'.")
@click.option("--poll", is_flag=True, help="Poll the files several times a second: for mounts that report no changes, as in containers.")
@click.option("--now", is_flag=True, help="At a reload, kill running jobs. They run again in the new code, and no attempt is used.")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
    help="Log level. Jobs are shown at INFO and DEBUG.",
)
@debug_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    app: str | None,
    named_app: str | None,
    *,
    modules: tuple[str, ...],
    directories: tuple[Path, ...],
    patterns: tuple[str, ...],
    **chosen: Any,
) -> int:
    """Run a worker for development, until Ctrl-C. When a Python file or a settings file changes, the worker loads the new code.

    APP names the Queue: shop.jobs:queue, or shop.jobs if the module has one queue. Default: the setting `app`.
    Each MODULE is also imported, for its jobs: shop.mail.jobs, or a pattern such as 'shop.*.jobs'. See also the setting `imports`.

    The log has a line when a job starts and when it ends, with a traceback if it failed. If the new code can't be imported, the error is
    shown, and the old code keeps running. Without a `url`, the embedded server runs as long as this command.
    """
    app = given_app(app, named_app)
    from taskq.tools.dev import Dev, Files, has_watchfiles

    settings = command_settings(app, chosen["url"], modules)
    poll = chosen.pop("poll") or not has_watchfiles()
    files = Files.below([settings.directory, *directories], patterns)
    worker = _Worker(app_name(settings), settings, debug=bool(ctx.meta.get(DEBUG)), **chosen)
    worker.show(f"watching {', '.join(map(str, files.roots))}{' (polling)' if poll else ''}; press Ctrl-C to stop")
    if not has_watchfiles():
        worker.show(f"to react sooner, {how_to_install('dev')}")
    with embedded_server(settings, worker.show):
        return Dev(worker.run, files, poll=poll, show=worker.show, on_settings=worker.check_settings).run()


class _Worker:
    """The worker to run, and its output."""

    def __init__(self, name: str, settings: Settings, *, url: str | None, now: bool, log_level: str, debug: bool, **options: Any) -> None:
        from rich.console import Console

        from taskq.supervisor import WorkerOptions
        from taskq.tools.dev import DevFormatter, show_jobs

        console = Console(stderr=True)
        self._colors = console.is_terminal and console.color_system is not None and not console.no_color
        self._name = name
        self._settings = settings
        self._debug = debug
        self._options = WorkerOptions(
            modules=settings.imports if settings.origins["imports"] == "command line" else (),
            url=settings.url if url else None,
            log_level=log_level.upper(),
            log_format=DevFormatter(colors=self._colors),
            reload="interrupt" if now else "at once",
            on_import=show_jobs,
            **options,
        )

    def run(self) -> int:
        """Run the worker, and report its error."""
        from taskq.supervisor import run_worker

        try:
            return run_worker(self._name, self._options)
        except (Exception, KeyboardInterrupt) as error:
            return report(error, debug=self._debug)

    def check_settings(self) -> None:
        """Show which changed settings a reload doesn't load."""
        try:
            settings = command_settings(None, None)
        except TaskqError:
            return  # the reload reports it
        for name in ("app", "url"):
            is_own = self._settings.origins[name] != "command line"
            if is_own and getattr(settings, name) != getattr(self._settings, name):
                self.show(f"setting {name} has changed: restart taskq dev to use it")

    def show(self, text: str) -> None:
        """Show a line of this command itself."""
        click.echo(click.style(f"taskq dev: {text}", fg="cyan") if self._colors else f"taskq dev: {text}", err=True, color=self._colors)


@contextmanager
def embedded_server(settings: Settings, show: Any) -> Iterator[None]:
    """Stop the embedded server after the block, unless it was already running or another program started it."""
    server = chosen_embedded(settings)
    if server is None:
        yield
        return
    was_running = server.status().running
    try:
        yield
    finally:
        if not was_running and server.stop():
            show("the embedded server is stopped; its data stays")
