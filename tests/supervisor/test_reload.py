"""The settings of a reloaded app: changes, and those that a running worker refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from taskq import Queue
from taskq.config import ChannelSettings
from taskq.errors import ConfigError
from taskq.supervisor.reload import changed_settings, check_changes


def settings(**values: Any) -> ChannelSettings:
    return Queue("redis://box", channels={"bulk": values}).channel("bulk")


def test_changed_settings_are_named() -> None:
    """Given two settings of a channel, then the names of those that differ are returned."""
    assert changed_settings(settings(), settings()) == []
    assert changed_settings(settings(processes=2), settings(processes=3, max_attempts=9)) == ["processes", "max_attempts"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"lease": 20}, "channel bulk: changed lease; restart the worker to apply this"),
        ({"channel": "other"}, "channel bulk: changed channel; restart the worker to apply this"),
        ({"lease": 20, "driver": "some.module:Class"}, "channel bulk: changed driver and lease; restart the worker to apply this"),
    ],
)
def test_some_changes_are_refused(values: dict[str, Any], text: str) -> None:
    """Given a change on which old and new processes would disagree, then an error names it; for another channel it is accepted."""
    old, new = Queue("redis://box").settings, Queue("redis://box").settings
    with pytest.raises(ConfigError, match=text):
        check_changes(old, new, {"bulk": settings()}, {"bulk": settings(**values)})
    check_changes(old, new, {"bulk": settings()}, {"bulk": settings(processes=3), "other": settings(**values)})


def test_another_server_is_refused() -> None:
    """Given another url, then an error says so, without the url: it may contain a password."""
    with pytest.raises(ConfigError, match=r"^the server's url has changed; restart the worker$"):
        check_changes(Queue("redis://box").settings, Queue("redis://:secret@other").settings, {}, {})


def test_a_moved_project_keeps_only_a_server_of_its_own(tmp_path: Path) -> None:
    """Given settings that are found in another directory, then only the embedded server, whose data is in the old one, is in the way."""
    (tmp_path / "new").mkdir()
    old, new = (Queue("redis://box", directory=place).settings for place in (tmp_path, tmp_path / "new"))
    check_changes(old, new, {}, {})
    old, new = (Queue(directory=place).settings for place in (tmp_path, tmp_path / "new"))
    with pytest.raises(ConfigError, match=f"the project is now in {tmp_path}/new, and the embedded server in {tmp_path}: set `directory`"):
        check_changes(old, new, {}, {})
