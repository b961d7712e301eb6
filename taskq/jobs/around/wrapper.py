"""`@queue.around`: a generator function that wraps runs of jobs, checked at the decorator and when the app is loaded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from taskq.config import did_you_mean
from taskq.context import current
from taskq.errors import JobDefinitionError
from taskq.jobs.builtin import CALL, OBJECT
from taskq.jobs.functions import is_generator, signature_of
from taskq.jobs.job import Job, Pushable

__all__ = ["Wrapper", "check_wrappers", "make_wrapper", "wrong_kind"]


class Wrapper(NamedTuple):
    """A generator function that wraps runs, and the jobs and channels whose runs it wraps (None: all)."""

    function: Callable[..., Any]
    is_async: bool
    #: True if it takes the arguments of the job, too.
    takes_arguments: bool
    jobs: frozenset[str] | None
    channels: frozenset[str] | None

    @property
    def name(self) -> str:
        return _name(self.function)

    def covers(self, job: str, channel: str) -> bool:
        """Return True if it wraps the runs of a job in a channel."""
        return (self.jobs is None or job in self.jobs) and (self.channels is None or channel in self.channels)

    def open(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return the generator for the current run."""
        return self.function(current(), args, kwargs) if self.takes_arguments else self.function(current())


class _App(Protocol):
    """Protocol: the parts of a queue that `check_wrappers` looks at."""

    wrappers: list[Wrapper]

    @property
    def jobs(self) -> Iterable[Job[Any, Any]]: ...

    def channel(self, name: str) -> object: ...


def make_wrapper(function: Any, jobs: Any = None, channels: Any = None) -> Wrapper:
    """Return the wrapper of a function that `@queue.around` decorates.

    Raises:
        JobDefinitionError: it is not a generator function, takes other parameters, or `jobs` or `channels` is not a list of them.
    """
    is_async = inspect.isasyncgenfunction(function)
    if not is_async and not inspect.isgeneratorfunction(function):
        raise JobDefinitionError(f"@queue.around must decorate a generator function that yields once; got {_described(function)}")
    signature, parameters = signature_of(function), 1
    for parameters in (1, 3):
        try:
            if signature is not None:
                signature.bind(*range(parameters))
            break
        except TypeError:
            continue
    else:
        raise JobDefinitionError(
            f"{_name(function)} can't wrap jobs: it must take one parameter, the context, or three: context, args, kwargs"
        )
    chosen = _listed(jobs, "jobs", "jobs or their names", lambda one: one.name if isinstance(one, Pushable) else one)
    wrapper = Wrapper(function, is_async, parameters == 3, chosen, _listed(channels, "channels", "names", lambda one: one))
    for job in jobs or () if is_async else ():
        _check_kind(wrapper, job)
    return wrapper


def check_wrappers(queue: _App) -> None:
    """Check the wrappers of an app, once it is loaded: their jobs, their channels, and that async ones wrap only async jobs.

    Raises:
        JobDefinitionError: an async generator would wrap a sync job, or a name in `jobs` is unknown.
        UnknownChannel: a channel in `channels` is unknown.
    """
    names = [job.name for job in queue.jobs]
    for one in queue.wrappers:
        for name in sorted(one.jobs or ()):
            if name not in names:
                raise JobDefinitionError(f"{one.name} wraps the unknown job {name!r}; {did_you_mean(name, names)}")
        for name in sorted(one.channels or ()):
            queue.channel(name)
        for job in queue.jobs:
            if one.is_async and job.name not in (OBJECT, CALL) and one.covers(job.name, job.options_of_job.channel):
                _check_kind(one, job)


def _check_kind(one: Wrapper, job: Any) -> None:
    function = job._job.function if isinstance(job, Pushable) else None
    if function is not None and not inspect.iscoroutinefunction(function) and not inspect.isasyncgenfunction(function):
        raise JobDefinitionError(wrong_kind(one, job.name))


def wrong_kind(one: Wrapper, job: str) -> str:
    """Return the text of the error: an async wrapper, and a job that is not async."""
    return (
        f"{one.name} is an async generator and can't wrap {job}, which is not an async function. "
        "Write it with `def`, which works for every job, or name its jobs: @queue.around(jobs=[...])"
    )


def _listed(given: Any, option: str, expected: str, name_of: Callable[[Any], Any]) -> frozenset[str] | None:
    if given is None:
        return None
    names = [name_of(one) for one in given] if isinstance(given, Iterable) and not isinstance(given, (str, Pushable)) else []
    if not names or not all(isinstance(one, str) for one in names):
        raise JobDefinitionError(f"{option} of @queue.around must be a list of {expected}; got {given!r}")
    return frozenset(names)


def _described(function: Any) -> str:
    if isinstance(function, Pushable):
        return f"the job {function.name}"
    inner = inspect.unwrap(function) if callable(function) else function
    if inner is not function and is_generator(inner):
        return f"{_name(function)} below another decorator: remove that one (taskq makes the context manager itself)"
    return f"{_name(function)}, which doesn't yield" if callable(function) else repr(function)


def _name(function: Any) -> str:
    name = getattr(function, "__qualname__", None)
    return f"{function.__module__}:{name}" if name else repr(function)
