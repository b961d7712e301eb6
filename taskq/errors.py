"""Every exception that taskq raises, in one tree.

    TaskqError
    ├── ConfigError                 a setting is unknown, of a wrong type, or out of bounds
    ├── AppError                    the app named on the command line can't be loaded
    ├── JobDefinitionError          a decorator was used in a way that can't work
    ├── PushError                   a push was rejected; nothing was stored
    │   ├── ArgumentsError          the arguments don't fit the job's signature (also a TypeError)
    │   ├── DelayError              the delay is negative, not finite, or too long (also a ValueError)
    │   ├── SerializationError      an argument can't be serialized
    │   ├── MessageTooLarge         the message is over the size limit
    │   ├── UnknownJob              no job of that name is registered, or no worker can import it
    │   ├── UnknownChannel          no channel of that name is configured
    │   └── QueueFull               the server has no memory left (maxmemory)
    ├── PushOutcomeUnknown          the connection broke, or replicas did not confirm: the push may or may not be stored
    ├── MessageError                stored bytes can't be decoded to a call
    │   ├── MalformedMessage        the bytes are not a valid message
    │   ├── UnsupportedVersion      the message was written by a newer taskq
    │   └── SignatureError          the signature is missing or wrong
    ├── ResultError                 a result isn't available
    │   ├── JobFailed               the job failed permanently
    │   ├── ResultCancelled         the job was cancelled
    │   ├── ResultTimeout           the result isn't available yet (also a TimeoutError)
    │   ├── StreamRestarted         the job restarted; the stream starts over
    │   └── NoResult                no result will arrive: not stored, expired, or the message no longer exists
    └── ServerError                 the server is unusable
        ├── ServerUnavailable       unreachable (worth retrying)
        ├── ServerRefused           it rejects commands: password, permission, wrong type of key
        └── ServerTooOld            older than Redis 6.2

    JobControl (BaseException)      raised inside a job to decide its outcome
    ├── Retry  ├── Requeue  └── Drop
    JobTimeout (BaseException)      raised inside a job at its time limit
    JobCancelled (BaseException)    raised inside a job that is cancelled

`JobControl`, `JobTimeout` and `JobCancelled` derive from BaseException so that an `except Exception` in a job doesn't catch them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

__all__ = [
    "AppError",
    "ArgumentsError",
    "ConfigError",
    "DelayError",
    "Drop",
    "JobCancelled",
    "JobControl",
    "JobDefinitionError",
    "JobFailed",
    "JobTimeout",
    "MalformedMessage",
    "MessageError",
    "MessageTooLarge",
    "NoResult",
    "PushError",
    "PushOutcomeUnknown",
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
    "SignatureError",
    "StreamRestarted",
    "TaskqError",
    "UnknownChannel",
    "UnknownJob",
    "UnsupportedVersion",
]


class TaskqError(Exception):
    """The root of every error that taskq raises.

    `stored` contains the handles of the messages that were stored before the error, if several calls were pushed at once.
    """

    stored: tuple[Any, ...] = ()


class ConfigError(TaskqError):
    """A setting is unknown, of a wrong type, or out of bounds."""


class AppError(TaskqError):
    """The app can't be loaded: its import fails, or it has no queue or several."""


class JobDefinitionError(TaskqError):
    """A decorator or a listener is used incorrectly. Raised at import.

    Raised at the first push and when a worker starts: for a job below @classmethod, and for a type hint that can't be resolved or checked.
    """


class PushError(TaskqError):
    """A push was rejected. Nothing was stored."""


class ArgumentsError(PushError, TypeError):
    """The arguments don't fit the signature of the job."""


class DelayError(PushError, ValueError):
    """The delay is negative, not finite, not a number, or longer than ten years."""


class SerializationError(PushError):
    """The chosen serializer can't serialize an argument."""


class MessageTooLarge(PushError):
    """The message is over the size limit (`max_message_size`)."""


