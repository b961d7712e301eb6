"""A project folder to write settings files in, and a shorthand for an error's text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from taskq.config import Settings, load_settings
from taskq.errors import ConfigError


class Project:
    """A separate folder, and the settings loaded from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "taskq.toml") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def load(self, arguments: Mapping[str, object] | None = None, start: Path | None = None, /, **environ: str) -> Settings:
        return load_settings(arguments, environ=environ, start=start)

    def error(self, arguments: Mapping[str, object] | None = None, start: Path | None = None, /, **environ: str) -> str:
        """Return the text of the error that loading raises."""
        with pytest.raises(ConfigError) as caught:
            self.load(arguments, start, **environ)
        # The cause or context of an error is printed with it.
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None or caught.value.__suppress_context__
        return str(caught.value)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder that is the working directory."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Project(folder)


@pytest.fixture
def file_error(project: Project) -> Callable[[str], str]:
    """Return the error of a taskq.toml with this text."""

    def load(text: str) -> str:
        project.write(text)
        return project.error()

    return load
