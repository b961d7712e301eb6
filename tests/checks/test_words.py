"""Plain English: the counts of tests/checks/words.py stay at or below their limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checks.texts import Text, banned, blocks, long_sentences, prose, texts
from tests.checks.words import ROWS, count, hits, main, too_many

CODE = '''"""Whether it shall end."""

def tell_all(told):  # nobody hears
    """Say it."""
    raise ValueError(f"{1} is none, or else", told)
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


def test_no_count_is_above_its_limit() -> None:
    """Given the pages and the code, then each count stays at or below its limit."""
    problems = too_many(count())
    assert not problems, "\n" + "\n".join(problems)


def test_hits_are_found_in_each_scope(tree: Path) -> None:
    """Given words in a page, a string, docstrings, comments and names, then each is a hit of its row at its line."""
    found = {
        (row.name, scope, hit.path, hit.line)
        for row in ROWS
        if not row.name.startswith("sentences")
        for scope in row.limits
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
    assert main(["--list", "headings", "--scope", "docs", "--in", "docs/"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(line.startswith("docs/") and ": [headings, docs] " in line for line in lines)
    assert all(text.path.endswith(".md") for text in texts("docs"))


def test_a_count_above_its_limit_is_a_problem() -> None:
    """Given one hit more than a limit, then the problem names the row, the scope and the command that lists the hits."""
    counts = {row.name: dict(row.limits) for row in ROWS}
    assert too_many(counts) == []
    counts["tell"]["docs"] += 1
    assert too_many(counts) == ["tell: 1 in docs, at most 0: python -m tests.checks.words --scope docs --list tell"]
