"""How to install an extra: the distribution and the extras are those of pyproject.toml, and no text names another project's package."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from taskq.extras import DISTRIBUTION, how_to_install
from tests.support.worker import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: `pip install taskq`, with or without an extra, but not taskq-jobs.
_FOREIGN = re.compile(r"\bpip install (?:[^\n`&;|()]*[\s'\"])?taskq(?![\w-])|\btaskq\[")


def test_the_distribution_is_the_one_that_is_built() -> None:
    """Given pyproject.toml, then its name is the one that the texts name."""
    assert PROJECT["name"] == DISTRIBUTION


@pytest.mark.parametrize("extra", sorted(PROJECT["optional-dependencies"]))
def test_both_ways_are_named(extra: str) -> None:
    """Given each extra, then the text names it, and installs it from the package index and from a clone."""
    assert f"the extra `{extra}`" in how_to_install(extra)
    assert f"pip install 'taskq-jobs[{extra}]'" in how_to_install(extra)
    assert f"pip install '.[{extra}]'" in how_to_install(extra)


def test_no_text_installs_another_projects_package() -> None:
    """Given every text of the repository, then none installs `taskq`: that name in the package index belongs to another project."""
    listed = subprocess.run(["git", "ls-files", "*.md", "*.py", "*.toml", "*.ini"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in listed.stdout.split() if name != "tests/test_extras.py"]
    assert len(paths) > 100
    found = [f"{path.relative_to(ROOT)}: {match[0]}" for path in paths if path.exists() for match in _FOREIGN.finditer(path.read_text())]
    assert found == []


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("pip install taskq", True),
        ("pip install 'taskq[embedded]'", True),
        ("uv pip install --upgrade taskq\n", True),
        ("`taskq[uvloop]`", True),
        ("pip install taskq-jobs", False),
        ("pip install 'taskq-jobs[embedded]'", False),
        ("pip install '.[embedded]' && taskq demo", False),
        ("pip install . && .venv/bin/taskq demo", False),
    ],
)
def test_another_projects_package_is_recognized(text: str, foreign: bool) -> None:
    """Given a text, then only the bare name as something to install is found."""
    assert bool(_FOREIGN.search(text)) is foreign
