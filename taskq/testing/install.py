"""Installs recording outboxes in queues, and removes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from taskq import queue as queue_module
from taskq.config import Settings
from taskq.jobs.hooks import queues
from taskq.push.outbox import Outbox
from taskq.queue import Queue
from taskq.testing.outbox import RecordingOutbox

__all__ = ["installed", "uninstall"]

Make = Callable[[Settings, Any], Outbox]


@contextmanager
def installed(chosen: Sequence[Queue], make: Make) -> Iterator[None]:
    """Install other outboxes for the block: in the chosen queues; without any, in all queues of the process, including new ones."""
    before = {queue: queue.outbox for queue in chosen or _all()}
    mine: list[Outbox] = []

    def make_mine(settings: Settings, owner: Any) -> Outbox:
        mine.append(outbox := make(settings, owner))
        return outbox

    outer: Make = getattr(queue_module, "Outbox")  # noqa: B009 (a type checker takes the name for a private class)
    for queue in before:
        queue.outbox = make_mine(queue.settings, queue)
    if not chosen:
        _use(make_mine)
    try:
        yield
    finally:
        if not chosen:
            _use(outer)
        for queue in _all():
            if queue.outbox in mine:
                queue.outbox = before.get(queue) or outer(queue.settings, queue)


def uninstall(url: str) -> None:
    """Give all recorded queues an ordinary outbox: in a forked worker, which uses the server at this URL."""
    _use(Outbox)
    for queue in _all():
        if isinstance(queue.outbox, RecordingOutbox):
            queue._configure(msgspec.structs.replace(queue.settings, url=url, wait_replicas=0))


def _all() -> list[Queue]:
    return [one for one in list(queues) if isinstance(one, Queue)]


def _use(make: Make) -> None:
    """Let new queues make their outboxes this way."""
    setattr(queue_module, "Outbox", make)  # noqa: B010 (the same)
