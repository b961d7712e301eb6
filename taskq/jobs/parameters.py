"""The parameters of a job, checked where the call is made: a wrong call is an error at push, not in a worker an hour later."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from taskq.errors import ArgumentsError

__all__ = ["Signature"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Signature:
    """What a function can be called with. Of a function that doesn't tell (some built-ins), anything."""

    __slots__ = ("_fewest", "_most", "_signature", "names")

    def __init__(self, function: Callable[..., Any]) -> None:
        try:
            self._signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):
            self._signature = None
        parameters = list(self._signature.parameters.values()) if self._signature else []
        positional = [one for one in parameters if one.kind in _POSITIONAL]
        self.names = tuple(one.name for one in positional)
        # Calls by position alone are the most: counting them is ten times as fast as binding. -1: always bind.
        simple = bool(self._signature) and len(positional) == len(parameters)
        self._most = len(positional) if simple else -1
        self._fewest = sum(one.default is inspect.Parameter.empty for one in positional)

    def has(self, name: str) -> bool:
        """Whether the function has a parameter of that name."""
        return self._signature is not None and name in self._signature.parameters

    def check(self, job: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Check a call.

        Raises:
            ArgumentsError: the function can't be called like that.
        """
        if not kwargs and self._fewest <= len(args) <= self._most:
            return
        if self._signature is None:
            return
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            hint = ". Push a method from its instance: instance.method.push(...)" if self.names[:1] == ("self",) else ""
            raise ArgumentsError(f"{job}{self._signature}: {error}{hint}") from None
