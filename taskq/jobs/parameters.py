"""The parameters of a job. A call is checked when it is made: a wrong one fails at the push, not in a worker an hour later."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from taskq.config import did_you_mean, nearest
from taskq.errors import ArgumentsError
from taskq.jobs.functions import signature_of
from taskq.jobs.options import PushOptions

__all__ = ["Signature"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Signature:
    """The signature of what is called: of a wrapper, not of the function that it wraps and may give other arguments.

    A function without a known signature (some built-ins) accepts any arguments.
    """

    __slots__ = ("_fewest", "_most", "_signature", "_wrapped", "names")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = signature_of(function, follow_wrapped=False)
        self._wrapped = signature_of(function) if hasattr(function, "__wrapped__") else None
        parameters = list(self._signature.parameters.values()) if self._signature else []
        positional = [one for one in parameters if one.kind in _POSITIONAL]
        self.names = tuple(one.name for one in positional)
        # Most calls have positional arguments only: counting them is ten times as fast as binding. -1: always bind.
        needs_names = any(one.kind is inspect.Parameter.KEYWORD_ONLY and one.default is inspect.Parameter.empty for one in parameters)
        takes_more = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)
        self._most: float = -1 if self._signature is None or needs_names else math.inf if takes_more else len(positional)
        self._fewest = sum(one.default is inspect.Parameter.empty for one in positional)

    def has(self, name: str) -> bool:
        """Return True if the function, or one that it wraps, has a parameter of that name."""
        return any(one is not None and name in one.parameters for one in (self._signature, self._wrapped))

    def fits(self, args: tuple[Any, ...]) -> bool:
        """Return True if positional arguments alone match the signature. If not, `check` decides."""
        return self._fewest <= len(args) <= self._most

    def check(self, job: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Check the arguments of a call.

        Raises:
            ArgumentsError: the arguments don't match the signature.
        """
        if not kwargs and self.fits(args):
            return
        if self._signature is None:
            return
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentsError(f"{job}{self._signature}: {error}{self._hint(kwargs, str(error))}") from None

    def _hint(self, kwargs: Mapping[str, Any], problem: str) -> str:
        if self.names[:1] == ("self",):
            return ". Push a method from its instance: instance.method.push(...)"
        parameters = self._signature.parameters if self._signature else {}
        if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
            return ""
        unknown = [name for name in kwargs if name not in parameters]
        for name in unknown:
            if advice := _advice(name, parameters):
                return _named(name, problem) + advice
        return f"{_named(unknown[0], problem)}; {did_you_mean(unknown[0], parameters)}" if unknown and parameters else ""


def _named(name: str, problem: str) -> str:
    return "" if repr(name) in problem else f". It has no parameter {name!r}"


def _advice(name: str, parameters: Collection[str]) -> str:
    """Return the end of an error about an argument that is an option, here or in another queue; "" if it is not."""
    from taskq.other_queues.words import OPTIONS, advice  # needed only for errors

    word = OPTIONS.get(name)
    option = name if word is None else word.ours
    if option in PushOptions.__struct_fields__:
        differs = f". {word.differs}" if word is not None and word.differs else ""
        return f". Set options of a push with job.options({option}=...).push(...){differs}"
    return "" if word is None or nearest(name, parameters) is not None else f"; {advice(name)}"
