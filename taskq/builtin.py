"""The two jobs every worker knows: an object that handles itself, and a callable that travels by value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

__all__ = ["CALL", "OBJECT", "Handles", "call_function", "handle_object", "label_of"]

#: Their names in messages. No decorated function can have them: a module's name holds no dot-less "taskq:" job of ours.
OBJECT = "taskq:object"
CALL = "taskq:call"


@runtime_checkable
class Handles(Protocol):
    """Any object with handle(). Optional: fail(exc), max_attempts, channel."""

    def handle(self) -> Any: ...


def handle_object(target: Handles) -> Any:
    """Run an object's own handle()."""
    return target.handle()


def call_function(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run a callable that came with the message."""
    return function(*args, **kwargs)


def label_of(target: Any) -> str:
    """What an operator sees instead of the built-in job's name."""
    named = target if hasattr(target, "__qualname__") else type(target)
    return f"{getattr(named, '__module__', '?')}:{named.__qualname__}"
