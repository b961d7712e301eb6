"""The two built-in jobs of every queue: run an object with `handle()`, and run a callable that travels by value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

from taskq.errors import ArgumentsError
from taskq.jobs.call import Call, Callee
from taskq.jobs.functions import is_generator, returns_generator
from taskq.jobs.job import Pushable
from taskq.jobs.options import Delay, PushOptions
from taskq.jobs.parameters import Signature

__all__ = ["CALL", "OBJECT", "SupportsHandle", "call_function", "function_call", "handle_object", "label_of", "object_call"]

R_co = TypeVar("R_co", covariant=True)

#: Their names in messages. Reserved: `check_job_name` refuses names that begin with "taskq:".
OBJECT = "taskq:object"
CALL = "taskq:call"


@runtime_checkable
class SupportsHandle(Protocol[R_co]):
    """Protocol of an object with `handle()`. Optional: `fail(exception)`, `max_attempts`, `channel`, `result_ttl`."""

    def handle(self) -> R_co: ...


def handle_object(target: SupportsHandle[Any]) -> Any:
    """Run the `handle()` method of an object."""
    return target.handle()


def call_function(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run a callable that travelled with the message."""
    return function(*args, **kwargs)


def object_call(job: Callee, target: Any, delay: Delay) -> Call[Any]:
    """Return the call that runs an object's `handle()`, with the options that are attributes of the object.

    A bound call is returned as it is, with the delay.

    Raises:
        ArgumentsError: the target has no `handle()` method, or that is a generator function.
        ConfigError: the target's `max_attempts`, `channel` or `result_ttl` is invalid.
    """
    if isinstance(target, Call):
        return target if delay == 0 else target.with_options(delay=delay)
    if isinstance(target, type) or not callable(getattr(target, "handle", None)):
        raise ArgumentsError(f"queue.push() needs an object with a handle() method; got {target!r}{_advice(target)}")
    label = label_of(target)
    _refuse_generator(target.handle, f"{label}.handle()")
    options = {"delay": delay, "max_attempts": getattr(target, "max_attempts", None), "channel": getattr(target, "channel", None)}
    options["result_ttl"] = getattr(target, "result_ttl", None)
    return Call(job, (target,), {}, PushOptions().with_changes(options), label)


def function_call(job: Callee, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call[Any]:
    """Return the call that runs a callable by value. A job is called as itself. The keyword argument `delay` belongs to the push.

    Raises:
        ArgumentsError: the object is not callable, is a generator function, or doesn't accept the arguments.
    """
    delay = kwargs.pop("delay", 0)
    if isinstance(function, Pushable):
        return function.options(delay=delay).bind(*args, **kwargs)
    if not callable(function):
        raise ArgumentsError(f"queue.call() needs a callable and its arguments; got {function!r}")
    signature, label = Signature(function), label_of(function)
    if signature.has("delay"):
        raise ArgumentsError(f"{label} has a parameter named 'delay', which queue.call() reserves: push a lambda that calls the function")
    _refuse_generator(function, label)
    signature.check(label, args, kwargs)
    return Call(job, (function, *args), kwargs, PushOptions().with_changes({"delay": delay}), label)


def _refuse_generator(function: Any, label: str) -> None:
    if is_generator(function) or returns_generator(function):
        raise ArgumentsError(f"{label} is a generator function, so calling it runs nothing: decorate it with @queue.job(result_ttl=3600)")


def _advice(target: Any) -> str:
    if isinstance(target, type):
        return f": push an instance, {target.__name__}(...)"
    if isinstance(target, Pushable):
        return ": push a job with its own push(...)"
    return "; for a function use queue.call(function, ...)" if callable(target) else ""


def label_of(target: Any) -> str:
    """Return the label of a target: the name that operators see instead of the built-in job's name."""
    while isinstance(target, functools.partial):
        target = target.func
    named = target if hasattr(target, "__qualname__") else type(target)
    return f"{getattr(named, '__module__', '?')}:{named.__qualname__}"
