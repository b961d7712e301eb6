"""Every exception that taskq raises, in one tree.

    TaskqError
    ├── ConfigError                 a setting is unknown, of a wrong type, or out of bounds
    ├── AppError                    the app named on the command line can't be loaded
    ├── JobDefinitionError          a decorator was used in a way that can't work
    ├── PushError                   a push was refused; nothing was stored
    │   ├── ArgumentsError          the arguments don't fit the job's signature (also a TypeError)
    │   ├── DelayError              the delay is negative, not finite, or too long (also a ValueError)
    │   ├── SerializationError      an argument can't be turned into bytes
    │   ├── MessageTooLarge         the message is over the size limit
    │   ├── UnknownJob              no job of that name is registered
    │   ├── UnknownChannel          no channel of that name is configured
    │   └── QueueFull               the server has no memory left (maxmemory)
    ├── PushOutcomeUnknown          the connection broke, or replicas are silent: the push may or may not be stored (or may not last)
    ├── MessageError                stored bytes that can't become a call
    │   ├── MalformedMessage        the bytes are no message
    │   ├── UnsupportedVersion      the message was written by a newer taskq
    │   └── SignatureError          the signature is missing or wrong
    ├── ResultError                 a result can't be had
    │   ├── JobFailed               the job has failed for good
    │   ├── ResultCancelled         the job was cancelled
    │   ├── ResultTimeout           it isn't there yet (also a TimeoutError)
    │   ├── StreamRestarted         the job began anew: parts come again
    │   └── NoResult                there will be none: it isn't kept, has expired, or the message is gone
    └── ServerError                 the server can't be used
        ├── ServerUnavailable       it doesn't answer (may come back: worth retrying)
        ├── ServerRefused           it answers no: password, permission, wrong type of key
        └── ServerTooOld            older than Redis 6.2

    JobControl (BaseException)      raised inside a job to decide its outcome
    ├── Retry  ├── Requeue  └── Drop
    JobTimeout (BaseException)      raised inside a job when its time is over
    JobCancelled (BaseException)    raised inside a job that somebody cancels

`JobControl`, `JobTimeout` and `JobCancelled` derive from BaseException so that a job's own `except Exception` can't swallow them.
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

    `stored` holds the handles of what was stored before the error, when many calls were pushed at once.
    """

    stored: tuple[Any, ...] = ()


class ConfigError(TaskqError):
    """A setting is unknown, of a wrong type, or out of bounds."""


class AppError(TaskqError):
    """The app can't be loaded: it doesn't import, or holds no queue, or several."""


class JobDefinitionError(TaskqError):
    """A decorator was used in a way that can't work; raised at import, never at push."""


class PushError(TaskqError):
    """A push was refused. Nothing was stored."""


class ArgumentsError(PushError, TypeError):
    """The arguments don't fit the signature of the job."""


class DelayError(PushError, ValueError):
    """The delay is negative, not finite, not a number, or longer than ten years."""


class SerializationError(PushError):
    """An argument can't be turned into bytes by the chosen serializer."""


class MessageTooLarge(PushError):
    """The message is over the size limit (`max_message_size`)."""


class UnknownJob(PushError):
    """No job of that name is registered with the queue."""


class UnknownChannel(PushError):
    """No channel of that name is written in the settings."""


class QueueFull(PushError):
    """The server has reached its `maxmemory`: it stored nothing."""


class PushOutcomeUnknown(TaskqError):
    """The connection broke while the server may already have stored the push, or fewer than `wait_replicas` have confirmed it.

    `handle` names the message: `handle.delete()` withdraws it if it did arrive. Of a batch `handles` names every message of
    which this isn't known. With `options(once=True)` taskq itself repeats such a push for ten seconds, without storing it twice;
    a second push() of the application is another message.
    """

    def __init__(self, text: str, *handles: Any) -> None:
        super().__init__(text)
        self.handles = handles
        self.handle: Any = handles[0] if handles else None


class MessageError(TaskqError):
    """Stored bytes that can't become a call. The worker sets them aside, untouched, with the reason."""


class MalformedMessage(MessageError):
    """The bytes are no message of any known form."""


class UnsupportedVersion(MessageError):
    """The message was written by a newer taskq than the one that reads it."""


class SignatureError(MessageError):
    """The signature of the message is missing or wrong."""


class ResultError(TaskqError):
    """A result can't be had. The classes below say why."""


class JobFailed(ResultError):
    """The job whose result was asked for has failed for good.

    What it raised is told as text only, and never made again here: `type` is the class's name ("ValueError"), `error` class and text,
    `traceback` the worker's traceback (also shown below this error's own), `attempt` the last run.
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
    """The job whose result was asked for was cancelled. `by` says who did it."""

    def __init__(self, text: str, by: str = "") -> None:
        super().__init__(text)
        self.by = by


class ResultTimeout(ResultError, TimeoutError):
    """The result wasn't there in time. It may come later: asking again does no harm."""


class StreamRestarted(ResultError):
    """The job whose parts are read runs again, from its start: what was read so far is void.

    Going on with the same stream gives the parts of the new run.
    """


class NoResult(ResultError):
    """There is no result, and there will be none: the job keeps none, it has expired, or the message is gone."""


class ServerError(TaskqError):
    """The server can't be used."""


class ServerUnavailable(ServerError):
    """The server doesn't answer now; the same request may succeed later.

    `sent` is true when the request had left: the server may have carried it out although no answer came.
    """

    def __init__(self, text: str, *, sent: bool = False) -> None:
        super().__init__(text)
        self.sent = sent


class ServerRefused(ServerError):
    """The server answers, and its answer is no: a password, a permission, or a key of another type."""


class ServerTooOld(ServerError):
    """The server is older than Redis 6.2."""


class JobControl(BaseException):
    """The root of what a job raises to decide its own outcome."""


class Retry(JobControl):
    """Count this run as a failed attempt and run the job again after `delay` seconds (default: the job's policy)."""

    def __init__(self, reason: str = "", *, delay: float | timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay


class Requeue(JobControl):
    """Run the job again after `delay` seconds without counting this run."""

    def __init__(self, reason: str = "", *, delay: float | timedelta = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay


class Drop(JobControl):
    """Forget the message: the job is neither done nor failed."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class JobCancelled(BaseException):
    """Somebody has cancelled the job that runs. Raised inside the job, which may clean up and let it pass."""


class JobTimeout(BaseException):
    """The job ran longer than its `handle_timeout`. Raised inside the job."""
