"""The checks of an application: does it load, does it have jobs, and can it be forked safely?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from taskq.app import check_unpatched, count_threads
from taskq.doctor.finding import Finding, good, note, unusable
from taskq.errors import AppError, ConfigError
from taskq.jobs.builtin import CALL, OBJECT
from taskq.queue import Queue

__all__ = ["Loaded", "check_app", "load"]


class Loaded:
    """The outcome of loading the application."""

    def __init__(self, queue: Queue | None, error: Exception | None, threads: tuple[str, ...], native_threads: int = 0) -> None:
        self.queue = queue
        self.error = error
        #: Names of the threads that its import has started and that still live.
        self.threads = threads
        #: The number of threads that C libraries have started.
        self.native_threads = native_threads


def load(open_app: Callable[[], Queue]) -> Loaded:
    """Load the application, and list the threads that its import starts."""
    before, count = set(threading.enumerate()), count_threads()
    queue: Queue | None = None
    problem: Exception | None = None
    try:
        queue = open_app()
    except (AppError, ConfigError) as error:
        problem = error
    started = tuple(one.name for one in threading.enumerate() if one not in before)
    return Loaded(queue, problem, started, max(0, count_threads() - count - len(started)))


def check_app(loaded: Loaded) -> Iterator[Finding]:
    """Check the application that the settings or the command name."""
    if loaded.queue is None:
        yield unusable("app", "import", f"it can't be loaded: {loaded.error}", "no worker starts until it can be imported")
        return
    try:
        check_unpatched()
    except AppError as error:
        yield unusable("app", "patch", str(error), "no worker starts with it")
    yield from _jobs(loaded.queue)
    yield from _threads(loaded.threads, loaded.native_threads)
    yield from _signing(loaded.queue)


def _jobs(queue: Queue) -> Iterator[Finding]:
    count = sum(name not in (CALL, OBJECT) for name in queue.jobs.names())
    if count:
        yield good("app", "jobs", f"it loads, and has {count} job{'' if count == 1 else 's'}")
    else:
        yield note("app", "jobs", "it loads, but defines no jobs", "decorate a function with @queue.job, in a module that the app imports")


def _threads(names: tuple[str, ...], native: int) -> Iterator[Finding]:
    if not names and native:
        text = f"its import leaves {native} native thread{'' if native == 1 else 's'} running, which C libraries have started"
        yield note("app", "fork", text, "most of these libraries survive a fork; if jobs hang in one, import it in the job")
        return
    if not names:
        yield good("app", "fork", "its import leaves no thread running: it can be forked safely")
        return
    few = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    yield note(
        "app",
        "fork",
        f"its import leaves threads running: {few}",
        "forked workers don't have these threads, and a lock that one of them held at the fork stays locked forever: "
        "start them when a job first needs them",
    )


def _signing(queue: Queue) -> Iterator[Finding]:
    settings = queue.settings
    if settings.serializer == "pickle" and not settings.secrets and (settings.url or "").startswith(("redis", "valkey")):
        yield note(
            "app",
            "signing",
            "messages are pickled and not signed",
            'anyone who can write to the server can run code in the workers: set TASKQ_SECRET, or serializer = "json"',
        )
