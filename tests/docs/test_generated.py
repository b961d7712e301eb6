"""The generated parts of the documentation: they are what the code makes now, and the command writes them."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from docs._generate import pages
from docs._generate.__main__ import main
from docs._generate.commands import command_reference
from docs._generate.comparison import comparison
from docs._generate.guarantees import guarantee_page
from docs._generate.pages import outdated, write


def test_every_generated_part_is_up_to_date() -> None:
    """Given the pages, then each generated part and file is what the code makes now."""
    names = list(outdated())
    assert not names, f"run `python -m docs._generate` and commit: {', '.join(names)}"


def test_a_part_is_written_between_its_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a page and a file that are out of date, then --check names both; the command writes them and keeps what is around a part."""
    docs = tmp_path / "docs"
    docs.mkdir()
    page = docs / "a.md"
    page.write_text("# A\n\n<!-- generated: b -->\nold\n<!-- end of b -->\n\nend\n", encoding="utf-8")
    monkeypatch.setattr(pages, "DOCS", docs)
    monkeypatch.setattr(pages, "PARTS", {"a.md": {"b": lambda: "new \\1"}})
    monkeypatch.setattr(pages, "FILES", {"c.md": lambda: "all\n"})
    assert main(["--check"]) == 1
    assert capsys.readouterr().out.count("is out of date: run python -m docs._generate") == 2
    assert main([]) == 0
    assert page.read_text(encoding="utf-8") == "# A\n\n<!-- generated: b -->\n\nnew \\1\n\n<!-- end of b -->\n\nend\n"
    assert (docs / "c.md").read_text(encoding="utf-8") == "all\n"
    assert (main(["--check"]), list(write())) == (0, [])


def test_a_page_without_the_comments_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a page that lacks the comments of a part, then the error names the page and the comments."""
    (tmp_path / "a.md").write_text("# A\n", encoding="utf-8")
    monkeypatch.setattr(pages, "DOCS", tmp_path)
    monkeypatch.setattr(pages, "PARTS", {"a.md": {"b": str}})
    with pytest.raises(ValueError, match=r"docs/a\.md must have one generated part between <!-- generated: b -->"):
        list(outdated())


def test_a_guarantee_needs_tests_that_exist(tmp_path: Path) -> None:
    """Given a folder without the tests that are listed, then the page can't be made."""
    with pytest.raises(KeyError, match="test_"):
        guarantee_page(tmp_path)


def test_a_command_is_shown_with_its_options() -> None:
    """Given a command, then its usage, its help with examples, its choices, range and default are shown, and | is escaped."""

    @click.group()
    def tool() -> None:
        """Do it."""

    @tool.command("run")
    @click.argument("job")
    @click.argument("args", nargs=-1)
    @click.option("--kind", type=click.Choice(["a", "b"]), default="a", show_default=True, help="A or b | c.")
    @click.option("--count", metavar="N", type=click.IntRange(1, 5))
    @click.option("--hidden", hidden=True)
    def run(job: str, args: list[str], kind: str, count: int, hidden: str) -> None:
        """Run a job, and wait."""

    run.help = "Run a job,\nand wait.\n\n\b\n    tool run x\n"
    lines = command_reference(tool, {"run": "Run a job."}).splitlines()
    assert [line for line in lines if line] == [
        "| Command | Purpose |",
        "|---|---|",
        "| [`taskq run`](#taskq-run) | Run a job. |",
        "## `taskq run`",
        "```text",
        "taskq run [OPTIONS] JOB [ARGS]...",
        "```",
        "Run a job, and wait.",
        "```sh",
        "tool run x",
        "```",
        "| Option | Description |",
        "|---|---|",
        "| `--kind KIND` | A or b \\| c. One of `a`, `b`. Default: `a`. |",
        "| `--count N` | Range: 1 to 5. |",
    ]


_PAGE = """
Measured in one run of 2.2 minutes on 2026-11-24; rounds: 3; 2 cores (a processor).

|  | run, jobs/s |
| --- | --- |
| **taskq** | 1,000 |
{rows}

|  | push to start, p50, ms | a waiting job, bytes |
| --- | --- | --- |
| **taskq** | 0.50 | 70.0 |
{others}
"""


def _benchmarks(*libraries: str) -> str:
    rows = "\n".join(f"| {library} | {number}00 |" for number, library in enumerate(libraries, 1))
    return _PAGE.format(rows=rows, others="\n".join(f"| {library} | 2.00 | 300 |" for library in libraries))


def test_the_comparison_quotes_the_benchmarks() -> None:
    """Given the page of benchmarks, then the README's table has its figures, the fastest first, and the day of the run."""
    lines = comparison(_benchmarks("RQ", "Celery", "arq", "Huey", "Dramatiq")).splitlines()
    assert lines[2] == "| **taskq** | **1,000** | **0.50 ms** | **70.0 bytes** | **runs again** |"
    assert [line.split(" | ")[0] for line in lines[3:8]] == ["| Dramatiq", "| Huey", "| arq", "| Celery", "| RQ"]
    assert lines[7] == "| RQ | 100 | 2.00 ms | 300 bytes | fails |"
    assert lines[-1] == "Two worker processes each, measured on 2026-11-24 on 2 cores (rounds: 3)."


def test_a_quick_run_is_called_so() -> None:
    """Given figures from a quick run, then the line below the table names it."""
    page = "> **Warning:** These figures are from a quick run.\n" + _benchmarks("RQ", "Celery", "arq", "Huey", "Dramatiq")
    assert "2 cores in a quick run (" in comparison(page)


@pytest.mark.parametrize(("page", "text"), [(_benchmarks("RQ"), "a row for"), ("", "a table with"), ("x\n", "a table with")])
def test_a_comparison_without_its_figures_is_an_error(page: str, text: str) -> None:
    """Given a page that lacks a library or a table, then the table can't be made."""
    with pytest.raises(ValueError, match=text):
        comparison(page)
