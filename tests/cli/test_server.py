"""server: the embedded server from the shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq.cli import root
from taskq.driver.embedded import EmbeddedServer
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
    assert type_(capsys, "info").code == 0  # whoever needs it starts it
    ended = type_(capsys, "server", "status")
    assert ended.code == 0
    assert "Valkey" in ended.out
    assert str(folder) in ended.out
    told = type_(capsys, "server", "status", "--json").json()
    assert told["running"] is True
    assert told["in_use"] is True
    assert told["pid"] > 0
    assert type_(capsys, "server", "stop").out == "stopped\n"
    told = type_(capsys, "server", "stop", "--json").json()
    assert told["stopped"] is False


def test_a_url_in_the_settings_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given settings that name a server, then it is said that the embedded one isn't in use."""
    (folder / "taskq.toml").write_text('url = "redis://:geheim@h/0"\n')
    for verb in ("status", "stop"):
        ended = type_(capsys, "server", verb)
        assert ended.code == 1
        assert "isn't in use" in ended.out
        assert "redis://:***@h/0" in ended.out
    assert type_(capsys, "server", "status", "--json").json()["in_use"] is False
