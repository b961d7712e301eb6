"""An app whose fork hook waits for a thread that logs, as the exporters of some tracing libraries do."""

from __future__ import annotations

import logging
import os
import threading

from taskq import Queue
from tests.support.ledger import note

queue = Queue()
_log = logging.getLogger("exporter")
_asked, _logged = threading.Event(), threading.Event()
_owner = os.getpid()


def _export() -> None:
    while True:
        _asked.wait()
        _asked.clear()
        _log.warning("exported before the fork")
        _logged.set()


def _before() -> None:
    if os.getpid() == _owner:  # a worker process doesn't have the thread
        _logged.clear()
        _asked.set()
        _logged.wait()


if os.environ.get("TEST_FORK_HOOK"):  # in the worker, not in the test
    threading.Thread(target=_export, daemon=True).start()
    os.register_at_fork(before=_before)


@queue.job
def where() -> None:
    note("ran", os.getpid())
