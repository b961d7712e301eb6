"""init: from an empty folder to a job that ran."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from taskq.cli.init import settings_text
from taskq.config import ChannelSettings, Settings, field_docs, load_settings
from taskq.driver.embedded.server import EmbeddedServer
from tests.cli.conftest import Project
from tests.support.worker import clean_environment


def test_what_init_writes_runs(tmp_path: Path) -> None:
    """Given an empty folder, then init, the script and a burst worker run one after the other, without a server being named."""
    project = Project(tmp_path, "jobs", "default")
    ended = project.type("init", "shop")
    assert ended.code == 0, ended.err
    shop = Project(tmp_path / "shop", "jobs", "default")
    try:
        assert subprocess.run([sys.executable, "jobs.py"], cwd=shop.directory, env=clean_environment()).returncode == 0
        ended = shop.type("worker", "--burst")
        assert ended.code == 0, ended.err
        assert "8 words" in ended.out
        counts = shop.type("info", "--json").json()[0]["counts"]
        assert (counts["waiting"], counts["failed"]) == (0, 0)
        assert shop.type("push", "count_words", '"a b"').code == 0
    finally:
        EmbeddedServer(shop.directory / ".taskq").stop()


@pytest.mark.parametrize("existing", ["taskq.toml", "jobs.py", "pyproject.toml"])
def test_nothing_is_overwritten(tmp_path: Path, existing: str) -> None:
    """Given a file that exists, then nothing at all is written, exit code 1, and the file is named."""
    content = "[tool.taskq]\n" if existing == "pyproject.toml" else "# mine\n"
    (tmp_path / existing).write_text(content)
    ended = Project(tmp_path, "jobs", "default").type("init")
    assert ended.code == 1
    assert existing in ended.err
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == content


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    """Given a place where no folder can be, then exit code 2 and the reason."""
    (tmp_path / "file").write_text("")
    ended = Project(tmp_path, "jobs", "default").type("init", "file/below")
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_the_settings_file_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    """Given the written file with every comment sign before a setting taken away, then it loads, and all values are the defaults."""
    text = settings_text()
    assert tomllib.loads(text) == {"app": "jobs:queue", "channels": {"default": {}}}
    shown = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)
    table = tomllib.loads(shown)
    docs = field_docs()
    assert {*table, *table["channels"]["default"]} == {doc.key for doc in docs} - {"secret", "directory"} | {"channels"}
    (tmp_path / "taskq.toml").write_text(shown)
    settings = load_settings(start=tmp_path, environ={})
    assert settings.channels["default"] == ChannelSettings(name="default")
    assert settings.max_message_size == Settings().max_message_size
