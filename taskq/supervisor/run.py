"""Starts a worker: from the command line with the app's name, or from a program with its queue."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta

from taskq.app import check_unpatched
from taskq.clock import seconds_of
from taskq.config import notify_socket
from taskq.errors import ConfigError, DelayError
from taskq.logs import keep_enabled, set_up_logging
from taskq.queue import Queue
from taskq.scoreboard.state import LANE_LIMIT
from taskq.stdio.missing import open_missing
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.supervisor import Supervisor

__all__ = ["run_worker", "work"]


def run_worker(app: str | Queue, options: WorkerOptions) -> int:
    """Run a worker until it is asked to stop or, with `burst`, until the queue is empty.

    Args:
        app: "package.module:queue", or the queue itself.
        options: the options of the worker.

    Returns:
        The exit code: 0, or 1 with `burst` if a job failed permanently.

    Raises:
        AppError: the app can't be loaded, or gevent has patched the standard library.
        ConfigError, UnknownChannel: an option or a setting is wrong.
        ServerError: the server is unreachable, rejects a command, or is too old.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfigError("a worker must run in the main thread: it handles signals and forks")
    open_missing()
    check_unpatched()
    if options.log_level is not None:
        set_up_logging(options.log_level, options.log_format, options.log_config)
    else:
        keep_enabled()
    for name in ("processes", "concurrency", "max_messages"):
        count = getattr(options, name)
        if count is not None and type(count) is not int:
            raise ConfigError(f"{name} must be an integer; got {count!r}")
    if options.processes is not None and options.processes < 1:
        raise ConfigError(f"processes must be at least 1; got {options.processes}")
    if options.concurrency is not None and not 1 <= options.concurrency <= LANE_LIMIT:
        raise ConfigError(f"concurrency must be 1 to {LANE_LIMIT}; got {options.concurrency}: for more, raise `processes`")
    _checked_wait(options.wait_delayed, burst=options.burst)
    if options.max_messages is not None and options.max_messages < 0:
        raise ConfigError(f"max_messages must be 0 (no limit) or more; got {options.max_messages}")
    with notify_socket() as target:
        # A program that drains its queue continues afterwards, and reports its state itself.
        return Supervisor(app, options, None if options.burst and isinstance(app, Queue) else target).run()


def _checked_wait(wait: float | timedelta, *, burst: bool) -> float:
    """Return how many seconds a burst waits for delayed messages.

    Raises:
        ConfigError: it is not a delay, or the worker isn't in burst mode.
    """
    try:
        seconds = seconds_of(wait)
    except DelayError as error:
        raise ConfigError(f"wait_delayed must be a number of seconds from 0 to ten years, or a timedelta; got {wait!r}") from error
    if seconds and not burst:
        raise ConfigError("wait_delayed is only valid in burst mode (--burst): otherwise a worker waits for every delayed message")
    return seconds


def work(
    queue: Queue,
    *,
    burst: bool,
    wait_delayed: float | timedelta,
    channels: Sequence[str],
    processes: int | None,
    concurrency: int | None,
    max_messages: int | None,
) -> int:
    """Run a worker for a queue: the implementation of `Queue.work`."""
    if isinstance(channels, str):  # its characters would be read as names
        raise ConfigError(f'channels must be a list of names: channels=["{channels}"]')
    queue.outbox.check_work()
    options = WorkerOptions(
        channels=tuple(channels),
        burst=burst,
        wait_delayed=_checked_wait(wait_delayed, burst=burst),
        processes=processes,
        concurrency=concurrency,
        max_messages=max_messages,
        log_level=None,
    )
    queue.close()  # forked processes must not share connections
    return run_worker(queue, options)
