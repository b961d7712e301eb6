"""A warning for callers that wait for a result in a channel that no worker consumes."""

from __future__ import annotations

from taskq.driver.contract import Driver
from taskq.driver.steps import Steps
from taskq.errors import ServerRefused
from taskq.handle.subject import Subject

__all__ = ["warn_without_worker"]

#: The lease of a worker whose id doesn't contain one: the default of the setting.
_LEASE = 15.0
#: The key prefixes of the channels with a warning since a worker was last seen there. One warning is enough for many callers.
_warned: set[str] = set()


def warn_without_worker(driver: Driver, subject: Subject) -> Steps[None]:
    """Log a warning if no worker consumes the channel of an awaited message."""
    from taskq.worker_id import lease_of  # imports hashlib, and few programs wait for this long

    try:
        reply = yield driver.workers()
        seconds, micros = yield driver.time()
    except ServerRefused:  # an ACL user of a program that only pushes may lack this permission
        return
    now, prefix = int(seconds) * 1000 + int(micros) / 1000, driver.keys.waiting
    for name, beat in zip(reply[::2], reply[1::2], strict=True):
        if now - float(beat) < max(_LEASE, lease_of(name.decode(errors="replace"))) * 1000:
            _warned.discard(prefix)
            return
    if prefix not in _warned:
        _warned.add(prefix)
        import logging  # a slow import that most producers never need

        text = "waiting for the result of message %s, but no worker consumes channel %s: start one (taskq worker)"
        logging.getLogger("taskq").warning(text, subject.id, subject.channel)
