"""The table of tests/README.md: which file tests which behaviour."""

from __future__ import annotations

import ast
from pathlib import Path

__all__ = ["behaviour_table"]


def behaviour_table(folder: Path) -> str:
    """Return a table with the docstring and the name of each test file in `folder`."""
    rows = [f"| {_summary(path)} | [{path.name}]({folder.name}/{path.name}) |" for path in sorted(folder.glob("test_*.py"))]
    return "\n".join(["| behaviour | file |", "|---|---|", *rows])


def _summary(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].removesuffix(".")
