"""The options of a worker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

import msgspec

__all__ = ["WorkerOptions"]


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one worker. They override the settings.

    Args:
        channels: the channels to consume. Default: all that the app defines.
        modules: modules and patterns to import with the app, before those of the setting `imports`.
        processes: worker processes per channel.
        concurrency: concurrent jobs per process.
        burst: exit when the queue is empty.
        wait_delayed: with `burst`, also wait for delayed messages that are due within this number of seconds.
        max_messages: replace a process after this many jobs. 0: never.
        url: the URL of the server.
        log_level: DEBUG, INFO, WARNING or ERROR; None keeps the logging set-up of the program.
        log_format: "text", "json" for one JSON object per line, or a formatter.
        log_config: a file with a logging configuration to use instead, as in `logging.config.dictConfig`.
        keep_logging: keep the logging set-up of the app in the processes that import it.
        reload: at SIGHUP, replace worker processes a few at a time, all at once, or at once with their running jobs killed, which then run
            again.
        on_import: called in the zygote when the app is imported.
    """

    channels: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    processes: int | None = None
    concurrency: int | None = None
    burst: bool = False
    wait_delayed: float = 0.0
    max_messages: int | None = None
    url: str | None = None
    log_level: str | None = "INFO"
    log_format: Literal["text", "json"] | logging.Formatter = "text"
    log_config: str | None = None
    keep_logging: bool = False
    reload: Literal["rolling", "at once", "interrupt"] = "rolling"
    on_import: Callable[[], object] | None = None
