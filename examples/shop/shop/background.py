"""The queue, and the code around every job. The settings are in taskq.toml."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import taskq

queue = taskq.Queue()
log = logging.getLogger("shop")


@queue.around
def log_and_pass_on(context: taskq.Context) -> Iterator[None]:
    """Log each run with the id of the web request, and let the job's own pushes inherit the headers."""
    began = time.monotonic()
    with queue.headers(context.headers):
        yield
    log.info("%s of request %s took %.3f s", context.job, context.headers.get("request-id", "-"), time.monotonic() - began)
