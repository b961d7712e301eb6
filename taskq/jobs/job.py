"""Jobs: a decorated function, its verbs, and the choices of one push."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, Unpack, overload

import msgspec

from taskq.errors import ArgumentsError, JobDefinitionError
from taskq.handle.handle import Handle
from taskq.jobs.call import Call, Callee, Pusher
from taskq.jobs.options import PLAIN, Delay, JobOptions, PushChoices, PushOptions
from taskq.jobs.parameters import Signature

__all__ = ["Job", "Options", "Pushable", "home_of", "is_generator", "returns_generator"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
Calls = Sequence[tuple[Any, ...] | Call[Any]]


class Pushable(Generic[P, R]):
    """The verbs of a job, and of a job that is bound to an instance: there `_first` holds the instance."""

    name: str
    _job: Callee
    _first: tuple[Any, ...]

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now, as if it weren't decorated."""
        result: R = self._job.function(*self._first, *args, **kwargs)
        return result

    # Python's types can't say "the job's parameters and a keyword more" (PEP 612). So with `delay` the parameters by place are
    # compared one by one, and those by keyword only when the call is made. `options(delay=...).push` is exact.
    @overload
    def push(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    @overload
    def push(self, /, *, delay: Delay, **kwargs: Any) -> Handle[R]: ...
    @overload
    def push(self: Callable[Concatenate[A, ...], T], first: A, /, *, delay: Delay, **kwargs: Any) -> Handle[T]: ...
    @overload
    def push(self: Callable[Concatenate[A, B, ...], T], first: A, second: B, /, *, delay: Delay, **kwargs: Any) -> Handle[T]: ...
    @overload
    def push(
        self: Callable[Concatenate[A, B, C, ...], T], first: A, second: B, third: C, /, *args: Any, delay: Delay, **kwargs: Any
    ) -> Handle[T]: ...
    def push(self, /, *args: Any, **kwargs: Any) -> Any:
        """Store the call on the queue, to be run by a worker now or after `delay` seconds (int, float or timedelta).

        Raises:
            ArgumentsError: the arguments don't fit the function.
            DelayError: the delay is negative, not finite, or longer than ten years.
            SerializationError: an argument can't be stored.
            MessageTooLarge: the arguments are over the limit.
            UnknownChannel: the channel is named neither in the settings nor by a job.
            QueueFull, ServerUnavailable, ServerRefused, ServerTooOld: the server stored nothing.
            PushOutcomeUnknown: the connection broke, and the server may have stored it.
        """
        return self._job.queue.send(self._delayed(args, kwargs))

    @overload
    async def apush(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    @overload
    async def apush(self, /, *, delay: Delay, **kwargs: Any) -> Handle[R]: ...
    @overload
    async def apush(self: Callable[Concatenate[A, ...], T], first: A, /, *, delay: Delay, **kwargs: Any) -> Handle[T]: ...
    @overload
    async def apush(self: Callable[Concatenate[A, B, ...], T], first: A, second: B, /, *, delay: Delay, **kwargs: Any) -> Handle[T]: ...
    @overload
    async def apush(
        self: Callable[Concatenate[A, B, C, ...], T], first: A, second: B, third: C, /, *args: Any, delay: Delay, **kwargs: Any
    ) -> Handle[T]: ...
    async def apush(self, /, *args: Any, **kwargs: Any) -> Any:
        """The same from async code, without blocking the event loop."""
        return await self._job.queue.asend(self._delayed(args, kwargs))

    def bind(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Return the call without pushing it. The arguments are checked now."""
        return Call(self._job, (*self._first, *args), kwargs, PLAIN)

    def options(self, **options: Unpack[PushChoices]) -> Options[P, R]:
        """Choose for one push: delay, at, channel, max_attempts, retry_seconds, handle_timeout, once.

        Raises:
            ConfigError: an option is unknown or out of bounds.
        """
        return Options(self._job, self._first, PLAIN.with_changes({**options}))

    def push_many(self, calls: Calls) -> list[Handle[R]]:
        """Push many calls of this job, a round trip a batch. Each is a tuple of arguments or a bound call.

        All calls are checked and stored as bytes before the first is sent. Raises as `push`.
        """
        return self.options().push_many(calls)

    async def apush_many(self, calls: Calls) -> list[Handle[R]]:
        """The same from async code."""
        return await self.options().apush_many(calls)

    def _delayed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call[R]:
        delay = kwargs.pop("delay", 0)
        options = msgspec.structs.replace(PLAIN, delay=delay) if delay != 0 else PLAIN
        return Call(self._job, (*self._first, *args), kwargs, options)


class Options(Generic[P, R]):
    """A job with the choices of one push. `push` takes exactly the job's parameters."""

    __slots__ = ("_first", "_job", "_options")

    def __init__(self, job: Callee, first: tuple[Any, ...], options: PushOptions) -> None:
        self._job = job
        self._first = first
        self._options = options

    def push(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Push with these options; raises as `Job.push`."""
        return self._job.queue.send(self.bind(*args, **kwargs))

    async def apush(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """The same from async code."""
        return await self._job.queue.asend(self.bind(*args, **kwargs))

    def bind(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Return the call with these options, without pushing it."""
        return Call(self._job, (*self._first, *args), kwargs, self._options)

    def push_many(self, calls: Calls) -> list[Handle[R]]:
        """Push many calls with these options (of a bound call its own go first); raises as `Job.push_many`."""
        return self._job.queue.send_many(map(self._call, self._several(calls)))

    async def apush_many(self, calls: Calls) -> list[Handle[R]]:
        """The same from async code."""
        return await self._job.queue.asend_many(map(self._call, self._several(calls)))

    def _several(self, calls: Any) -> Any:
        if not isinstance(calls, Iterable):
            text = f"push_many of {self._job.name} takes a list of calls, not {type(calls).__name__}"
            raise ArgumentsError(f"{text}: push_many([(1,), (2,)]), each a tuple of arguments")
        return calls

    def _call(self, call: tuple[Any, ...] | Call[Any]) -> Call[Any]:
        if isinstance(call, Call):
            return call.with_defaults(self._options)
        if not isinstance(call, (tuple, list)):
            raise ArgumentsError(f"push_many of {self._job.name} takes tuples of arguments or bound calls, not {type(call).__name__}")
        return Call(self._job, (*self._first, *call), {}, self._options)


class Job(Pushable[P, R]):
    """A function that can be pushed. Calling it runs it here and now, as if it weren't decorated."""

    def __init__(self, queue: Pusher, function: Callable[P, R], name: str, options: JobOptions) -> None:
        """Make a function a job.

        Raises:
            JobDefinitionError: it can't be one.
        """
        self.queue = queue
        self.name = name
        self.options_of_job = options
        self.kind = _kind(function)
        self.function: Callable[..., R] = getattr(function, "__func__", function) if self.kind != "function" else function
        self.signature = Signature(self.function)
        self._job = self
        self._first = ()
        self._check()
        functools.update_wrapper(self, self.function, updated=())

    def _check(self) -> None:
        if self.signature.has("delay"):
            raise JobDefinitionError(
                f"{self.name} has a parameter named 'delay', which push() takes for itself: "
                f"{self.name}.push(..., delay=60) could mean either. Rename the parameter."
            )
        if is_generator(self.function) and not self.options_of_job.result_ttl:
            raise JobDefinitionError(
                f"{self.name} is a generator, and nobody could read what it yields: say for how many seconds its parts are kept, "
                "with @queue.job(result_ttl=3600)"
            )
        if returns_generator(self.function):
            raise JobDefinitionError(
                f"{self.name} wraps a generator function, and calling it would run nothing of that: make the wrapper a generator function "
                "itself (yield from ..., or async for), or let it call a plain function that goes through the parts"
            )
        scope = getattr(self.function, "__qualname__", "").rpartition(".")[0]
        if self.kind == "function" and self.signature.names[:1] == ("cls",) and scope and not scope.endswith("<locals>"):
            # Under @classmethod the job would never learn the class: since Python 3.13 that passes it to calls only.
            raise JobDefinitionError(f"{self.name} looks like a class method: write @queue.job above @classmethod, not below")

    # How Python binds methods: of an instance method the instance travels with the arguments, of a class method the class, and a
    # static method is a job like any other. `self` is typed as what a Job can be called as: mypy doesn't compare the parameters of
    # a `self: Job[...]`, and it would have no other type there.
    @overload
    def __get__(self: Callable[Concatenate[type[S], Q], R], instance: None, owner: type[S], /) -> BoundJob[Q, R]: ...  # type: ignore[misc]
    @overload
    def __get__(self, instance: None, owner: type, /) -> Job[P, R]: ...
    @overload
    def __get__(self: Callable[Concatenate[type[S], Q], R], instance: S, owner: type[S], /) -> BoundJob[Q, R]: ...  # type: ignore[misc]
    @overload
    def __get__(self: Callable[Concatenate[S, Q], R], instance: S, owner: type[S], /) -> BoundJob[Q, R]: ...
    @overload
    def __get__(self, instance: object, owner: type, /) -> Job[P, R]: ...
    def __get__(self, instance: Any, owner: Any = None, /) -> Any:
        """As a method: the instance (or the class, of a class method) travels with the arguments."""
        if self.kind == "function" and instance is not None:
            return BoundJob(self, instance)
        if self.kind == "class":
            return BoundJob(self, owner if owner is not None else type(instance))
        return self

    def __reduce__(self) -> Any:
        qualname = getattr(self.function, "__qualname__", "")
        home = home_of(self.function)
        if home == "__main__" or _look(sys.modules.get(self.function.__module__), qualname) is not self:
            raise TypeError(f"cannot pickle the job {self.name}: no worker would find it as {qualname or 'anything'} in the module {home}")
        return _find_job, (home, qualname)

    def __repr__(self) -> str:
        return f"<Job {self.name}>"


class BoundJob(Pushable[P, R]):
    """A method of an instance (or class): the same verbs, with the instance as the first argument."""

    def __init__(self, job: Callee, first: object) -> None:
        self.name = job.name
        self._job = job
        self._first = (first,)

    def __repr__(self) -> str:
        return f"<Job {self.name} of {self._first[0]!r}>"


def home_of(function: Any) -> str:
    """Return the module from which a worker imports a function. A script that runs as `__main__` has a name for others."""
    module: str = function.__module__
    if module != "__main__":
        return module
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None and spec.name != "__main__":
        name: str = spec.name
        return name
    return Path(file).stem if file is not None else module


def _kind(function: Any) -> Literal["function", "static", "class"]:
    if isinstance(function, staticmethod):
        return "static"
    if isinstance(function, classmethod):
        return "class"
    if inspect.isclass(function):
        advice = "decorate a method of it, or push an instance that has handle(): queue.push(...)"
        raise JobDefinitionError(f"a job must be a function or a method, not the class {function.__name__}: {advice}")
    if not callable(function):
        raise JobDefinitionError(f"a job must be a function or a method, not {function!r}")
    return "function"


def is_generator(function: Any) -> bool:
    """Whether a function yields parts, sync or async."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def returns_generator(function: Any) -> bool:
    """Whether a call would only make a generator, as far as it can be seen: a partial, a wrapper, or an object that is called."""
    if is_generator(function) or inspect.iscoroutinefunction(function):
        return False
    while isinstance(function, functools.partial):
        function = function.func
    return is_generator(inspect.unwrap(function)) or is_generator(type(function).__call__)


def _find_job(module: str, qualname: str) -> Any:
    return _look(importlib.import_module(module), qualname)


def _look(found: Any, qualname: str) -> Any:
    """Return what stands at a place in a module, or None; a method as it stands in its class."""
    for part in qualname.split("."):
        found = vars(found).get(part) if inspect.isclass(found) else getattr(found, part, None)
    # @staticmethod may stand above @queue.job
    return getattr(found, "__func__", found)