class UnknownJob(PushError):
    """No job of that name is registered with the queue, or no worker can import it: a notebook or `python -c` defines it."""


class UnknownChannel(PushError):
    """No channel of that name is configured."""


class QueueFull(PushError):
    """The server has reached its `maxmemory`. Nothing was stored."""


class PushOutcomeUnknown(TaskqError):
    """The connection broke during a push that may have been stored, or fewer than `wait_replicas` replicas confirmed it.

    `handle` refers to the message: `handle.delete()` removes it if it was stored. For a batch, `handles` has one handle for each
    message with an unknown outcome. With `options(once=True)`, taskq repeats such a push for ten seconds without storing it twice.
    A second push() by the application creates another message.
    """

    def __init__(self, text: str, *handles: Any) -> None:
        super().__init__(text)
        self.handles = handles
        self.handle: Any = handles[0] if handles else None


class MessageError(TaskqError):
    """Stored bytes can't be decoded to a call. The worker moves the message to failed, unchanged, with the reason."""


class MalformedMessage(MessageError):
    """The bytes are not a valid message."""


class UnsupportedVersion(MessageError):
    """The message was written by a newer version of taskq."""


class SignatureError(MessageError):
    """The signature of the message is missing or wrong."""


class ResultError(TaskqError):
    """A result isn't available. The subclasses give the reason."""


class JobFailed(ResultError):
    """The job failed permanently, so it has no result.

    The original exception is available as text only: `type` is the name of its class ("ValueError"), `error` its class and text,
    `traceback` the worker's traceback (also shown below the traceback of this error), and `attempt` the number of the last attempt.
    """

    def __init__(self, error: str, traceback: str = "", attempt: int = 0) -> None:
        super().__init__(error)
        self.error = error
        self.type = error.partition(":")[0]
        self.traceback = traceback
        self.attempt = attempt
        if traceback:
            self.add_note(f"In the worker:\n{traceback.rstrip()}")

    def __reduce__(self) -> Any:
        return JobFailed, (self.error, self.traceback, self.attempt)


class ResultCancelled(ResultError):
    """The job was cancelled, so it has no result. `by` is the user or program that cancelled it."""

    def __init__(self, text: str, by: str = "") -> None:
        super().__init__(text)
        self.by = by


class ResultTimeout(ResultError, TimeoutError):
    """No result arrived within the timeout. The job may still finish: you can ask again."""


class StreamRestarted(ResultError):
    """The generator job restarted: discard the items read so far.

    Reading on from the same stream returns the items of the new run.
    """


class NoResult(ResultError):
    """No result is available and none will arrive: the job doesn't store results, the result expired, or the message no longer exists."""


class ServerError(TaskqError):
    """The server is unusable. The subclasses give the reason."""


class ServerUnavailable(ServerError):
    """The server is unreachable. The same request may succeed later.

    `sent` is True if the request was sent: the server may have executed it without a reply.
    """

    def __init__(self, text: str, *, sent: bool = False) -> None:
        super().__init__(text)
        self.sent = sent


class ServerRefused(ServerError):
    """The server rejects a command (a wrong password, a missing permission, a key of another type), or belongs to another user."""


class ServerTooOld(ServerError):
    """The server is older than Redis 6.2."""


class JobControl(BaseException):
    """The root of the exceptions that a job raises to decide its own outcome."""


class Retry(JobControl):
    """Count this run as a failed attempt and run the job again after `delay` seconds (default: the job's policy)."""

    def __init__(self, reason: str = "", *, delay: float | timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay


class Requeue(JobControl):
    """Run the job again after `delay` seconds. No attempt is used."""

    def __init__(self, reason: str = "", *, delay: float | timedelta = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay


class Drop(JobControl):
    """Remove the message. The job counts neither as done nor as failed."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class JobCancelled(BaseException):
    """The running job was cancelled. Raised inside the job, which can clean up and then let it propagate."""


class JobTimeout(BaseException):
    """The job exceeded its `handle_timeout`. Raised inside the job."""
