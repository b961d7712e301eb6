"""Events: what applications can listen to. Signals of blinker, with two differences.

A listener is kept alive by its signal (a lambda or a method may listen), and a listener that raises is logged and harms nothing.

    @taskq.events.failed.connect
    def tell(event: JobEvent) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import blinker
import msgspec

from taskq.channel import State
from taskq.context import Context

__all__ = [
    "JobEvent",
    "ProcessEvent",
    "QueueLength",
    "Signal",
    "after",
    "before",
    "child_start",
    "child_stop",
    "emit",
    "failed",
    "queue_length",
    "retry",
    "timeout",
    "worker_start",
    "worker_stop",
]

Listener = TypeVar("Listener", bound=Callable[[Any], object])


class JobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to a message.

    `seconds` is how long the job ran; `error` what it raised; `delay` the seconds until the next run (retry only).
    """

    context: Context
    worker: str
    seconds: float = 0.0
    error: BaseException | None = None
    delay: float | None = None


class QueueLength(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages of a channel are in each state."""

    channel: str
    counts: Mapping[State, int]


class ProcessEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A worker (the supervisor and all its children) or one child starts or stops."""

    worker: str
    pid: int
    channels: tuple[str, ...]


class Signal(blinker.Signal):
    """A named list of listeners."""

    def __init__(self, doc: str) -> None:
        super().__init__(doc)

    def connect(self, receiver: Listener, sender: Any = blinker.ANY, weak: bool = False) -> Listener:
        """Call `receiver(event)` at every event. Usable as a decorator."""
        return super().connect(receiver, sender, weak)


before = Signal("A job is about to run. Emitted in the child, with a JobEvent.")
after = Signal("A job ended well (or chose to be dropped or requeued). Emitted in the child, with a JobEvent.")
retry = Signal("A run failed, and the job will run again. Emitted in the child, with a JobEvent.")
failed = Signal("A job failed for good. Emitted in the child, with a JobEvent.")
timeout = Signal("A run was ended by its handle_timeout. Emitted in the child, with a JobEvent.")
queue_length = Signal(
    "The lengths of a channel, every 500 messages or 10 seconds. Emitted in the worker's listener process, with a QueueLength."
)
worker_start = Signal("A worker has started its children. Emitted in the worker's listener process, with a ProcessEvent.")
worker_stop = Signal("A worker ends. Emitted in the worker's listener process, with a ProcessEvent.")
child_start = Signal("A child is ready for jobs. Emitted in that child, with a ProcessEvent.")
child_stop = Signal("A child ends in good order. Emitted in that child, with a ProcessEvent.")

#: Those that are emitted outside the children, in a process of their own.
WORKER_SIGNALS = {"queue_length": queue_length, "worker_start": worker_start, "worker_stop": worker_stop}


def emit(signal: Signal, event: Any) -> None:
    """Call every listener. What one raises is logged, and the next is called."""
    if not signal.receivers:
        return
    for receiver in tuple(signal.receivers_for(event)):
        try:
            receiver(event)
        except BaseException:  # also sys.exit(): a listener must not end the process that runs the jobs
            import logging  # a slow import that most producers never need

            logging.getLogger("taskq.events").exception("the listener %r of an event raised; the job isn't affected", receiver)
