"""Jobs: a decorated function, a call of it, and the choices of one push."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeVar, overload

import msgspec

from taskq.errors import ArgumentsError, JobDefinitionError
from taskq.options import Delay, JobOptions, PushOptions
from taskq.result import Handle
from taskq.signature import Signature

__all__ = ["Call", "Job", "Pusher"]

P = ParamSpec("P")
R = TypeVar("R")


class Pusher(Protocol):
    """Who sends calls: the queue."""

    def send(self, call: Call[Any]) -> Handle: ...

    async def asend(self, call: Call[Any]) -> Handle: ...

    def send_many(self, calls: Sequence[Call[Any]]) -> list[Handle]: ...

    async def asend_many(self, calls: Sequence[Call[Any]]) -> list[Handle]: ...


class Call(Generic[R]):
    """A job with its arguments, not pushed yet. Made by `job.bind(...)`."""

    __slots__ = ("args", "job", "kwargs", "options")

    def __init__(self, job: Job[Any, R], args: tuple[Any, ...], kwargs: dict[str, Any], options: PushOptions) -> None:
        job.signature.check(job.name, args, kwargs)
        self.job = job
        self.args = args
        self.kwargs = kwargs
        self.options = options

    def push(self, *, delay: Delay | None = None) -> Handle:
        """Push the call; as `Job.push`."""
        return self.job.queue.send(self.later(delay))

    async def apush(self, *, delay: Delay | None = None) -> Handle:
        """Push the call from async code; as `Job.push`."""
        return await self.job.queue.asend(self.later(delay))

    def with_options(self, **options: Any) -> Call[R]:
        """Return the same call with other options of the push."""
        return Call(self.job, self.args, self.kwargs, self.options.with_changes(options))

    def later(self, delay: Delay | None) -> Call[R]:
        return self if delay is None else self.with_options(delay=delay)

    def __call__(self) -> R:
        """Run the call here and now."""
        return self.job(*self.args, **self.kwargs)

    def __repr__(self) -> str:
        arguments = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"<Call {self.job.name}({', '.join(arguments)})>"


_DEFAULTS = PushOptions()


class Job(Generic[P, R]):
    """A function that can be pushed. Calling it runs it here and now, as if it weren't decorated."""

    def __init__(self, queue: Pusher, function: Callable[P, R], name: str, options: JobOptions) -> None:
        self.queue = queue
        self.name = name
        self.options_of_job = options
        self.kind = _kind(function)
        self.function: Callable[..., R] = _unwrap(function)
        self.signature = Signature(self.function)
        self.signature.refuse("delay", name)
        functools.update_wrapper(self, self.function, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @overload
    def push(self, *args: P.args, **kwargs: P.kwargs) -> Handle: ...
    @overload
    def push(self, *args: Any, delay: Delay, **kwargs: Any) -> Handle: ...
    def push(self, *args: Any, delay: Delay = 0, **kwargs: Any) -> Handle:
        """Store the call on the queue, to be run by a worker now or after `delay` seconds (int, float or timedelta).

        Raises:
            ArgumentsError: the arguments don't fit the function.
            DelayError: the delay is negative, not finite, or longer than ten years.
            SerializationError: an argument can't be stored.
            MessageTooLarge: the arguments are over the limit.
            QueueFull, ServerUnavailable, ServerRefused: the server stored nothing.
            PushOutcomeUnknown: the connection broke, and the server may have stored it.
        """
        return self.queue.send(Call(self, args, kwargs, _with_delay(_DEFAULTS, delay)))

    @overload
    async def apush(self, *args: P.args, **kwargs: P.kwargs) -> Handle: ...
    @overload
    async def apush(self, *args: Any, delay: Delay, **kwargs: Any) -> Handle: ...
    async def apush(self, *args: Any, delay: Delay = 0, **kwargs: Any) -> Handle:
        """The same from async code, without blocking the event loop."""
        return await self.queue.asend(Call(self, args, kwargs, _with_delay(_DEFAULTS, delay)))

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Return the call without pushing it. The arguments are checked now."""
        return Call(self, args, kwargs, _DEFAULTS)

    def options(self, **options: Any) -> Options[P, R]:
        """Choose for one push: delay, at, channel, max_attempts, retry_seconds, handle_timeout, once.

        Raises:
            ConfigError: an option is unknown or out of bounds.
        """
        return Options(self, _DEFAULTS.with_changes(options))

    def push_many(self, calls: Sequence[tuple[Any, ...] | Call[Any]]) -> list[Handle]:
        """Push many calls of this job, a round trip a batch. Each is a tuple of arguments or a bound call.

        All calls are checked and stored as bytes before the first is sent. Raises as `push`.
        """
        return self.options().push_many(calls)

    async def apush_many(self, calls: Sequence[tuple[Any, ...] | Call[Any]]) -> list[Handle]:
        """The same from async code."""
        return await self.options().apush_many(calls)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """As a method: the instance (or the class, of a class method) travels with the arguments."""
        if self.kind == "function" and instance is not None:
            return BoundJob(self, instance)
        if self.kind == "class":
            return BoundJob(self, owner if owner is not None else type(instance))
        return self

    def __reduce__(self) -> Any:
        return _find_job, (self.function.__module__, self.function.__qualname__)

    def __repr__(self) -> str:
        return f"<Job {self.name}>"


class Options(Generic[P, R]):
    """A job with the choices of one push. `push` takes exactly the job's parameters."""

    __slots__ = ("_job", "_options")

    def __init__(self, job: Job[P, R], options: PushOptions) -> None:
        self._job = job
        self._options = options

    def push(self, *args: P.args, **kwargs: P.kwargs) -> Handle:
        """Push with these options; raises as `Job.push`."""
        return self._job.queue.send(Call(self._job, args, kwargs, self._options))

    async def apush(self, *args: P.args, **kwargs: P.kwargs) -> Handle:
        """The same from async code."""
        return await self._job.queue.asend(Call(self._job, args, kwargs, self._options))

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Return the call with these options, without pushing it."""
        return Call(self._job, args, kwargs, self._options)

    def push_many(self, calls: Sequence[tuple[Any, ...] | Call[Any]]) -> list[Handle]:
        """Push many calls with these options; raises as `Job.push_many`."""
        return self._job.queue.send_many([self._call(call) for call in calls])

    async def apush_many(self, calls: Sequence[tuple[Any, ...] | Call[Any]]) -> list[Handle]:
        """The same from async code."""
        return await self._job.queue.asend_many([self._call(call) for call in calls])

    def _call(self, call: tuple[Any, ...] | Call[Any]) -> Call[Any]:
        if isinstance(call, Call):
            return call
        if not isinstance(call, (tuple, list)):
            raise ArgumentsError(f"push_many of {self._job.name} takes tuples of arguments or bound calls, not {type(call).__name__}")
        return Call(self._job, tuple(call), {}, self._options)


class BoundJob(Generic[P, R]):
    """A method of an instance (or class): the same verbs, with the instance as the first argument."""

    __slots__ = ("_first", "_job")

    def __init__(self, job: Job[Any, R], first: object) -> None:
        self._job = job
        self._first = first

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        return self._job.function(self._first, *args, **kwargs)

    def push(self, *args: Any, delay: Delay = 0, **kwargs: Any) -> Handle:
        """As `Job.push`."""
        return self._job.push(self._first, *args, delay=delay, **kwargs)

    async def apush(self, *args: Any, delay: Delay = 0, **kwargs: Any) -> Handle:
        """As `Job.apush`."""
        return await self._job.apush(self._first, *args, delay=delay, **kwargs)

    def bind(self, *args: Any, **kwargs: Any) -> Call[R]:
        """As `Job.bind`."""
        return self._job.bind(self._first, *args, **kwargs)

    def options(self, **options: Any) -> BoundOptions[R]:
        """As `Job.options`."""
        return BoundOptions(self._job.options(**options), self._first)

    def push_many(self, calls: Sequence[tuple[Any, ...] | Call[Any]]) -> list[Handle]:
        """As `Job.push_many`."""
        return self.options().push_many(calls)

    @property
    def name(self) -> str:
        """The job's name."""
        return self._job.name


class BoundOptions(Generic[R]):
    """The choices of one push of a method."""

    __slots__ = ("_first", "_options")

    def __init__(self, options: Options[Any, R], first: object) -> None:
        self._options = options
        self._first = first

    def push(self, *args: Any, **kwargs: Any) -> Handle:
        """As `Options.push`."""
        return self._options.push(self._first, *args, **kwargs)

    async def apush(self, *args: Any, **kwargs: Any) -> Handle:
        """As `Options.apush`."""
        return await self._options.apush(self._first, *args, **kwargs)

    def bind(self, *args: Any, **kwargs: Any) -> Call[R]:
        """As `Options.bind`."""
        return self._options.bind(self._first, *args, **kwargs)

    def push_many(self, calls: Sequence[tuple[Any, ...] | Call[Any]]) -> list[Handle]:
        """As `Options.push_many`."""
        return self._options.push_many([call if isinstance(call, Call) else (self._first, *call) for call in calls])


def _with_delay(options: PushOptions, delay: Delay) -> PushOptions:
    return msgspec.structs.replace(options, delay=delay) if delay != 0 else options


def _kind(function: Any) -> Literal["function", "static", "class"]:
    if isinstance(function, staticmethod):
        return "static"
    if isinstance(function, classmethod):
        return "class"
    if not callable(function) or inspect.isclass(function):
        raise JobDefinitionError(f"a job must be a function or a method, not {function!r}")
    return "function"


def _unwrap(function: Any) -> Any:
    return function.__func__ if isinstance(function, (staticmethod, classmethod)) else function


def _find_job(module: str, qualname: str) -> Any:
    import importlib

    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = vars(found)[part] if inspect.isclass(found) else getattr(found, part)
    return found
