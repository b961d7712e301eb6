"""The owners whose settings files are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from taskq.config import is_trusted, owner_text
from tests.config.conftest import Project
from tests.support.owners import NOBODY, give_away

REFUSED = (
    "settings file {path} belongs to {owner}, neither to you nor to root. It could run any code as you, so it is not read. "
    "Remove it, or add that user to TASKQ_TRUSTED_OWNERS"
)


@pytest.fixture
def deep(project: Project) -> Path:
    """A directory in the project, where the search starts."""
    path = project.folder / "src"
    path.mkdir()
    return path


@pytest.mark.parametrize(("name", "text"), [("taskq.toml", "app = 'x'"), ("taskq.toml", "broken ["), ("pyproject.toml", "[tool.taskq]")])
def test_the_file_of_another_user_is_refused(project: Project, deep: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """Given another user's file in a directory above, then the error names the file, its owner and the variable."""
    path = project.write(text, name)
    owner = give_away(monkeypatch, path)
    assert project.error(None, deep) == REFUSED.format(path=path, owner=owner_text(owner))


def test_a_file_without_settings_of_taskq_is_skipped(project: Project, deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given another user's pyproject.toml without settings of taskq, then the search continues, without an error."""
    path = project.write('[project]\ndependencies = ["taskq-jobs"]\n', "pyproject.toml")
    give_away(monkeypatch, path)
    assert project.load(None, deep).app is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("part", ["link", "target"])
def test_a_link_is_refused_if_it_or_its_target_is_another_user_s(
    project: Project, deep: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Given a link in place of the file, then both must be trusted: whoever made the link chose the file."""
    target = project.write("app = 'x'", "elsewhere.toml")
    link = project.folder / "taskq.toml"
    link.symlink_to(target)
    assert project.load(None, deep).app == "x"
    give_away(monkeypatch, link if part == "link" else target)
    assert "belongs to" in project.error(None, deep)


@pytest.mark.parametrize("word", ["*", "{uid}", "{name}", "root, {uid}", "0 {uid}"])
def test_the_variable_allows_it(project: Project, deep: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """Given the variable with the owner's name or number, or with a star, then the file is read."""
    uid = give_away(monkeypatch, project.write("app = 'x'"))
    value = word.format(uid=uid, name=owner_text(uid).removeprefix("uid ").split()[0])
    assert project.load(None, deep, TASKQ_TRUSTED_OWNERS=value).app == "x"


def test_an_unknown_user_in_the_variable_is_an_error(project: Project, deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a name that no user has, then the error names it instead of refusing silently."""
    give_away(monkeypatch, project.write("app = 'x'"))
    error = project.error(None, deep, TASKQ_TRUSTED_OWNERS="no-such-user")
    assert error == "environment: TASKQ_TRUSTED_OWNERS: unknown user 'no-such-user'; expected names, uids, or * for all users"


@pytest.mark.skipif(os.getuid() != 0, reason="needs to be root")
def test_root_trusts_the_owner_of_the_directory_where_it_starts(project: Project, deep: Path) -> None:
    """Given a user's project in a container where root runs, then its file is read; elsewhere the same file is refused."""
    path = project.write("app = 'x'")
    os.chown(path, NOBODY, -1)
    os.chown(deep, NOBODY, -1)
    assert project.load(None, deep).app == "x"
    os.chown(deep, 0, -1)
    assert "belongs to" in project.error(None, deep)


def test_root_and_this_user_are_trusted() -> None:
    """Given no variable, then root and this user are trusted, and no other."""
    assert is_trusted(0, {})
    assert is_trusted(os.geteuid(), {})
    assert not is_trusted(os.geteuid() + 1, {})
