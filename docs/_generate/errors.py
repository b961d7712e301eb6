"""The tree of errors as Markdown."""

from __future__ import annotations

import inspect

__all__ = ["error_tree"]


def error_tree(root: type[BaseException], depth: int = 0) -> str:
    """Return a nested list: each error, when it is raised, and its subclasses below it."""
    line = f"{'  ' * depth}- `{root.__name__}`: {_first_sentence(root)}"
    own = [kind for kind in root.__subclasses__() if kind.__module__ == root.__module__]
    return "\n".join([line, *(error_tree(kind, depth + 1) for kind in own)])


def _first_sentence(kind: type[BaseException]) -> str:
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")
