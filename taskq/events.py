"""Events that an application can listen to. They are blinker signals, with two differences.

A signal keeps its listeners alive, so a lambda or a method can listen. An exception in a listener is logged and has no other effect.

    @taskq.events.failed.connect
    def notify(event: JobEvent) -> None: ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import blinker
import msgspec

from taskq.channel import State
from taskq.context import Context
from taskq.errors import JobDefinitionError

__all__ = [
    "CrashEvent",
    "JobEvent",
    "ProcessEvent",
    "QueueLength",
    "Signal",
    "after",
    "before",
    "cancelled",
    "child_start",
    "child_stop",
    "crashed",
    "dropped",
    "emit",
    "failed",
    "parked",
    "queue_length",
    "requeued",
    "retry",
    "timeout",
    "worker_start",
    "worker_stop",
]

Listener = TypeVar("Listener", bound=Callable[[Any], object])


class JobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The event of a job: a run starts or ends.

    Attributes:
        context: the message; see `Context`.
        worker: the id of the worker process.
        seconds: the duration of the run.
        error: the exception that the job raised, if any.
        delay: the seconds until the next attempt (`retry`), or until the next run (`requeued`).
        reason: why the job was dropped, cancelled or interrupted, or why the message can't be run.
        ran: False if no run has ended: the message can't be run, or its last run ended with its process.
    """

    context: Context
    worker: str
    seconds: float = 0.0
    error: BaseException | None = None
    delay: float | None = None
    reason: str = ""
    ran: bool = True


class CrashEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The event of a run that ended with its process.

    Attributes:
        id: the id of the message.
        job: the name of the job.
        channel: the channel that the message was reserved from.
        attempt: the number of the attempt.
        worker: the id of the worker process.
        seconds: the duration of the run.
        reason: how the process ended, or why it was killed.
    """

    id: str
    job: str
    channel: str
    attempt: int
    worker: str
    seconds: float
    reason: str


class QueueLength(msgspec.Struct, frozen=True, kw_only=True):
    """The number of messages of a channel in each state.

    Attributes:
        channel: the name of the channel.
        counts: the number of messages by `State`.
    """

    channel: str
    counts: Mapping[State, int]


class ProcessEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The event of a process: a worker (supervisor and worker processes) or one worker process starts or stops.

    Attributes:
        worker: the id of the worker or of the worker process.
        pid: the process id.
        channels: the channels that it consumes.
    """

    worker: str
    pid: int
    channels: tuple[str, ...]


class Signal(blinker.Signal):
    """An event that listeners can connect to."""

    def __init__(self, doc: str) -> None:
        super().__init__(doc)

    if not TYPE_CHECKING:  # type checkers report the call as an error, since the method doesn't exist

        def __call__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
            """Refuse `@events.failed` without connect."""
            raise JobDefinitionError("an event is not a decorator: write @taskq.events.failed.connect")

    def connect(self, receiver: Listener, sender: Any = blinker.ANY, weak: bool = False) -> Listener:
        """Call `receiver(event)` on every event. Can be used as a decorator.

        Args:
            receiver: a function of one argument, the event.
            sender: not used by taskq.
            weak: True to hold only a weak reference to the receiver.

        Raises:
            JobDefinitionError: the receiver is a coroutine or generator function, so that calling it would run nothing;
                or it doesn't take the event.
        """
        if inspect.iscoroutinefunction(receiver) or inspect.isgeneratorfunction(receiver) or inspect.isasyncgenfunction(receiver):
            raise JobDefinitionError(
                f"{_name_of(receiver)} can't listen to an event: calling it would run nothing. Write a sync function; it may push a job"
            )
        _check_parameters(receiver)
        return super().connect(receiver, sender, weak)


before = Signal("A job is about to run. Emitted in the worker process, with a JobEvent.")
after = Signal("A job succeeded. Emitted in the worker process, with a JobEvent.")
retry = Signal("An attempt failed, and the job will be retried in `event.delay` seconds. Emitted in the worker process, with a JobEvent.")
failed = Signal("A job failed permanently: its message moves to `failed` or `timeout`. Emitted in the worker process, with a JobEvent.")
dropped = Signal("A job asked to be dropped: its message is removed. Emitted in the worker process, with a JobEvent.")
requeued = Signal(
    "A job asked to run again, or was interrupted at stop_timeout; no attempt used. Emitted in the worker process, with a JobEvent."
)
cancelled = Signal("A running job was cancelled. Emitted in the worker process, with a JobEvent.")
parked = Signal("A message was parked: its job is unknown, so nothing has run. Emitted in the worker process, with a JobEvent.")
timeout = Signal("A run was stopped at its handle_timeout; `retry` or `failed` follows. Emitted in the worker process, with a JobEvent.")
crashed = Signal("A run ended with its process, which crashed or was killed. Emitted in the worker's listener process, with a CrashEvent.")
queue_length = Signal(
    "The message counts of a channel, every 500 messages or 10 seconds. Emitted in the worker's listener process, with a QueueLength."
)
worker_start = Signal("A worker has started its worker processes. Emitted in the worker's listener process, with a ProcessEvent.")
worker_stop = Signal("A worker stops. Emitted in the worker's listener process, with a ProcessEvent.")
child_start = Signal("A worker process is ready for jobs. Emitted in that process, with a ProcessEvent.")
child_stop = Signal("A worker process shuts down gracefully. Emitted in that process, with a ProcessEvent.")

#: Signals that are emitted outside the worker processes, in a separate process.
WORKER_SIGNALS = {"crashed": crashed, "queue_length": queue_length, "worker_start": worker_start, "worker_stop": worker_stop}


def emit(signal: Signal, event: Any) -> None:
    """Call every listener. Log the exception of one that raises, and continue with the next."""
    if not signal.receivers:
        return
    for receiver in tuple(signal.receivers_for(event)):
        try:
            receiver(event)
        except BaseException:  # also sys.exit(): a listener must not end the process that runs the jobs
            import logging  # a slow import that most producers never need

            text = "event listener %s raised an exception (the job is not affected)"
            logging.getLogger("taskq.events").exception(text, _name_of(receiver))


def _name_of(listener: Any) -> str:
    """Return the module and name of a listener: its repr shows only an address."""
    named = listener if hasattr(listener, "__qualname__") else getattr(listener, "func", type(listener))
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', named)}"


def _check_parameters(listener: Any) -> None:
    try:
        signature = inspect.signature(listener)
    except Exception:  # it has none that can be read
        return
    try:
        signature.bind(object())
    except TypeError as error:
        raise JobDefinitionError(f"{_name_of(listener)} can't listen to an event: it must take one argument, the event: {error}") from None


if not TYPE_CHECKING:  # type checkers would accept every name

    def __getattr__(name: str) -> Any:
        text = ""
        if not name.startswith("_"):
            from taskq.other_queues.words import instead_of  # needed only for errors

            signals = sorted(key for key, value in globals().items() if isinstance(value, Signal))
            text = f": {instead_of('events', name) or 'the events are ' + ', '.join(signals)}"
        raise AttributeError(f"module 'taskq.events' has no attribute {name!r}{text}")
