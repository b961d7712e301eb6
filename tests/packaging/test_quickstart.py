"""Reading the README's quickstart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.quickstart import missing_lines, read_quickstart

README = Path(__file__).resolve().parents[2] / "README.md"

PAGE = """
```console
$ elsewhere
```
<!-- quickstart -->
```python
# jobs.py
x = 1
```
then
```console
$ python jobs.py   # a remark
pushed ...
$ taskq worker --burst
```
<!-- /quickstart -->
"""


def test_files_and_commands_are_found() -> None:
    """Given a page, then only the files and commands of its quickstart are read."""
    found = read_quickstart(PAGE)
    assert found.files == {"jobs.py": "# jobs.py\nx = 1\n"}
    assert [(command.line, command.prints) for command in found.commands] == [
        ("python jobs.py   # a remark", ["pushed ..."]),
        ("taskq worker --burst", []),
    ]


@pytest.mark.parametrize("page", ["", PAGE.replace("# jobs.py", "jobs"), PAGE.replace("$ ", "> ")])
def test_a_page_without_one_is_an_error(page: str) -> None:
    """Given a page without the part, without a file or without a command, then reading it is an error."""
    with pytest.raises(ValueError, match="quickstart"):
        read_quickstart(page)


def test_dots_stand_for_anything() -> None:
    """Given what a command printed, then only lines that it lacks are missing."""
    assert missing_lines(["pushed ... to default", "done"], "pushed 017 to default\n") == ["done"]


def test_the_readme_has_a_quickstart() -> None:
    """Given the README, then a newcomer finds a file to write and a worker to start."""
    found = read_quickstart(README.read_text(encoding="utf-8"))
    assert any(name.endswith(".py") for name in found.files)
    assert any(command.line.startswith("taskq worker") for command in found.commands)
