"""The log lines at the start of a worker."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import setproctitle

from taskq.config import mask_url
from taskq.doctor.leftovers import Leftovers, joined
from taskq.logs import count_of
from taskq.supervisor.plan import Plan
from taskq.supervisor.processes.zygote import AppInfo

__all__ = ["log_banner", "show_title"]

_log = logging.getLogger("taskq.supervisor")
_NAMES_SHOWN = 20


def show_title(channels: Iterable[str]) -> None:
    """Name the channels of the supervisor in `ps`."""
    setproctitle.setproctitle(f"taskq: supervisor of {', '.join(channels)}")


def log_banner(plan: Plan, app: AppInfo | None, foreign_threads: int = 0) -> None:
    """Log the server, channels and jobs, and warn of settings that lose messages and of threads that a fork would break."""
    _log.info("taskq worker on %s at %s", plan.server, mask_url(plan.url))
    if plan.eviction:
        _log.warning("maxmemory-policy %s: a full server drops keys, and jobs with them: set noeviction", plan.eviction)
    if plan.unfenced:
        grants = " ".join(f"+{name}" for name in plan.unfenced)
        text = "this user can't close a broken connection: a delayed command may make a job run twice. Grant it %s"
        _log.warning(text, grants)
    for name, settings in plan.channels.items():
        count = plan.processes[name]
        _log.info(
            "channel %s: %s, keys {%s}, %d attempts, retry after %s s, event loop %s",
            *(name, count_of(count, "process"), settings.channel, settings.max_attempts, settings.retry_seconds, settings.loop),
        )
    names = sorted(plan.jobs)
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    if names:
        _log.info("%s: %s%s", count_of(len(names), "job"), ", ".join(names[:_NAMES_SHOWN]), more)
    else:
        _log.warning("the app defines no jobs: decorate a function with @queue.job, in a module that the app imports")
    if foreign_threads:
        _log.warning(
            "the program that started this worker (such as ddtrace-run) runs %s in it. Worker processes have them only if that program "
            "starts them again after a fork; otherwise, start tracing in a listener of taskq.events.child_start",
            count_of(foreign_threads, "thread"),
        )
    if app is not None:
        _warn_of_leftovers(app.left)


def _warn_of_leftovers(left: Leftovers) -> None:
    if left.threads:
        _log.warning(
            "importing the app started %s (%s). Forked worker processes don't have them, and locks that they hold stay locked: "
            "start threads when a job first needs them",
            *(count_of(len(left.threads), "thread"), joined(left.threads)),
        )
    if left.native:
        _log.warning(
            "importing the app started %s of C libraries (%s). Forked worker processes don't have them: if jobs hang in such a library, "
            "import it in the job",
            *(count_of(len(left.native), "thread"), joined(left.native)),
        )
    if left.connections:
        _log.warning(
            "importing the app opened %s (%s). Forked worker processes share them, and may read each other's replies: "
            "open connections in a function of @queue.on_start",
            *(count_of(len(left.connections), "connection"), joined(left.connections)),
        )
