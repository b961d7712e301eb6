"""Exception groups: the errors in them. A task group raises one, even for a single error."""

from __future__ import annotations

__all__ = ["leaves_of"]


def leaves_of(error: BaseException, whole: tuple[type[BaseException], ...] = ()) -> list[BaseException]:
    """Return the errors in a group and in its subgroups, in order and each once. Any other exception is returned alone.

    Args:
        error: the exception.
        whole: groups of these classes are returned as they are.
    """
    found: list[BaseException] = []
    seen: set[int] = set()  # a group may be in it several times: then the number of paths may double with each level
    left = [error]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, BaseExceptionGroup) and not isinstance(one, whole):
            left += reversed(one.exceptions)
        else:
            found.append(one)
    return found
