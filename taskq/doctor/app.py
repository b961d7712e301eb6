"""The checks of an application: does it load, does it have jobs, and can it be forked safely?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from taskq.app import check_unpatched
from taskq.doctor.finding import Finding, good, note, unusable
from taskq.doctor.leftovers import Leftovers, Survey, joined
from taskq.errors import AppError, ConfigError
from taskq.jobs.builtin import CALL, OBJECT
from taskq.logs import count_of
from taskq.queue import Queue

__all__ = ["Loaded", "check_app", "load"]


class Loaded:
    """The outcome of loading the application."""

    def __init__(self, queue: Queue | None, error: Exception | None, left: Leftovers | None) -> None:
        self.queue = queue
        self.error = error
        #: Threads and connections that its import has left; None if they are unknown.
        self.left = left


def load(open_app: Callable[[], Queue]) -> Loaded:
    """Load the application, and list the threads and connections that its import leaves."""
    survey = Survey()
    queue: Queue | None = None
    problem: Exception | None = None
    try:
        queue = open_app()
        queue.close()
    except (AppError, ConfigError) as error:
        problem = error
    return Loaded(queue, problem, survey.leftovers())


def check_app(loaded: Loaded) -> Iterator[Finding]:
    """Check the application that the settings or the command name."""
    if loaded.queue is None:
        has_pushed = isinstance(loaded.error, AppError) and isinstance(loaded.error.__cause__, AppError)
        advice = "a worker repeats these pushes at each start" if has_pushed else "no worker starts until it can be imported"
        yield unusable("app", "import", f"it can't be loaded: {loaded.error}", advice)
        return
    try:
        check_unpatched()
    except AppError as error:
        yield unusable("app", "patch", str(error), "no worker starts with it")
    yield from _jobs(loaded.queue)
    if loaded.left is not None:
        yield from _fork(loaded.left)
    yield from _signing(loaded.queue)


def _jobs(queue: Queue) -> Iterator[Finding]:
    count = sum(name not in (CALL, OBJECT) for name in queue.jobs.names())
    if count:
        yield good("app", "jobs", f"it loads, and has {count} job{'' if count == 1 else 's'}")
    else:
        yield note("app", "jobs", "it loads, but defines no jobs", "decorate a function with @queue.job, in a module that the app imports")


def _fork(left: Leftovers) -> Iterator[Finding]:
    if left.connections:
        yield note(
            "app",
            "connections",
            f"its import leaves {count_of(len(left.connections), 'connection')} open: {joined(left.connections)}",
            "forked processes share them, and may read each other's replies: open connections in a function of @queue.on_start",
        )
    if left.threads:
        yield note(
            "app",
            "fork",
            f"its import leaves threads running: {joined(left.threads)}",
            "forked processes don't have these threads, and a lock that one of them held at the fork stays locked forever: "
            "start them when a job first needs them",
        )
    elif left.native:
        count = count_of(len(left.native), "native thread")
        text = f"its import leaves {count} running, which C libraries have started: {joined(left.native)}"
        yield note("app", "fork", text, "most of these libraries survive a fork; if jobs hang in one, import it in the job")
    elif not left.connections:
        yield good("app", "fork", "its import leaves no thread running and no connection open: it can be forked safely")


def _signing(queue: Queue) -> Iterator[Finding]:
    settings = queue.settings
    if settings.serializer == "pickle" and not settings.secrets and (settings.url or "").startswith(("redis", "valkey")):
        yield note(
            "app",
            "signing",
            "messages are pickled and not signed",
            'anyone who can write to the server can run code in the workers: set TASKQ_SECRET, or serializer = "json"',
        )
