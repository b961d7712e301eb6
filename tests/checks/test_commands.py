"""What the README tells people to type is what CI types."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_ci_runs_the_command_of_the_readme() -> None:
    """Given the last line of .ci/run, then the README shows it as a line of its own."""
    last = (ROOT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert "tox" in last
    assert last in [line.strip().removeprefix("$ ") for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()]
