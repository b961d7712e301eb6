"""Background jobs on Redis: decorate a function, push it now or later, and a forking worker runs it."""

from __future__ import annotations

from taskq import errors, events
from taskq.call import Call
from taskq.channel import Outcome, State
from taskq.context import Context, current
from taskq.errors import (
    AppError,
    ArgumentsError,
    ConfigError,
    DelayError,
    Drop,
    JobDefinitionError,
    JobTimeout,
    MessageTooLarge,
    PushError,
    PushOutcomeUnknown,
    QueueFull,
    Requeue,
    Retry,
    SerializationError,
    ServerError,
    ServerRefused,
    ServerTooOld,
    ServerUnavailable,
    TaskqError,
    UnknownChannel,
    UnknownJob,
)
from taskq.job import Job
from taskq.queue import Queue
from taskq.result import Handle
from taskq.retry import Backoff

__version__ = "0.1.0"

__all__ = [
    "AppError",
    "ArgumentsError",
    "Backoff",
    "Call",
    "ConfigError",
    "Context",
    "DelayError",
    "Drop",
    "Handle",
    "Job",
    "JobDefinitionError",
    "JobTimeout",
    "MessageTooLarge",
    "Outcome",
    "PushError",
    "PushOutcomeUnknown",
    "Queue",
    "QueueFull",
    "Requeue",
    "Retry",
    "SerializationError",
    "ServerError",
    "ServerRefused",
    "ServerTooOld",
    "ServerUnavailable",
    "State",
    "TaskqError",
    "UnknownChannel",
    "UnknownJob",
    "current",
    "errors",
    "events",
]
