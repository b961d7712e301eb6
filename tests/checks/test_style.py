"""The house rules that no linter checks: one idea a file, short functions, few parameters by place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checks.measure import file_lines, functions

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "taskq").rglob("*.py"))

FILE_LINES = 300
FUNCTION_LINES = 40
POSITIONAL = 6

LONG = '''
class Pump:
    """A class."""

    @staticmethod
    def prime(a, b): ...

    async def run(self, first, /, second, *rest, third=3):
        """Two lines of docstring,

        which do not count.
        """

        def inside():
            return 1

        return inside()
'''


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_keeps_the_house_rules(path: Path) -> None:
    """Given a file of taskq, then it is short, its functions are short, and they take few parameters by place."""
    source = path.read_text(encoding="utf-8")
    where = path.relative_to(ROOT)
    problems = []
    if file_lines(source) > FILE_LINES:
        problems.append(f"{where}: {file_lines(source)} lines; split it by its ideas (at most {FILE_LINES})")
    for size in functions(source):
        if size.lines > FUNCTION_LINES:
            problems.append(f"{where}:{size.line}: {size.name} has {size.lines} lines; name its steps (at most {FUNCTION_LINES})")
        if size.positional > POSITIONAL:
            problems.append(f"{where}:{size.line}: {size.name} takes {size.positional} by place (at most {POSITIONAL})")
    assert not problems, "\n" + "\n".join(problems)


def test_there_is_something_to_check() -> None:
    """Given the source tree, then the check above has found it."""
    assert ROOT / "taskq" / "__init__.py" in SOURCES


def test_functions_are_measured_without_docstring_and_self() -> None:
    """Given methods and a nested function, then docstrings, self and keyword-only parameters are not counted."""
    sizes = {size.name: (size.lines, size.positional) for size in functions(LONG)}
    assert sizes == {"prime": (1, 2), "run": (6, 2), "inside": (2, 0)}
