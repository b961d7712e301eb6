"""The calls of one `push_many`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from taskq.errors import ArgumentsError
from taskq.jobs.call import Call, Callee
from taskq.jobs.options import PushOptions

__all__ = ["ManyCalls"]


class ManyCalls:
    """Tuples of arguments for one job, and bound calls. Iterating binds them all; a queue packs most tuples without a bound call.

    Attributes:
        job: the job.
        first: the first arguments of each call: the instance, for a method.
        options: the options of the push. A bound call's own options come first.
        items: the tuples and bound calls.
    """

    __slots__ = ("first", "items", "job", "options")

    def __init__(self, job: Callee, first: tuple[Any, ...], options: PushOptions, items: Any) -> None:
        """Check only that `items` can be iterated over.

        Raises:
            ArgumentsError: it can't.
        """
        if not isinstance(items, Iterable):
            text = f"push_many of {job.name} needs a list of calls; got {type(items).__name__}"
            raise ArgumentsError(f"{text}. Pass a tuple of arguments for each call: push_many([(1,), (2,)])")
        self.job = job
        self.first = first
        self.options = options
        self.items: Iterable[Any] = items

    def __iter__(self) -> Iterator[Call[Any]]:
        return map(self.bind, self.items)

    def bind(self, item: Any) -> Call[Any]:
        """Return the bound call of a tuple of arguments, or a bound call with these options.

        Raises:
            ArgumentsError: the item is neither, or the arguments don't match the signature.
        """
        if isinstance(item, Call):
            return item.with_defaults(self.options)
        if not isinstance(item, (tuple, list)):
            raise ArgumentsError(f"push_many of {self.job.name} needs tuples of arguments or bound calls; got {type(item).__name__}")
        return Call(self.job, (*self.first, *item), {}, self.options)
