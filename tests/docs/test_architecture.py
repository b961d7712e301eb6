"""The drawing of the architecture: its floors are those of import-linter, and its walks are what a message really does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from docs._generate import architecture
from docs._generate.architecture import WALKS, architecture_svg, floors, purpose
from tests.support.worker import ROOT


def test_the_walks_are_those_of_a_real_message(url: str, prefix: str) -> None:
    """Given a message that is pushed and run, then the functions of each walk are called, in the order of the drawing."""
    ran = subprocess.run([sys.executable, "-m", "tests.docs.trace", url, prefix], cwd=ROOT, capture_output=True, text=True, check=True)
    for (title, steps), calls in zip(WALKS, json.loads(ran.stdout.splitlines()[-1]), strict=True):
        left = iter(calls)
        missed = [step for step, _ in steps if step not in left]
        assert not missed, f"{title}: not called, or in another order: {missed[0]}"


def test_every_package_is_on_a_floor_with_a_purpose() -> None:
    """Given the packages and modules of taskq, then each is on one floor, and its docstring gives its purpose in few words."""
    names = [name for floor in floors(ROOT / "pyproject.toml") for name in floor]
    there = [path.stem for path in (ROOT / "taskq").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
    assert sorted(names) == sorted(set(there) - {"__init__"})
    assert [name for name in names if not 5 <= len(purpose(name, ROOT)) <= 110] == []


def test_a_removed_step_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a walk with a function that doesn't exist, then the drawing fails with its name."""
    monkeypatch.setattr(architecture, "WALKS", (("Walk", (("taskq.queue:Queue.nothing", "none"),)),))
    with pytest.raises(LookupError, match=r"taskq\.queue:Queue\.nothing doesn't exist"):
        architecture_svg(ROOT)


def test_a_purpose_is_the_first_sentence(tmp_path: Path) -> None:
    """Given modules and packages, then the first sentence is taken without its full stop, or its first clause if it is long."""
    (tmp_path / "taskq" / "b").mkdir(parents=True)
    (tmp_path / "taskq" / "a.py").write_text('"""Reads it. And more."""', encoding="utf-8")
    (tmp_path / "taskq" / "b" / "__init__.py").write_text('"""Two\nlines.\n\nMore."""', encoding="utf-8")
    (tmp_path / "taskq" / "c.py").write_text(f'"""Long: {"word " * 30}."""', encoding="utf-8")
    assert [purpose(name, tmp_path) for name in "abc"] == ["Reads it", "Two lines", "Long"]
