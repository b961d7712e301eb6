"""ping: a health check, which rarely imports the app, and ends soon without a server."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from taskq import Queue
from taskq.driver.contract import Command
from taskq.worker_id import machine_name, machine_tag, new_worker_id
from tests.cli.conftest import Project, Type
from tests.cli.test_server import type_ as type_anywhere
from tests.support.hand import HandWorker

pytestmark = pytest.mark.one_python


def test_a_living_worker(project: Project, queue: Queue, type_: Type) -> None:
    """Given workers of this machine and of another, then ping finds the first, --any both, and a channel must have its own."""
    ended = type_("ping")
    assert ended.code == type_("ping", "--live").code == 1
    text = f"Error: no worker process on this machine is alive, with a heartbeat within its lease (channel default, {project.channel}, "
    assert ended.err.startswith(text)
    HandWorker(queue, project.channel, "box:00000000:1:11111111t15").beat()
    assert type_("ping").code == 1
    assert re.fullmatch(r"alive: last heartbeat 0\.\d s ago\n", type_("ping", "--any").out)
    own = HandWorker(queue, project.channel, new_worker_id(machine_name(), machine_tag()))
    own.beat(state="starting")
    assert (type_("ping").code, type_("ping", "--live").code) == (1, 0)
    own.beat()
    assert type_("ping").code == type_("ping", "--channel", project.channel).code == 0
    assert type_("ping", "--channel", project.channel, "--channel", "default").code == 1


def test_a_worker_of_a_pattern(project: Project, url: str, type_: Type) -> None:
    """Given a worker whose only channel was found by a pattern, then ping finds it, by the name of the channel and without one."""
    pattern, name = f"{project.channel}-*", f"{project.channel}-1"
    (project.directory / "taskq.toml").write_text(f'url = "{url}"\n[channels."{pattern}"]\n')
    queue = Queue(directory=project.directory)
    assert (type_("ping").code, type_("ping", "--channel", name).code) == (1, 1)
    queue.push_name("other.module:add", channel=name)
    HandWorker(queue, name, new_worker_id(machine_name(), machine_tag())).beat()
    assert (type_("ping").code, type_("ping", "--channel", name).code) == (0, 0)
    queue.close()


def test_a_worker_that_ended_or_hangs(project: Project, queue: Queue, type_: Type) -> None:
    """Given a worker whose process is gone, or whose last heartbeat is older than its lease, then it isn't alive."""
    gone = new_worker_id(machine_name(), machine_tag()).replace(f":{os.getpid()}:", ":4194304:")
    HandWorker(queue, project.channel, gone).beat()
    late = new_worker_id(machine_name(), machine_tag())
    HandWorker(queue, project.channel, late).beat()
    assert type_("ping").code == 0
    sender = queue.sender(project.channel)
    sender.call(Command("workers", ("ZINCRBY", sender.driver.keys.workers, "-15000", late)))
    assert type_("ping").code == 1


def test_the_app_is_imported_only_if_it_must_be(project: Project, queue: Queue) -> None:
    """Given settings that name the server, then a living worker is found without the app; an unknown channel may be the app's own."""
    (project.directory / f"{project.name}.py").write_text("raise RuntimeError('imported')")
    HandWorker(queue, project.channel, new_worker_id(machine_name(), machine_tag())).beat()
    ended = project.type("ping")
    assert (ended.code, ended.err) == (0, "")
    assert "imported" in project.type("ping", "--channel", "other").err


@pytest.mark.parametrize(("args", "code"), [([], 2), (["--live"], 0)])
def test_an_unreachable_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: list[str], code: int
) -> None:
    """Given a server that is down, then ping fails, but not with --live: a restart of the worker would not help."""
    monkeypatch.chdir(tmp_path)
    ended = type_anywhere(capsys, "ping", "--url", "redis://127.0.0.1:1", *args)
    assert ended.code == code
    assert "127.0.0.1:1" in ended.out + ended.err


def test_ping_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a folder whose embedded server has never run, then ping starts none."""
    monkeypatch.chdir(tmp_path)
    assert type_anywhere(capsys, "ping").code == 1
    assert list(tmp_path.iterdir()) == []
