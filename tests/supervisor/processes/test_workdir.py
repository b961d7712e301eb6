"""The working directory of a worker: entered again for a reload, behind a link that a deployment moves."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from taskq.config import working_directory
from taskq.errors import AppError, ConfigError
from taskq.supervisor.processes.workdir import Workdir, enter, find_workdir


@pytest.fixture
def current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A link to the first of two releases; this process is in the directory `app` below it."""
    for name in ("1", "2"):
        (tmp_path / "releases" / name / "app").mkdir(parents=True)
        (tmp_path / "releases" / name / "lib").mkdir()
    (tmp_path / "releases/1/old").mkdir()
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "releases/1")
    monkeypatch.chdir(link / "app")
    monkeypatch.setenv("PWD", str(link / "app"))
    monkeypatch.setattr(sys, "path", [*(f"{tmp_path}/releases/1{name}" for name in ("", "/app", "/lib", "/old")), "/elsewhere", ""])
    return link


def _move(link: Path, release: str) -> None:
    new = link.with_name("new")
    new.symlink_to(link.parent / "releases" / release)
    new.replace(link)


def test_a_moved_link_leads_to_the_new_release(current: Path) -> None:
    """Given a link that was moved, then its new target is entered, and sys.path names what the new release has, too."""
    workdir = find_workdir()
    assert workdir == Workdir(str(current / "app"), str(current.parent / "releases/1/app"))
    enter(workdir)
    assert sys.path[1] == workdir.real
    _move(current, "2")
    enter(workdir)
    new = current.parent / "releases/2"
    assert Path.cwd() == new / "app"
    assert sys.path == [str(new), str(new / "app"), str(new / "lib"), str(current.parent / "releases/1/old"), "/elsewhere", ""]


@pytest.mark.parametrize("variable", ["", "app", "/elsewhere", "{}/releases/2/app"])
def test_a_name_that_leads_elsewhere_is_not_used(current: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Given no PWD, or one that some program left behind, then the directory itself counts."""
    monkeypatch.setenv("PWD", variable.format(current.parent))
    real = str(current.parent / "releases/1/app")
    assert find_workdir() == Workdir(real, real)


def test_a_removed_directory_is_named(current: Path) -> None:
    """Given a directory that was removed, then entering it is an error that names it; one that was created again is entered."""
    workdir = find_workdir()
    shutil.rmtree(current.parent / "releases/1")
    assert find_workdir() is None
    for given, text in (
        (workdir, f"the working directory {current}/app no longer exists: start"),
        (None, "directory no longer exists: start"),
    ):
        with pytest.raises(AppError, match=text):
            enter(given)
    with pytest.raises(ConfigError, match="the working directory no longer exists"):
        working_directory()
    (current / "app").resolve().mkdir(parents=True)
    enter(workdir)
    assert os.listdir() == []


def test_a_renamed_directory_is_still_used(current: Path) -> None:
    """Given a directory that was renamed, then nothing is lost: the directory itself is there."""
    workdir = find_workdir()
    (current.parent / "releases/1").rename(current.parent / "releases/9")
    enter(workdir)
    assert Path.cwd() == current.parent / "releases/9/app"
