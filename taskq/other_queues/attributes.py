"""Attributes of other queues, such as `job.delay`: the AttributeError names what replaces them."""

from __future__ import annotations

from typing import Any

__all__ = ["hints"]


def hints(kind: str) -> Any:
    """Return a `__getattr__` for a class. It runs only for attributes that don't exist, and never looks at the object.

    Assign it where type checkers don't see it: with a `__getattr__`, they would accept every attribute.

    Args:
        kind: the table of words; see `taskq.other_queues.words`.
    """

    def __getattr__(self: Any, name: str) -> Any:  # noqa: N807
        owner = type(self).__name__
        if not name.startswith("_"):
            from taskq.other_queues.words import instead_of  # needed only for errors

            if (text := instead_of(kind, name)) is not None:
                # Without `obj`, Python doesn't append a suggestion, such as 'queue' for 'enqueue'.
                raise AttributeError(f"{owner!r} object has no attribute {name!r}: {text}", name=name)
        raise AttributeError(f"{owner!r} object has no attribute {name!r}", name=name, obj=self)

    return __getattr__
