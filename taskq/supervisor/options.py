"""The options of a worker."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["WorkerOptions"]


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The choices of one `taskq worker`. They win over the settings.

    Args:
        channels: which to work; none: all that the application knows.
        processes: children for each channel.
        concurrency: jobs at once in one child.
        burst: end when nothing is left to do.
        max_messages: replace a process after this many jobs.
        url: the server.
        log_level: DEBUG, INFO, WARNING or ERROR; None leaves logging as the program has set it up.
        log_format: text for people, json for machines.
    """

    channels: tuple[str, ...] = ()
    processes: int | None = None
    concurrency: int | None = None
    burst: bool = False
    max_messages: int | None = None
    url: str | None = None
    log_level: str | None = "INFO"
    log_format: Literal["text", "json"] = "text"
