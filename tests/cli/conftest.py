"""A project in a folder of its own on the shared server, and ways to type commands in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from taskq import Queue
from taskq.app import load_app
from taskq.cli import root
from tests.support.hand import HandWorker
from tests.support.worker import clean_environment

TASKQ = [sys.executable, "-c", "from taskq.cli import main; main()"]

APP = """
import taskq

print("imported")
queue = taskq.Queue()

@queue.job(channel={channel!r}, max_attempts=4)
def add(a, b=0):
    return a + b

@queue.job(channel={channel!r}, max_attempts=1)
def boom(text):
    raise ValueError(text)

@queue.job(name="other.module:add", channel={channel!r})
def add_again(a):
    return a
"""


@dataclass(frozen=True)
class Typed:
    """What a command ended with."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return the document on standard output; anything beside it there is an error."""
        return json.loads(self.out)


class Type(Protocol):
    def __call__(self, *args: str) -> Typed: ...


@dataclass(frozen=True)
class Project:
    """A folder with a taskq.toml, whose `app` is the module `name` beside it."""

    directory: Path
    name: str
    channel: str

    def type(self, *args: str, stdin: str = "", env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Typed:
        """Run `taskq` in a process of its own."""
        done = subprocess.run(
            [*TASKQ, *args],
            cwd=cwd or self.directory,
            env={**clean_environment(), **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Typed(done.returncode, done.stdout, done.stderr)

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        """Start `taskq` in a process of its own."""
        # Without a buffer Python doesn't notice that only a part of its output was taken.
        env = {**clean_environment(), "PYTHONUNBUFFERED": ""}
        return subprocess.Popen([*TASKQ, *args], cwd=self.directory, env=env, text=True, **options)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the settings of this process's environment away."""
    for name in os.environ:
        if name.startswith("TASKQ_"):
            monkeypatch.delenv(name)
    # pytest-xdist sets it, and tables would be cut to it.
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def project(tmp_path: Path, url: str, prefix: str) -> Project:
    """A project on the shared server, with one channel of its own."""
    name = f"jobs_{prefix}"
    tmp_path.joinpath("taskq.toml").write_text(f'app = "{name}:queue"\nurl = "{url}"\n[channels.{prefix}]\nretry_seconds = 0.01\n')
    tmp_path.joinpath(f"{name}.py").write_text(APP.format(channel=prefix))
    return Project(tmp_path, name, prefix)


@pytest.fixture
def queue(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """The queue of the project, in this process."""
    monkeypatch.chdir(project.directory)
    monkeypatch.setattr(sys, "path", list(sys.path))
    queue = load_app(f"{project.name}:queue")
    yield queue
    queue.close()
    sys.modules.pop(project.name, None)


@pytest.fixture
def worker(queue: Queue, project: Project) -> HandWorker:
    """A worker of the project's channel, of which the test makes every move."""
    return HandWorker(queue, project.channel)


@pytest.fixture
def type_(queue: Queue, capsys: pytest.CaptureFixture[str]) -> Type:
    """Type a command in the project, in this process: quicker than `project.type`."""
    return partial(_call, capsys)


@pytest.fixture
def type_here(
    environment: Mapping[str, str], scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Type:
    """Type a command in this process, with what the test file gives to processes: for one that is refused before it starts anything."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.chdir(tmp_path)
    return partial(_call, capsys)


def _call(capsys: pytest.CaptureFixture[str], *args: str) -> Typed:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        root(list(args), prog_name="taskq")
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return Typed(ended.value.code, captured.out, captured.err)


def push(queue: Queue, job: str, *args: object, **options: Any) -> str:
    """Push a job of the project by its short name; returns the id."""
    (name,) = [one for one in queue.jobs.names() if one.endswith(f":{job}") and one.startswith("jobs_")]
    return queue.push_name(name, args, **options).id
