"""Jobs: a decorated function, its push methods, and the options of one push."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, Unpack, overload

import msgspec

from taskq.errors import ArgumentsError, JobDefinitionError
from taskq.handle.handle import Handle
from taskq.jobs.call import Call, Callee, Pusher
from taskq.jobs.functions import LazySignature, MethodLike, imitate, is_generator, kind_of, returns_generator
from taskq.jobs.many import ManyCalls
from taskq.jobs.options import PLAIN, Delay, JobOptions, PushChoices, PushOptions
from taskq.jobs.parameters import Signature
from taskq.jobs.subclasses import attribute_of_class, check_subclass
from taskq.main_module import home_of, is_script, look_up, namespace_of, scripts
from taskq.other_queues.attributes import hints

__all__ = ["Job", "Options", "Pushable"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
Calls = Sequence[tuple[Any, ...] | Call[Any]]


class Pushable(Generic[P, R_co]):
    """The push methods of a job, and of a job bound to an instance, which `_first` then holds."""

    name: str
    _job: Callee
    _first: tuple[Any, ...]

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function directly, without the queue."""
        result: R_co = self._job.function(*self._first, *args, **kwargs)
        return result

    # Python's types can't express "the job's parameters and one more keyword" (PEP 612). So with `delay`, positional parameters are
    # checked one by one, and keyword parameters only at run time. `options(delay=...).push` is exact.
    @overload
    def push(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[R_co]: ...
    @overload
    def push(self, /, *, delay: Delay, **kwargs: Any) -> Handle[R_co]: ...
    @overload
    def push(self: Callable[Concatenate[A, ...], T], first: A, /, *, delay: Delay, **kwargs: Any) -> Handle[T]: ...
    @overload
    def push(self: Callable[Concatenate[A, B, ...], T], first: A, second: B, /, *, delay: Delay, **kwargs: Any) -> Handle[T]: ...
    @overload
    def push(
        self: Callable[Concatenate[A, B, C, ...], T], first: A, second: B, third: C, /, *args: Any, delay: Delay, **kwargs: Any
    ) -> Handle[T]: ...
    def push(self, /, *args: Any, **kwargs: Any) -> Any:
        """Push a call of the job: store it in the queue, for a worker to run now or after a delay.

        Args:
            args: the positional arguments of the job.
            kwargs: the keyword arguments of the job, except `delay`: the time until the job may run, in seconds (int or float)
                or as a timedelta. For other options of the push, see `options`.

        Returns:
            The handle of the message. In the block of a `Buffer`, it is returned before the message is stored.

        Raises:
            ArgumentsError: the arguments don't match the function's signature.
            DelayError: the delay is negative, not finite, or longer than ten years.
            SerializationError: an argument can't be serialized.
            MessageTooLarge: the message is larger than `max_message_size`.
            UnknownChannel: neither the settings nor a job define the channel.
            UnknownJob: no worker can import the job, because a notebook or `python -c` defines it.
            QueueFull, ServerUnavailable, ServerRefused, ServerTooOld: the server stored nothing.
            PushOutcomeUnknown: the connection broke after the push was sent, or too few replicas confirmed it.
        """
        return self._job.queue.send(self._delayed(args, kwargs))

    @overload
    async def apush(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[R_co]: ...
    @overload
    async def apush(self, /, *, delay: Delay, **kwargs: Any) -> Handle[R_co]: ...
    @overload
    async def apush(self: Callable[Concatenate[A, ...], T], first: A, /, *, delay: Delay, **kwargs: Any) -> Handle[T]: ...
    @overload
    async def apush(self: Callable[Concatenate[A, B, ...], T], first: A, second: B, /, *, delay: Delay, **kwargs: Any) -> Handle[T]: ...
    @overload
    async def apush(
        self: Callable[Concatenate[A, B, C, ...], T], first: A, second: B, third: C, /, *args: Any, delay: Delay, **kwargs: Any
    ) -> Handle[T]: ...
    async def apush(self, /, *args: Any, **kwargs: Any) -> Any:
        """Push a call of the job without blocking the event loop. Async version of `push`."""
        return await self._job.queue.asend(self._delayed(args, kwargs))

    def bind(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R_co]:
        """Return a bound call, without pushing it.

        Raises:
            ArgumentsError: the arguments don't match the function's signature.
        """
        return Call(self._job, (*self._first, *args), kwargs, PLAIN)

    def options(self, **options: Unpack[PushChoices]) -> Options[P, R_co]:
        """Set options for one push: `job.options(delay=60, max_attempts=5).push(1)`.

        Args:
            delay: the time until the job may run: seconds (int or float) or a timedelta. Excludes `at`.
            at: the time at which the job may run: a datetime, or seconds since the epoch (int or float). Excludes `delay`.
            channel: the channel to push to. Default: the job's channel.
            max_attempts: the maximum number of attempts, including the first run.
            retry_seconds: the retry delay in seconds, or a list of them.
            handle_timeout: the time limit of one run in seconds; 0 for no limit.
            result_ttl: the time in seconds for which the result is stored; 0 for no result.
            once: True to make the push idempotent: taskq retries it for ten seconds, and stores it only once.
            headers: a small mapping of strings to strings, for `taskq.current().headers` in the job: at most 4 KiB.

        Raises:
            ConfigError: an option is unknown or invalid.
        """
        return Options(self._job, self._first, PLAIN.with_changes({**options}))

    def push_many(self, calls: Calls) -> list[Handle[R_co]]:
        """Push many calls of this job, with one round trip per batch of 500.

        All calls are checked and serialized before the first is sent.

        Args:
            calls: an iterable of tuples of positional arguments, or of bound calls.

        Returns:
            The handles, in the order of the calls.

        Raises:
            PushError, PushOutcomeUnknown, ServerError: as in `push`. The `stored` attribute of the exception holds the handles
                of the messages that were stored before it.
        """
        return self.options().push_many(calls)

    async def apush_many(self, calls: Calls) -> list[Handle[R_co]]:
        """Push many calls of this job without blocking the event loop. Async version of `push_many`."""
        return await self.options().apush_many(calls)

    def _delayed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call[R_co]:
        delay = kwargs.pop("delay", 0)
        options = msgspec.structs.replace(PLAIN, delay=delay) if delay != 0 else PLAIN
        return Call(self._job, (*self._first, *args), kwargs, options)

    if not TYPE_CHECKING:
        __getattr__ = hints("job")


Pushable.apush.__qualname__ = "Job.apush"  # Python's warning about a forgotten `await` shows this name


class Options(Generic[P, R_co]):
    """A job with the options of one push. `push` takes exactly the job's parameters."""

    __slots__ = ("_first", "_job", "_options")

    def __init__(self, job: Callee, first: tuple[Any, ...], options: PushOptions) -> None:
        self._job = job
        self._first = first
        self._options = options

    def push(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[R_co]:
        """Push with these options; raises the errors of `Job.push`."""
        return self._job.queue.send(self.bind(*args, **kwargs))

    async def apush(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[R_co]:
        """Push with these options without blocking the event loop. Async version of `push`."""
        return await self._job.queue.asend(self.bind(*args, **kwargs))

    def bind(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R_co]:
        """Return a bound call with these options, without pushing it."""
        return Call(self._job, (*self._first, *args), kwargs, self._options)

    def options(self, **options: Unpack[PushChoices]) -> Options[P, R_co]:
        """Change some of these options; see `Job.options`."""
        return Options(self._job, self._first, self._options.with_changes({**options}))

    def push_many(self, calls: Calls) -> list[Handle[R_co]]:
        """Push many calls with these options; raises the errors of `Job.push_many`. A bound call's own options come first."""
        return self._job.queue.send_many(ManyCalls(self._job, self._first, self._options, calls))

    async def apush_many(self, calls: Calls) -> list[Handle[R_co]]:
        """Push many calls with these options without blocking the event loop. Async version of `push_many`."""
        return await self._job.queue.asend_many(ManyCalls(self._job, self._first, self._options, calls))

    if not TYPE_CHECKING:
        __getattr__ = attribute_of_class


class Job(Pushable[P, R_co]):
    """A decorated function. `push` queues a call of it; calling the job runs the function directly.

    Made by `@queue.job`. `Job[P, R]` is generic in the function's parameters and return type. A subclass may add methods: see
    `job_class` of `Queue`.

    Attributes:
        name: the job's name in messages.
        function: the undecorated function.
        queue: the queue that the job belongs to.
    """

    #: The parameters of the function, for the first push. Then the class of a method exists, and the job's place in it is checked.
    signature: Signature = LazySignature()  # type: ignore[assignment]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_subclass(cls)

    def __init__(self, queue: Pusher, function: Callable[P, R_co], name: str, options: JobOptions) -> None:
        """Make a function a job.

        Raises:
            JobDefinitionError: the function can't be a job.
        """
        self.queue = queue
        self.name = name
        self.options_of_job = options
        self.kind = kind_of(function)
        self.function: Callable[..., R_co] = getattr(function, "__func__", function) if self.kind != "function" else function
        self._signature = Signature(self.function)
        self._job = self
        self._first = ()
        self._check()
        imitate(self, self.function)

    def _check(self) -> None:
        if self._signature.has("delay"):
            raise JobDefinitionError(
                f"{self.name} has a parameter named 'delay', which push() reserves: "
                f"{self.name}.push(..., delay=60) would be ambiguous. Rename the parameter"
            )
        if is_generator(self.function) and not self.options_of_job.result_ttl:
            raise JobDefinitionError(
                f"{self.name} is a generator, so it needs result_ttl (seconds to store its items): @queue.job(result_ttl=3600)"
            )
        if returns_generator(self.function):
            raise JobDefinitionError(
                f"{self.name} wraps a generator function without being one, so calling it runs nothing: make the wrapper a generator "
                "(`yield from ...` or `async for`), or let it call a plain function that iterates over the items"
            )
        if (on_fail := self.options_of_job.on_fail) is not None:
            try:
                Signature(on_fail).check("on_fail", (None,), {})
            except ArgumentsError as error:
                raise JobDefinitionError(f"on_fail of {self.name} must accept the exception as its only argument: {error}") from None
        scope = getattr(self.function, "__qualname__", "").rpartition(".")[0]
        if self.kind == "function" and self._signature.names[:1] == ("cls",) and scope and not scope.endswith("<locals>"):
            raise _class_method(self.name)

    def check_place(self) -> None:
        """Check that the job isn't below @classmethod, where a push would not get the class: since Python 3.13, only a call does.

        Raises:
            JobDefinitionError: it is.
        """
        stored = look_up(namespace_of(self.function), getattr(self.function, "__qualname__", "")) if self.kind == "function" else None
        below: object = stored.__func__ if isinstance(stored, classmethod) else None
        if below is self:
            raise _class_method(self.name)

    # How Python binds methods: the instance of a method and the class of a class method travel with the arguments, and a static method
    # is a job like any other. `self` is typed as a callable of the job's signature: mypy doesn't compare the parameters of a
    # `self: Job[...]`, and it would have no other type there.
    @overload
    def __get__(self: Callable[Concatenate[type[S], Q], R_co], instance: None, owner: type[S], /) -> BoundJob[Q, R_co]: ...  # type: ignore[misc]
    @overload
    def __get__(self, instance: None, owner: type, /) -> Job[P, R_co]: ...
    @overload
    def __get__(self: Callable[Concatenate[type[S], Q], R_co], instance: S, owner: type[S], /) -> BoundJob[Q, R_co]: ...  # type: ignore[misc]
    @overload
    def __get__(self: Callable[Concatenate[S, Q], R_co], instance: S, owner: type[S], /) -> BoundJob[Q, R_co]: ...
    @overload
    def __get__(self, instance: object, owner: type, /) -> Job[P, R_co]: ...
    def __get__(self, instance: Any, owner: Any = None, /) -> Any:
        """Bind the job as a method: the instance (for a class method, the class) travels with the arguments."""
        if self.kind == "function" and instance is not None:
            return BoundJob(self, instance)
        if self.kind == "class":
            return BoundJob(self, owner if owner is not None else type(instance))
        return self

    def __reduce__(self) -> Any:
        qualname = getattr(self.function, "__qualname__", "")
        home = home_of(self.function)
        if home == "__main__" or _job_at(namespace_of(self.function), qualname) is not self:
            raise TypeError(
                f"cannot pickle the job {self.name}: a worker can't find it as {qualname or 'an attribute'} in the module {home}"
            )
        return _find_job, (home, qualname)

    def __repr__(self) -> str:
        return f"<Job {self.name}>"


class BoundJob(MethodLike, Pushable[P, R_co]):
    """A job bound to an instance (or class), which is the first argument of its calls."""

    def __init__(self, job: Callee, first: object) -> None:
        self.name = job.name
        self._job = job
        self._first = (first,)

    if not TYPE_CHECKING:
        __getattr__ = attribute_of_class

    def __repr__(self) -> str:
        return f"<Job {self.name} of {self._first[0]!r}>"


def _class_method(name: str) -> JobDefinitionError:
    return JobDefinitionError(f"{name} looks like a class method: put @queue.job above @classmethod, not below")


def _find_job(module: str, qualname: str) -> Any:
    return _job_at(scripts[module] if is_script(module) else importlib.import_module(module).__dict__, qualname)


def _job_at(namespace: Mapping[str, Any], qualname: str) -> Any:
    found = look_up(namespace, qualname)
    # @staticmethod may be above @queue.job
    return getattr(found, "__func__", found)
