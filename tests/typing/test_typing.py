"""mypy and pyright accept the right calls and find every wrong one, at its line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")
pytest.importorskip("pyright")

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "samples"
SAMPLES = sorted(map(str, FOLDER.glob("*.py")))
Found = dict[str, set[int]]


@pytest.fixture(scope="module")
def by_mypy(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What mypy finds, with the settings of the project: file name to lines."""
    options = [f"--cache-dir={tmp_path_factory.mktemp('mypy')}", "--output=json", "--explicit-package-bases"]
    found: Found = {}
    for line in _run("mypy", *options, *SAMPLES).splitlines():
        reported = json.loads(line)
        if reported["severity"] == "error":
            found.setdefault(Path(reported["file"]).name, set()).add(reported["line"])
    return found


@pytest.fixture(scope="module")
def by_pyright() -> Found:
    """What pyright finds in its strict mode."""
    found: Found = {}
    options = ["--outputjson", "--pythonpath", sys.executable, "--project", str(FOLDER)]
    for reported in json.loads(_run("pyright", *options))["generalDiagnostics"]:
        if reported["severity"] == "error":
            found.setdefault(Path(reported["file"]).name, set()).add(reported["range"]["start"]["line"] + 1)
    return found


def _run(module: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr or done.stdout
    return done.stdout


def _marked(name: str) -> set[int]:
    lines = (FOLDER / name).read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.rstrip().endswith("# error")}


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
@pytest.mark.parametrize("name", ["jobs.py", "right.py", "wrong.py"])
def test_a_checker_finds_what_is_wrong_and_nothing_else(request: pytest.FixtureRequest, checker: str, name: str) -> None:
    """Given calls of jobs, when a type checker reads them, then it finds an error in every line that is marked, and in no other."""
    found: Found = request.getfixturevalue(f"by_{checker}")
    marked = _marked(name)
    assert bool(marked) == (name == "wrong.py")
    reported = found.get(name, set())
    assert {"missed": sorted(marked - reported), "too much": sorted(reported - marked)} == {"missed": [], "too much": []}
