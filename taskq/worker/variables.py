"""The context variables that each job begins with: those of the application's import and of its startup hooks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import Context, copy_context

__all__ = ["NewContext", "context_maker"]

NewContext = Callable[[], Context]


def context_maker() -> NewContext:
    """Return a function that makes the context of a job: a copy of the current one.

    The arithmetic context of `decimal` is a context variable whose value is usually changed in place, so a copy has a copy of it.
    """
    base = copy_context()
    decimal = sys.modules.get("decimal")
    shared = [(variable, value) for variable, value in base.items() if decimal is not None and isinstance(value, decimal.Context)]
    if not shared:
        return base.copy

    def new_context() -> Context:
        context = base.copy()
        for variable, value in shared:
            context.run(variable.set, value.copy())
        return context

    return new_context
