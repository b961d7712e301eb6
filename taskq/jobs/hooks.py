"""Hooks of worker processes and of runs, and the resources that startup hooks open for jobs: `taskq.state`."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload
from weakref import WeakSet

from taskq.errors import JobDefinitionError, TaskqError
from taskq.jobs.functions import check_decorated, is_generator, qualname_of, signature_of

if TYPE_CHECKING:
    from taskq.jobs.around.wrapper import Wrapper
    from taskq.jobs.job import Pushable

__all__ = ["Hooks", "Resources", "queues", "state"]

Hook = TypeVar("Hook", bound=Callable[[], Any])
WrapperFunction = TypeVar("WrapperFunction", bound=Callable[..., Iterator[None] | AsyncIterator[None]])
#: The default of a decorator that is used with parentheses, so that the error can explain this.
_MISSING: Any = None


#: All queues of this process, for `taskq.testing`.
queues: WeakSet[Hooks] = WeakSet()


class Hooks:
    """Hooks that run at the start and end of each worker process, and around each run. A queue inherits these methods."""

    def __init__(self) -> None:
        self.starting: list[Callable[[], Any]] = []
        self.stopping: list[Callable[[], Any]] = []
        self.lifespans: list[Callable[[], Any]] = []
        #: The wrappers of runs, the outermost first.
        self.wrappers: list[Wrapper] = []

    def on_start(self, function: Hook = _MISSING, /) -> Hook:
        """Call a function, sync or async, in each worker process before its first job. Use as a decorator without options.

        Raises:
            JobDefinitionError: the function requires arguments, or is a generator function.
        """
        self.starting.append(_checked(function, "on_start"))
        return function

    def on_stop(self, function: Hook = _MISSING, /) -> Hook:
        """Call a function, sync or async, in each worker process after its last job. Use as a decorator without options.

        Raises:
            JobDefinitionError: the function requires arguments, or is a generator function.
        """
        self.stopping.append(_checked(function, "on_stop"))
        return function

    def lifespan(self, function: Hook = _MISSING, /) -> Hook:
        """Open a context in each worker process before its first job, and close it after the last. Use as a decorator without options.

        Args:
            function: a generator function, sync or async, that yields once, or a function that returns a context manager. It
                yields None or a mapping, whose values jobs read from `taskq.state`.

        Raises:
            JobDefinitionError: the function requires arguments, or is a coroutine function.
        """
        _checked(function, "lifespan")
        if inspect.iscoroutinefunction(function):
            raise JobDefinitionError(f"{qualname_of(function)} can't be a lifespan: it never yields. Use @queue.on_start for startup code")
        self.lifespans.append(function)
        return function

    @overload
    def around(self, function: WrapperFunction, /) -> WrapperFunction: ...
    @overload
    def around(
        self, /, *, jobs: Sequence[Pushable[..., Any] | str] | None = None, channels: Sequence[str] | None = None
    ) -> Callable[[WrapperFunction], WrapperFunction]: ...
    def around(self, function: Any = _MISSING, /, *, jobs: Any = None, channels: Any = None) -> Any:
        """Wrap each run in a generator: in the job's own thread or task and context variables. Use as a decorator, also without options.

        The code before the `yield` runs before the job, and the code after it when the job has ended. `yield` returns the job's return
        value, or raises its exception. The first wrapper is the outermost.

        Args:
            function: a generator function, sync or async, that yields once. It takes the `Context` of the run, or three parameters: the
                context, the positional arguments (tuple) and the keyword arguments (dict) of the job. An async one wraps async jobs only.
            jobs: the jobs, or their names, whose runs to wrap. Default: all.
            channels: the channels whose runs to wrap. Default: all.

        Raises:
            JobDefinitionError: the function is not a generator function, takes other parameters, or can't wrap one of the jobs.
        """
        from taskq.jobs.around.wrapper import make_wrapper

        def add(function: WrapperFunction) -> WrapperFunction:
            self.wrappers.append(make_wrapper(function, jobs, channels))
            return function

        return add if function is _MISSING else add(function)


class _Closed(TaskqError, AttributeError):
    """`taskq.state` is not open here. Also an AttributeError, so that documentation tools and mocks can inspect the object."""


class Resources:
    """The values that the lifespans of this worker process yielded: `taskq.state.pool`, or `taskq.state["pool"]`.

    A function with `@queue.on_start` may add values: `taskq.state.pool = ...`. Outside a worker process, access raises a
    `TaskqError` that is also an AttributeError.
    """

    _values: dict[str, Any] | None = None

    def open(self, values: dict[str, Any] | None) -> None:
        """Set the values, or close the state with None. For the worker."""
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        values = self._opened()
        if name not in values:
            raise AttributeError(f"taskq.state has no {name!r}; it has {', '.join(sorted(values)) or 'no values: no lifespan yielded any'}")
        return values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._opened()[name] = value

    def __getitem__(self, name: str) -> Any:
        return self._opened()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened())

    def __contains__(self, name: object) -> bool:
        return name in self._opened()

    def __reduce__(self) -> str:
        return "state"  # where it is unpickled, it is the state of that process

    def __repr__(self) -> str:
        return f"<taskq.state: {'closed' if self._values is None else ', '.join(sorted(self._values))}>"

    def _opened(self) -> dict[str, Any]:
        if self._values is None:
            raise _Closed("taskq.state works only in a worker process, where @queue.lifespan and @queue.on_start fill it")
        return self._values


#: The resources of this process.
state = Resources()


def _checked(function: Any, what: str) -> Callable[[], Any]:
    check_decorated(function, what)
    if what != "lifespan" and is_generator(function):
        raise JobDefinitionError(f"{qualname_of(function)} can't be {what}: it yields, so calling it runs nothing. Use @queue.lifespan")
    signature = signature_of(function, follow_wrapped=False)  # of what is called: a decorator may give arguments
    try:
        if signature is not None:
            signature.bind()
    except TypeError as error:
        raise JobDefinitionError(f"{qualname_of(function)} can't be {what}: it must be callable without arguments: {error}") from None
    return function  # type: ignore[no-any-return]
