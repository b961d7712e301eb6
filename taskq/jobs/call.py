"""Bound calls: a job with its arguments, checked and not pushed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, Unpack

from taskq.handle.handle import Handle
from taskq.jobs.options import Delay, JobOptions, PushChoices, PushOptions
from taskq.jobs.parameters import Signature
from taskq.other_queues.attributes import hints

__all__ = ["Call", "Callee", "Pusher", "shown_call"]

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class Pusher(Protocol):
    """Protocol of a queue: pushes calls."""

    def send(self, call: Call[T]) -> Handle[T]: ...

    async def asend(self, call: Call[T]) -> Handle[T]: ...

    def send_many(self, calls: Iterable[Call[Any]]) -> list[Handle[Any]]: ...

    async def asend_many(self, calls: Iterable[Call[Any]]) -> list[Handle[Any]]: ...


class Callee(Protocol):
    """Protocol of a job, as its calls use it."""

    queue: Pusher
    name: str
    signature: Signature
    options_of_job: JobOptions
    function: Callable[..., Any]


class Call(Generic[R_co]):
    """A job with its arguments, not pushed yet. Made by `job.bind(...)`. `Call[R]` is generic in the job's return type.

    A call can be pushed any number of times; each push is a separate message. Calling it runs the job directly.

    Attributes:
        job: the job.
        args: the positional arguments.
        kwargs: the keyword arguments.
        options: the options of the push.
        label: the name that operators see instead of the job's name, or None.
    """

    __slots__ = ("args", "job", "kwargs", "label", "options")

    def __init__(self, job: Callee, args: tuple[Any, ...], kwargs: dict[str, Any], options: PushOptions, label: str | None = None) -> None:
        """Bind arguments to a job.

        Args:
            label: the name that operators see instead of the job's; only for the two built-in jobs.

        Raises:
            ArgumentsError: the arguments don't fit the function's signature.
        """
        job.signature.check(job.name, args, kwargs)
        self.job = job
        self.args = args
        self.kwargs = kwargs
        self.options = options
        self.label = label

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        """Restore a pickled call. One that was pickled before calls had labels has none."""
        self.label = None
        for name, value in state[1].items():
            setattr(self, name, value)

    def push(self, *, delay: Delay | None = None) -> Handle[R_co]:
        """Push the call; raises the errors of `Job.push`.

        Args:
            delay: the time until it may run: seconds (int or float) or a timedelta. Default: the call's own delay.
        """
        return self.job.queue.send(self._later(delay))

    async def apush(self, *, delay: Delay | None = None) -> Handle[R_co]:
        """Push the call without blocking the event loop. Async version of `push`."""
        return await self.job.queue.asend(self._later(delay))

    def with_options(self, **options: Unpack[PushChoices]) -> Call[R_co]:
        """Return a copy of the call with other options for its push. See `Job.options` for the options.

        Raises:
            ConfigError: an option is unknown or invalid.
        """
        return self._with(self.options.with_changes({**options}))

    def with_defaults(self, options: PushOptions) -> Call[R_co]:
        """Return a copy of the call, with these options where the call sets none. Headers are merged."""
        return self._with(self.options.with_defaults(options))

    def _later(self, delay: Delay | None) -> Call[R_co]:
        return self if delay is None else self.with_options(delay=delay)

    def _with(self, options: PushOptions) -> Call[R_co]:
        return Call(self.job, self.args, self.kwargs, options, self.label)

    def __call__(self) -> R_co:
        """Run the call directly, in this process."""
        result: R_co = self.job.function(*self.args, **self.kwargs)
        return result

    if not TYPE_CHECKING:
        __getattr__ = hints("call")

    def __repr__(self) -> str:
        return f"<Call {shown_call(self.job.name, self.args, self.kwargs)}>"


def shown_call(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Return a call as it is written in Python."""
    arguments = [*map(repr, args), *(f"{keyword}={value!r}" for keyword, value in kwargs.items())]
    return f"{name}({', '.join(arguments)})"
