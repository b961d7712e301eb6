"""server: the embedded server from the shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq import Queue
from taskq.cli import root
from taskq.driver.embedded.server import EmbeddedServer
from tests.cli.conftest import Typed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder without settings, whose server is stopped in the end."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    EmbeddedServer(tmp_path / ".taskq").stop()


def type_(capsys: pytest.CaptureFixture[str], *args: str) -> Typed:
    with pytest.raises(SystemExit) as ended:
        root(list(args), prog_name="taskq")
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return Typed(ended.value.code, captured.out, captured.err)


def test_status_and_stop(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given an embedded server, then status tells of it and stop ends it; both end with 1 when none runs, and start none."""
    ended = type_(capsys, "server", "status")
    assert ended.code == 1
    assert ended.out.startswith("not running")
    assert not (folder / ".taskq").exists()
    assert type_(capsys, "server", "stop").code == 1
    EmbeddedServer(folder / ".taskq").ensure()
    ended = type_(capsys, "server", "status")
    assert ended.code == 0
    assert "Valkey" in ended.out
    assert str(folder) in ended.out
    reported = type_(capsys, "server", "status", "--json").json()
    assert reported["running"] is True
    assert reported["in_use"] is True
    assert reported["pid"] > 0
    assert type_(capsys, "server", "stop").out == "stopped\n"
    reported = type_(capsys, "server", "stop", "--json").json()
    assert reported["stopped"] is False


@pytest.mark.parametrize(
    "args", ["info", "list default", "show 1", "reload default", "flush default --state waiting --yes", f"delete {'0' * 32}", "cancel 1"]
)
def test_who_only_looks_starts_no_server(folder: Path, capsys: pytest.CaptureFixture[str], args: str) -> None:
    """Given a project whose server has never run, if somebody looks, then it is said that nothing waits, and nothing is started or made."""
    ended = type_(capsys, *args.split())
    assert ended == Typed(1, "", "Error: the embedded server isn't running, so the queue is empty. The first push or worker starts it\n")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["start", "restart", "stat"])
def test_an_unknown_command_explains_how_the_server_starts(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Given a command such as `taskq server start`, then the error says that the server starts automatically."""
    ended = type_(capsys, "server", name)
    assert ended.code == 2
    assert f"no command '{name}'; valid are: status, stop. The first push or worker starts the server" in ended.err
    assert not (folder / ".taskq").exists()


def test_the_settings_are_shown_without_a_server(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given the same, then `taskq config`, which asks no server, shows them anyway, and nothing is made."""
    assert type_(capsys, "config").code == 0
    assert list(folder.iterdir()) == []


def test_the_doctor_starts_no_server(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given the same, then the doctor notes it, which is no fault."""
    ended = type_(capsys, "doctor")
    assert (ended.code, "note  the embedded server isn't running, so the queue is empty" in ended.out) == (0, True)
    assert list(folder.iterdir()) == []


def test_the_data_of_a_stopped_server_count(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a server that was stopped with a message in it, if somebody looks, then it is started, and the message is seen."""
    queue = Queue(directory=folder)
    queue.call(print)
    queue.close()
    assert type_(capsys, "server", "stop").code == 0
    (report,) = type_(capsys, "info", "--json").json()
    assert report["counts"]["waiting"] == 1


def test_a_url_in_the_settings_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given settings that name a server, then a line says that the embedded one is not in use."""
    (folder / "taskq.toml").write_text('url = "redis://:geheim@h/0"\n')
    for verb in ("status", "stop"):
        ended = type_(capsys, "server", verb)
        assert ended.code == 1
        assert "is not in use" in ended.out
        assert "redis://:***@h/0" in ended.out
    assert type_(capsys, "server", "status", "--json").json()["in_use"] is False
