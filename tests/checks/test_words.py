"""Plain English: the counts of tests/checks/words.py stay at or below their ceilings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.checks.texts import Text, banned, blocks, long_sentences, prose, texts
from tests.checks.words import CEILINGS, ROWS, count, hits, main, too_many

CODE = '''"""Whether it shall end."""

def tell_all(told):  # nobody hears
    """Say it."""
    raise ValueError(f"{told} is none, or else")
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a project with one file of code and one page."""
    (tmp_path / "taskq").mkdir()
    (tmp_path / "taskq" / "ear.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "taskq" / "a.lua").write_text("x = 1 -- what is no more\n", encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# How\n\n```\ntell\n```\n\nWhoever tells.\n", encoding="utf-8")
    return tmp_path


def test_no_count_is_above_its_ceiling() -> None:
    """Given the pages and the code, then each count stays at or below its ceiling."""
    problems = too_many(count(), json.loads(CEILINGS.read_text(encoding="utf-8")))
    assert not problems, "\n" + "\n".join(problems)


def test_every_row_has_a_ceiling_for_each_of_its_scopes() -> None:
    """Given the rows, then the file of ceilings has exactly their scopes."""
    ceilings = json.loads(CEILINGS.read_text(encoding="utf-8"))
    assert {row: set(scopes) for row, scopes in ceilings.items()} == {row.name: set(row.targets) for row in ROWS}


def test_hits_are_found_in_each_scope(tree: Path) -> None:
    """Given words in a page, a string, docstrings, comments and names, then each is a hit of its row at its line."""
    found = {
        (row.name, scope, hit.path, hit.line)
        for row in ROWS
        if not row.name.startswith("sentences")
        for scope in row.targets
        for hit in hits(row, scope, tree)
    }
    assert found == {
        ("tell", "docs", "docs/a.md", 7),
        ("whoever", "docs", "docs/a.md", 7),
        ("headings", "docs", "docs/a.md", 1),
        ("what", "doc", "taskq/ear.py", 1),
        ("no-more", "doc", "taskq/ear.py", 1),
        ("say", "doc", "taskq/ear.py", 4),
        ("is-no", "strings", "taskq/ear.py", 5),
        ("else", "strings", "taskq/ear.py", 5),
        ("hear", "comm", "taskq/ear.py", 3),
        ("somebody", "comm", "taskq/ear.py", 3),
        ("is-no", "comm", "taskq/a.lua", 1),
        ("no-more", "comm", "taskq/a.lua", 1),
        ("identifiers", "names", "taskq/ear.py", 1),
        ("identifiers", "names", "taskq/ear.py", 3),
        ("identifiers", "names", "taskq/ear.py", 5),
    }


def test_names_are_split_at_underscores_and_capitals() -> None:
    """Given names, then a banned word counts as a whole part of a name only."""
    assert [name for name in ("tell_all", "GhostList", "SoloEngine", "HTTPEar", "until", "early", "foretell", "bells") if banned(name)] == [
        "tell_all",
        "GhostList",
        "SoloEngine",
        "HTTPEar",
    ]


def test_sentences_are_measured_without_code_and_links() -> None:
    """Given a page, then items, cells and sentences are measured apart; code and a link's address count little or nothing."""
    page = Text("a.md", 1, prose("One two. Three `four five` [six](a/b c).\n\n- seven e.g. eight\n| nine | ten eleven |\n\n```\nx\n```\n"))
    assert [block.text for block in blocks(page)] == ["One two. Three `four five` [six](a/b c).", "seven e.g. eight", "nine", "ten eleven"]
    assert [hit.text for hit in long_sentences(page, over=2)] == ["3 words: Three Code six.", "3 words: seven e.g. eight"]


def test_the_command_lists_hits(capsys: pytest.CaptureFixture[str]) -> None:
    """Given `--list` with a row, a part of a path and a scope, then only such hits are printed."""
    assert main(["--list", "own", "--scope", "docs", "--in", "docs/"]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert all(line.startswith("docs/") and ": [own, docs] " in line for line in lines if line)
    assert all(text.path.endswith(".md") for text in texts("docs"))
