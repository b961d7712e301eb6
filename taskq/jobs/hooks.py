"""What a worker process opens before its first job and closes after its last, and where jobs find it: `taskq.state`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from taskq.errors import JobDefinitionError, TaskqError

__all__ = ["Hooks", "Resources", "state"]

Hook = TypeVar("Hook", bound=Callable[[], Any])
#: Given when a decorator is written with parentheses, so that this is said in plain words.
_MISSING: Any = None


class Hooks:
    """The functions that run at the start and at the end of each process that runs jobs. A queue has these methods."""

    def __init__(self) -> None:
        self.starting: list[Callable[[], Any]] = []
        self.stopping: list[Callable[[], Any]] = []
        self.lifespans: list[Callable[[], Any]] = []

    def on_start(self, function: Hook = _MISSING, /) -> Hook:
        """Call a function, sync or async, in each process that runs jobs, before its first job.

        Raises:
            JobDefinitionError: it can't be called without arguments, or yields.
        """
        self.starting.append(_checked(function, "on_start"))
        return function

    def on_stop(self, function: Hook = _MISSING, /) -> Hook:
        """Call a function, sync or async, in each process that runs jobs, after its last job.

        Raises:
            JobDefinitionError: it can't be called without arguments, or yields.
        """
        self.stopping.append(_checked(function, "on_stop"))
        return function

    def lifespan(self, function: Hook = _MISSING, /) -> Hook:
        """Open a context in each process that runs jobs, around all of them.

        Args:
            function: a generator function, sync or async, that yields once, or one that returns a context manager. It yields None,
                or a mapping: jobs find what it holds at `taskq.state`.

        Raises:
            JobDefinitionError: it can't be called without arguments, or can't be a context.
        """
        _checked(function, "lifespan")
        if inspect.iscoroutinefunction(function):
            raise JobDefinitionError(f"{_name(function)} can't be a lifespan: it never yields. For a start alone there is @queue.on_start")
        self.lifespans.append(function)
        return function


class _Closed(TaskqError, AttributeError):
    """Nothing is open here. An AttributeError too, so that what looks at objects (documentation tools, mocks) may look at this one."""


class Resources:
    """What the lifespans of this process have yielded: `taskq.state.pool`, or `taskq.state["pool"]`.

    A function of @queue.on_start may put something in: `taskq.state.pool = ...`.
    """

    _values: dict[str, Any] | None = None

    def open(self, values: dict[str, Any] | None) -> None:
        """Make these the values, or none. For the worker."""
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        values = self._opened()
        if name not in values:
            raise AttributeError(f"taskq.state has no {name!r}; it has {', '.join(sorted(values)) or 'nothing: no lifespan has yielded'}")
        return values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._opened()[name] = value

    def __getitem__(self, name: str) -> Any:
        return self._opened()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened())

    def __contains__(self, name: object) -> bool:
        return name in self._opened()

    def __repr__(self) -> str:
        return f"<taskq.state: {'closed' if self._values is None else ', '.join(sorted(self._values))}>"

    def _opened(self) -> dict[str, Any]:
        if self._values is None:
            raise _Closed("taskq.state is only known in a process that runs jobs: @queue.lifespan and @queue.on_start fill it there")
        return self._values


#: What was opened in this process.
state = Resources()


def _checked(function: Any, what: str) -> Callable[[], Any]:
    if not callable(function):
        given = "" if function is None else f", not {function!r}"
        raise JobDefinitionError(f"@queue.{what} takes a function{given}; it has no options: write it without parentheses")
    if what != "lifespan" and (inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)):
        raise JobDefinitionError(f"{_name(function)} can't be {what}: it yields, so nothing of it would run. Write @queue.lifespan")
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise JobDefinitionError(f"{_name(function)} can't be {what}: it is called without arguments, and has {error}") from None
    except ValueError:  # a built-in whose signature nobody knows
        pass
    return function  # type: ignore[no-any-return]


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
