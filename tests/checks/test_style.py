"""The house rules that no linter checks: one idea a file, short functions, few parameters by place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checks.measure import file_lines, functions

ROOT = Path(__file__).resolve().parents[2]

FILE_LINES = 300
#: Files that may be longer, up to LONGEST, and why: each holds one idea that a cut would split.
LONGEST = 350
LONGER: dict[str, str] = {
    "taskq/driver/contract.py": "it has a line for each command of a driver, and the types that they take",
    "taskq/driver/redis/driver.py": "it has a method for each command of the contract, and nothing else",
    "taskq/testing/driver.py": "it has a method for each command of the contract, and nothing else",
    "taskq/scoreboard/slot.py": "it reads and writes one layout, for both of its sides",
    "taskq/jobs/job.py": "the docstrings of public classes are the API reference",
}
FUNCTION_LINES = 40
POSITIONAL = 6
FOLDER_FILES = 16

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


def _problems(path: Path) -> Iterator[str]:
    source = path.read_text(encoding="utf-8")
    where = path.relative_to(ROOT)
    limit = LONGEST if LONGER.get(str(where)) else FILE_LINES
    if file_lines(source) > limit:
        yield f"{where}: {file_lines(source)} lines; split it by its ideas (at most {limit})"
    for size in functions(source):
        if size.lines > FUNCTION_LINES:
            yield f"{where}:{size.line}: {size.name} has {size.lines} lines; name its steps (at most {FUNCTION_LINES})"
        if size.positional > POSITIONAL:
            yield f"{where}:{size.line}: {size.name} takes {size.positional} by place (at most {POSITIONAL})"


def test_every_folder_is_small() -> None:
    """Given the folders of taskq, then each has few files, except for the one with a file for each command."""
    folders = {path.parent for path in (ROOT / "taskq").rglob("*.py")} - {ROOT / "taskq/cli"}
    sizes = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) for folder in folders}
    assert {name: size for name, size in sizes.items() if size > FOLDER_FILES} == {}


def test_every_file_keeps_the_house_rules() -> None:
    """Given the files of taskq, then each is short, its functions are short, and they take few parameters by place."""
    sources = sorted((ROOT / "taskq").rglob("*.py"))
    assert ROOT / "taskq" / "__init__.py" in sources
    problems = [problem for path in sources for problem in _problems(path)]
    assert not problems, "\n" + "\n".join(problems)


def test_what_is_too_long_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file that breaks each rule, then each is named with its place."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "long.py"
    path.write_text("def f(a, b, c, d, e, f, g):\n" + "    a = 1\n" * FILE_LINES, encoding="utf-8")
    assert [problem.split("; ")[0] for problem in _problems(path)] == [
        "long.py: 301 lines",
        "long.py:1: f has 301 lines",
        "long.py:1: f takes 7 by place (at most 6)",
    ]


def test_a_file_with_a_reason_may_be_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a reason, then a file may have 350 lines and not one more; a reason for a file that is short enough is out of date."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    monkeypatch.setitem(LONGER, "long.py", "one idea")
    path = tmp_path / "long.py"
    path.write_text("a = 1\n" * LONGEST, encoding="utf-8")
    assert list(_problems(path)) == []
    path.write_text("a = 1\n" * (LONGEST + 1), encoding="utf-8")
    assert [problem.split("; ")[0] for problem in _problems(path)] == ["long.py: 351 lines"]


def test_every_reason_is_needed() -> None:
    """Given the files that may be longer, then each is."""
    assert [name for name in LONGER if file_lines((ROOT / name).read_text(encoding="utf-8")) <= FILE_LINES] == []


def test_functions_are_measured_without_docstring_and_self() -> None:
    """Given methods and a nested function, then docstrings, self and keyword-only parameters are not counted."""
    sizes = {size.name: (size.lines, size.positional) for size in functions(LONG)}
    assert sizes == {"prime": (1, 2), "run": (6, 2), "inside": (2, 0)}
