"""The files whose changes reload the code."""

from __future__ import annotations

import os
import py_compile
from pathlib import Path

import pytest

from taskq.tools.dev.files import Files, Pending, changes, forget_compiled


def test_which_files_count(tmp_path: Path) -> None:
    """Given a project with temporary files of editors, environments and caches, then only its code and settings count."""
    counted = ["jobs.py", "shop/mail/jobs.py", "taskq.toml", "pyproject.toml", "page.html"]
    ignored = [
        "notes.txt",
        ".#jobs.py",
        "#jobs.py#",
        "jobs.py~",
        ".jobs.py.swp",
        "4913",
        "flycheck_jobs.py",
        ".git/hooks.py",
        ".venv/lib/a.py",
        "venv/lib/a.py",
        "__pycache__/a.py",
        "node_modules/a/a.py",
    ]
    for name in [*counted, *ignored, "venv/pyvenv.cfg"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    files = Files.below([tmp_path, tmp_path / "shop"], ["*.html"])
    assert files.roots == (tmp_path.resolve(),)
    assert sorted(os.path.relpath(path, tmp_path.resolve()) for path in files.scan()) == sorted(counted)


def test_changes_of_files(tmp_path: Path) -> None:
    """Given files and a link to nowhere, when one is written with the same size, one added and one removed, then these have changed."""
    files = Files.below([tmp_path], [])
    for name in ("same.py", "written.py", "removed.py"):
        (tmp_path / name).write_text("a")
    (tmp_path / "dangling.py").symlink_to("nowhere.py")
    before = files.scan()
    assert changes(before, files.scan()) == []
    os.utime(tmp_path / "written.py", ns=(0, 0))
    (tmp_path / "removed.py").unlink()
    (tmp_path / "new.py").touch()
    assert [Path(path).name for path in changes(before, files.scan())] == ["new.py", "removed.py", "written.py"]


@pytest.mark.parametrize(("pause", "reloads"), [(0.01, 1), (0.1, 5), (0.5, 100)])
def test_many_changes_are_taken_together(pause: float, reloads: int) -> None:
    """Given a hundred saves, then those with short pauses between them reload once, or every two seconds, and others each."""
    pending, taken, now = Pending(), 0, 100.0
    for number in range(100):
        pending.add([f"/a/{number}.py"], now)
        for _ in range(10):
            now += pause / 10
            taken += bool(pending.take(now))
    assert taken + bool(pending.take(now + 1)) == reloads
    assert pending.take(now + 10) == []


def test_the_compiled_code_of_changed_modules_is_removed(tmp_path: Path) -> None:
    """Given a module that was compiled, and saved again in the same second with the same size, then Python can't load the old code."""
    (tmp_path / "jobs.py").write_text("a = 1")
    compiled = Path(py_compile.compile(str(tmp_path / "jobs.py"), doraise=True))
    assert compiled.exists()
    forget_compiled([str(tmp_path / name) for name in ("jobs.py", "gone.py", "taskq.toml")])
    assert not compiled.exists()
