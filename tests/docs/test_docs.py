"""What the documentation says can be done: its code runs, its settings are valid, its commands and names exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from taskq.config import load_settings
from taskq.driver.embedded.server import is_available
from tests.docs.names import error_texts, problem_of_command, problem_of_name, problem_of_variable
from tests.docs.pages import Block, Page, commands, pages, taskq_commands
from tests.docs.walk import missing, walk
from tests.support.worker import ROOT

PAGES = pages()
WALKS = [page for page in PAGES if page.is_walk]


def _name(page: Page) -> str:
    return page.name


@pytest.mark.parametrize("page", WALKS, ids=_name)
def test_a_walk_prints_what_the_page_shows(page: Page) -> None:
    """Given a page that is a walk, when all of it is done in an empty folder, then each command prints what the page says."""
    if not is_available():
        pytest.skip("the extra `embedded` is not installed")
    walk(page)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_its_code_compiles(page: Page) -> None:
    """Given the Python blocks of a page, then each is valid Python."""
    for block in page.blocks("python", "py"):
        compile(block.text, f"{page.name}:{block.line}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_its_settings_are_valid(page: Page, tmp_path: Path) -> None:
    """Given the TOML blocks of a page, then taskq reads each as its settings."""
    for number, block in enumerate(page.blocks("toml")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / (block.file or "taskq.toml")).write_text(block.text)
        assert load_settings(environ={}, start=folder).channels


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_its_commands_exist(page: Page) -> None:
    """Given every command of taskq on a page, in code blocks and in the text, then it exists with the options that it has there."""
    shown = [command.line for block in page.blocks("console") for command in commands(block)]
    shown += [block.text for block in page.blocks("sh", "ini", "yaml", "dockerfile")]
    shown += [span for span in page.spans() if span.startswith("taskq ")]
    found = [words for text in shown for words in taskq_commands(text)]
    problems = [f"taskq {words}: {problem}" for words in found if (problem := problem_of_command(words))]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_the_names_it_uses_exist(page: Page) -> None:
    """Given every `taskq.name` and TASKQ_ variable on a page, then there is such a one."""
    names = {
        match[0] for span in page.spans() for match in re.finditer(r"^taskq(?:\.[A-Za-z]\w*)+", span) if not span.endswith((".toml", ".py"))
    }
    variables = set(re.findall(r"\bTASKQ_[A-Z]\w*", page.text.replace("<NAME>", "DEFAULT").replace("<KEY>", "PROCESSES")))
    problems = [*filter(None, map(problem_of_name, sorted(names))), *filter(None, map(problem_of_variable, sorted(variables)))]
    assert not problems, "\n".join(problems)


def test_the_errors_in_troubleshooting_exist_in_the_code() -> None:
    """Given each heading of the troubleshooting page that quotes an error, then the code has that text (… stands for a value)."""
    page = next(page for page in PAGES if page.name == "guide/troubleshooting.md")
    quoted = re.findall(r"^### `(.+)`$", page.text, re.MULTILINE)
    assert len(quoted) > 20
    assert [text for text in quoted if not any(text in one for one in error_texts())] == []


def test_the_tests_that_show_a_guarantee_exist() -> None:
    """Given the pages of guarantees, then each row has a row that names its tests, and each test that is named exists."""
    page, tested = (next(page for page in PAGES if page.name == name) for name in ("guarantees.md", "guarantees-tested.md"))
    named = {span for span in tested.spans() if span.startswith("test_")}
    there = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"^ *def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert len(named) > 10
    assert named - there == set()
    faults = [re.sub(r" \[\^\w+\]$", "", row) for row in _first_cells(page.text.split("## Outcomes of a push")[0])]
    assert len(faults) > 30
    assert _first_cells(tested.text) == faults
    assert [row for row in re.findall(r"^\|(.*)\|$", tested.text, re.MULTILINE)[2:] if "`test_" not in row] == []


def _first_cells(text: str) -> list[str]:
    cells = [row.split("|")[0].strip() for row in re.findall(r"^\|(.*)\|$", text, re.MULTILINE)]
    return [cell for cell in cells if cell != "fault" and not cell.startswith("---")]


def test_every_walk_is_found() -> None:
    """Given the pages, then those that a newcomer follows are walks, and each of them runs something."""
    assert {"quickstart.md", "guide/retries.md"} <= {page.name for page in WALKS}
    assert [page.name for page in WALKS if not page.blocks("console")] == []


def test_blocks_are_read() -> None:
    """Given a console block, then its commands are found with what they print; a file is known by its first line."""
    assert [tuple(one) for one in commands(Block("console", "$ a b\nc\n\n$ d\n", 1))] == [("a b", ["c"]), ("d", [])]
    assert (Block("python", "# a/b.py\nx = 1\n", 1).file, Block("python", "# a remark\n", 1).file) == ("a/b.py", None)


def test_what_is_not_printed_is_missing() -> None:
    """Given what a command printed, then only lines that it lacks are missing, white space aside; ... stands for anything."""
    output = "ID     STATE\n017ab  failed  now\n"
    assert missing(["ID STATE", "... failed ...", "017ab ... now"], output) == []
    assert missing(["017ab delayed", "... now failed"], output) == ["017ab delayed", "... now failed"]


def test_a_command_that_is_not_there_is_a_problem() -> None:
    """Given commands, options, names and variables that don't exist, then each is a problem."""
    texts = "x | taskq info --json > y; taskq lst; /srv/bin/taskq worker --proceses 2 && ls taskq.toml # taskq nothing"
    assert list(taskq_commands(texts)) == ["info --json", "lst", "worker --proceses 2"]
    assert [problem_of_command(words) is None for words in taskq_commands(texts)] == [True, False, False]
    assert problem_of_command("server stop") is None
    assert problem_of_name("taskq.contrib.listeners.reload_timeouts") is None
    assert problem_of_name("taskq.Quue")
    assert problem_of_variable("TASKQ_CHANNELS__MAIL__PROCESSES") is None
    assert problem_of_variable("TASKQ_CHANELS__MAIL__PROCESSES")
