"""A file of the project with the name of an installed module: the error names the file."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from taskq.shadowing import DEPENDENCIES, hidden_modules
from tests.support.worker import ROOT, clean_environment

PUSH = "from taskq import Queue; Queue('redis://127.0.0.1:1').job(print, name='x').push()"
IMPORT = "from taskq import Queue"


def _load(monkeypatch: pytest.MonkeyPatch, name: str, file: Path) -> None:
    """Pretend that a module was loaded from a file of the project."""
    file.parent.mkdir(exist_ok=True)
    file.touch()
    module = ModuleType(name)
    module.__file__ = str(file)
    if file.name == "__init__.py":
        module.__path__ = [str(file.parent)]
    monkeypatch.setitem(sys.modules, name, module)


def test_only_files_that_hide_something_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given files and a package with the names of installed modules, then each is named; one that hides nothing isn't."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert hidden_modules() == ""
    _load(monkeypatch, "redis", tmp_path / "redis.py")
    _load(monkeypatch, "queue", tmp_path / "queue.py")
    _load(monkeypatch, "click", tmp_path / "click" / "__init__.py")
    _load(monkeypatch, "shop", tmp_path / "shop.py")
    names = re.findall(r"The file (\S+) hides the module (\w+): rename the file", hidden_modules())
    assert names == [
        (str(tmp_path / "click" / "__init__.py"), "click"),
        (str(tmp_path / "queue.py"), "queue"),
        (str(tmp_path / "redis.py"), "redis"),
    ]
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert hidden_modules() == ""


def test_the_dependencies_are_those_of_the_package() -> None:
    """Given pyproject.toml, then each dependency is looked at."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [one for name in ("embedded", "uvloop") for one in needed["optional-dependencies"][name]]
    assert {re.split(r"[^\w-]", one)[0] for one in [*needed["dependencies"], *extras]} <= DEPENDENCIES


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("file", "command", "code", "error"),
    [
        ("click", ["-m", "taskq", "--version"], 2, "Error: No module named 'click.core'"),
        ("queue", ["-m", "taskq", "worker", "no:app"], 2, "Error: unexpected ImportError"),
        ("redis", ["-c", PUSH], 1, "taskq.errors.TaskqError: the server's client can't be imported: No module named 'redis.asyncio'"),
        ("msgspec", ["-c", IMPORT], 1, "ImportError: cannot import name"),
    ],
)
def test_an_error_names_the_file_that_hides_a_module(tmp_path: Path, file: str, command: list[str], code: int, error: str) -> None:
    """Given a file that hides a module, when a command or a push fails because of it, then the error says which file to rename."""
    path = tmp_path / f"{file}.py"
    path.write_text("client = 1\n")
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == code
    assert error in done.stderr
    assert f"The file {path} hides the module {file}: rename the file" in done.stderr
