"""An app whose import starts threads that never stop logging: every fork may find a lock held."""

from __future__ import annotations

import logging
import os
import threading
import time

from taskq import Queue
from tests.support.ledger import note

queue = Queue()
_log = logging.getLogger("chatter")


def _chatter() -> None:
    while True:
        for _ in range(50):
            _log.info("as always")
        time.sleep(0.001)


if os.environ.get("TEST_CHATTER"):  # in the worker, not in the test
    _log.addHandler(logging.StreamHandler(open("/dev/null", "w", encoding="utf-8")))  # noqa: SIM115
    _log.propagate = False
    _log.setLevel(logging.INFO)
    for _ in range(2):
        threading.Thread(target=_chatter, daemon=True).start()


@queue.job
def log_and_note(number: int) -> None:
    _log.info("in the job")
    note("ran", number)
