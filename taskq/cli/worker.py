"""`taskq worker`: run jobs."""

from __future__ import annotations

from typing import Any

import click

from taskq.cli.options import Seconds, debug_option, url_option, worker_arguments
from taskq.cli.target import app_name, command_settings, given_app
from taskq.clock import MAX_DELAY
from taskq.errors import ConfigError

__all__ = ["command"]

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@click.command("worker", short_help="Start a worker.")
@worker_arguments
@click.option("--burst", is_flag=True, help="Exit when no message is waiting, running or due. Exit code 1 if a job failed.")
@click.option(
    "--wait-delayed",
    type=Seconds(0, MAX_DELAY),
    default=0.0,
    metavar="TIME",
    help="With --burst, also wait for delayed messages and retries that are due within TIME, such as 30s.",
)
@click.option("--max-messages", type=click.IntRange(min=0), metavar="N", help="Replace a process after N jobs. 0: never.")
@url_option
@click.option(
    "--log-level",
    type=click.Choice(_LEVELS, case_sensitive=False),
    default="INFO",
    show_default=True,
    envvar="TASKQ_LOG_LEVEL",
    help="Log level. DEBUG logs every job.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"], case_sensitive=False),
    default="text",
    show_default=True,
    envvar="TASKQ_LOG_FORMAT",
    help="Log format.",
)
@click.option(
    "--log-config",
    metavar="FILE",
    envvar="TASKQ_LOG_CONFIG",
    help="Use this logging configuration instead: a JSON or TOML file in the form of logging.config.dictConfig.",
)
@click.option("--keep-logging", is_flag=True, envvar="TASKQ_KEEP_LOGGING", help="Keep the log handlers and levels that the app sets up.")
@debug_option
def command(
    app: str | None, named_app: str | None, *, modules: tuple[str, ...], url: str | None, channels: tuple[str, ...], **chosen: Any
) -> int:
    """Start a worker. It runs jobs until Ctrl-C or SIGTERM; with --burst it exits when the queue is empty.

    APP names the Queue: shop.jobs:queue, or shop.jobs if the module has one queue. Default: the setting `app`.
    Each MODULE is also imported, for its jobs: shop.mail.jobs, or a pattern such as 'shop.*.jobs'. See also the setting `imports`.

    Ctrl-C shuts down gracefully: running jobs finish. A second Ctrl-C kills them; their messages stay in the queue.
    SIGHUP reloads the code (rolling restart). SIGTTIN and SIGTTOU start and stop one process.
    """
    app = given_app(app, named_app)
    if chosen["log_config"] and chosen["keep_logging"]:
        raise ConfigError("--log-config and --keep-logging can't be combined: give only one")
    from taskq.supervisor import WorkerOptions, run_worker

    settings = command_settings(app, url, modules)
    name = app_name(settings)
    chosen["log_level"] = chosen["log_level"].upper()
    chosen["log_config"] = chosen["log_config"] or None
    options = WorkerOptions(channels=channels, modules=settings.imports if modules else (), url=settings.url if url else None, **chosen)
    return run_worker(name, options)
