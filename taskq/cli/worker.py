"""`taskq worker`: run jobs."""

from __future__ import annotations

from typing import Any

import click

from taskq.cli.options import channels_option, debug_option
from taskq.cli.target import app_name, command_settings
from taskq.errors import ConfigError

__all__ = ["command"]

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@click.command("worker", short_help="Run jobs until told to stop, or until none are left.")
@click.argument("app", required=False, metavar="[APP]")
@click.option("--app", "named_app", metavar="MODULE[:QUEUE]", help="The same as APP.")
@channels_option("Work this channel. May be given several times. Default: every channel of the settings and the jobs.")
@click.option("--processes", type=click.IntRange(min=1), metavar="N", help="Processes for each channel. Default: as the settings say.")
@click.option("--concurrency", type=click.IntRange(1, 1000), metavar="N", help="Jobs at once in one process. Default: as the settings say.")
@click.option("--burst", is_flag=True, help="End when nothing is waiting, running or due; exit code 1 when a job failed.")
@click.option("--max-messages", type=click.IntRange(min=0), metavar="N", help="Replace a process after so many jobs. 0: never.")
@click.option("--url", metavar="URL", help="The server. Default: the setting `url`, else the embedded server.")
@click.option(
    "--log-level",
    type=click.Choice(_LEVELS, case_sensitive=False),
    default="INFO",
    show_default=True,
    envvar="TASKQ_LOG_LEVEL",
    help="What is logged: DEBUG has a line for each job.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"], case_sensitive=False),
    default="text",
    show_default=True,
    envvar="TASKQ_LOG_FORMAT",
    help="How it is logged.",
)
@debug_option
def command(app: str | None, named_app: str | None, *, url: str | None, channels: tuple[str, ...], **chosen: Any) -> int:
    """Run jobs until told to stop (Ctrl-C or SIGTERM), or, with --burst, until none are left.

    APP says where the Queue is: shop.jobs:queue, or shop.jobs when the module holds one queue. Default: the setting `app`.

    A first Ctrl-C lets running jobs end, a second stops them at once; nothing is lost. SIGHUP loads new code, SIGTTIN and
    SIGTTOU start and stop one process.
    """
    if app and named_app and app != named_app:
        raise ConfigError(f"two apps are named, {app!r} and {named_app!r}: name one")
    from taskq.supervisor import WorkerOptions, run_worker

    settings = command_settings(app or named_app, url)
    name = app_name(settings)
    chosen["log_level"] = chosen["log_level"].upper()
    options = WorkerOptions(channels=channels, url=settings.url if url else None, **chosen)
    return run_worker(name, options)
