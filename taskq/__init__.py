"""Background jobs on Redis and Valkey: decorate a function, push it now or later, and worker processes run it.

Each public name is imported on first use, so `taskq --help`, or a program that only catches an error, doesn't load the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskq import errors, events, testing
    from taskq.channel import Outcome, State
    from taskq.context import Context, current, progress
    from taskq.errors import (
        AppError,
        ArgumentsError,
        ConfigError,
        DelayError,
        Drop,
        JobCancelled,
        JobDefinitionError,
        JobFailed,
        JobTimeout,
        MessageTooLarge,
        NoResult,
        PushError,
        PushOutcomeUnknown,
        QueueFull,
        Requeue,
        ResultCancelled,
        ResultError,
        ResultTimeout,
        Retry,
        SerializationError,
        ServerError,
        ServerRefused,
        ServerTooOld,
        ServerUnavailable,
        StreamRestarted,
        TaskqError,
        UnknownChannel,
        UnknownJob,
    )
    from taskq.handle.cancel import Cancelled
    from taskq.handle.handle import Handle
    from taskq.handle.status import Status
    from taskq.handle.stream import AsyncStream, Stream
    from taskq.inspector.inspector import Inspector
    from taskq.jobs.call import Call
    from taskq.jobs.hooks import state
    from taskq.jobs.job import Job
    from taskq.jobs.retry import Backoff
    from taskq.push.buffer import Buffer
    from taskq.push.view import Push
    from taskq.queue import Queue
    from taskq.wire.progress import Progress

__version__ = "0.1.0"

__all__ = [
    "AppError",
    "ArgumentsError",
    "AsyncStream",
    "Backoff",
    "Buffer",
    "Call",
    "Cancelled",
    "ConfigError",
    "Context",
    "DelayError",
    "Drop",
    "Handle",
    "Inspector",
    "Job",
    "JobCancelled",
    "JobDefinitionError",
    "JobFailed",
    "JobTimeout",
    "MessageTooLarge",
    "NoResult",
    "Outcome",
    "Progress",
    "Push",
    "PushError",
    "PushOutcomeUnknown",
    "Queue",
    "QueueFull",
    "Requeue",
    "ResultCancelled",
    "ResultError",
    "ResultTimeout",
    "Retry",
    "SerializationError",
    "ServerError",
    "ServerRefused",
    "ServerTooOld",
    "ServerUnavailable",
    "State",
    "Status",
    "Stream",
    "StreamRestarted",
    "TaskqError",
    "UnknownChannel",
    "UnknownJob",
    "current",
    "errors",
    "events",
    "progress",
    "state",
    "testing",
]

#: The modules of the public names, except the modules `errors`, `events` and `testing`. Names not listed here are in `errors`.
_HOMES = {
    "AsyncStream": "handle.stream",
    "Backoff": "jobs.retry",
    "Buffer": "push.buffer",
    "Call": "jobs.call",
    "Cancelled": "handle.cancel",
    "Context": "context",
    "Handle": "handle.handle",
    "Inspector": "inspector.inspector",
    "Job": "jobs.job",
    "Outcome": "channel",
    "Progress": "wire.progress",
    "Push": "push.view",
    "Queue": "queue",
    "State": "channel",
    "Status": "handle.status",
    "Stream": "handle.stream",
    "current": "context",
    "progress": "context",
    "state": "jobs.hooks",
}


#: Names of other queues. The list is explicit, because a valid `from taskq import clock` also looks up a missing name first.
_FOREIGN = frozenset(("AsyncResult", "Celery", "Huey", "RedisHuey", "Task", "actor", "chain", "chord", "cron", "crontab", "group", "job"))
_FOREIGN |= {"shared_task", "task"}


def _advice(name: str) -> str:
    if name not in _FOREIGN:
        return ""
    from taskq.other_queues.words import instead_of

    return f": {instead_of('module', name)}"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'taskq' has no attribute {name!r}{_advice(name)}")
    from importlib import import_module

    if name in ("errors", "events", "testing"):
        return import_module(f"taskq.{name}")
    try:
        module = import_module(f"taskq.{_HOMES.get(name, 'errors')}")
    except Exception as error:
        from taskq.shadowing import note_hidden

        note_hidden(error)
        raise
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
