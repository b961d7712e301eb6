"""Durations as people write them."""

from __future__ import annotations

import pytest

from taskq.config.durations import seconds_from
from tests.config.conftest import Project

pytestmark = pytest.mark.one_python


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86400),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1d 2h 3m 4s 5ms", 93784.005),
        (" 2m 5s ", 125),
        ("30", 30),
        ("0", 0),
        ("0.25", 0.25),
        (".5", 0.5),
        ("1e3", 1000),
        ("-5", -5),
    ],
)
def test_durations(written: str, seconds: float) -> None:
    """Given a number of seconds, or numbers with units, then these are seconds."""
    assert seconds_from(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "soon",
        "5M",
        "5min",
        "m",
        "1m1h",
        "5m5m",
        "1h30",
        "-5m",
        "1,5s",
        "1h-30m",
        "nan",
        "inf",
        "1e999",
        "1" * 400,
        "٣s",
        "5 m !",
        "1" * 99 + "s" * 9,
    ],
)
def test_what_is_not_a_duration(written: str) -> None:
    """Given any other text, then the error names the forms."""
    with pytest.raises(ValueError, match="not a duration: use d, h, m, s or ms, as in 30s, 5m, 1h30m or 500ms, or a number of seconds"):
        seconds_from(written)


def test_settings_take_durations(project: Project) -> None:
    """Given durations as text in a file, in arguments and in variables, then the settings have seconds."""
    project.write('[channels.default]\nlease = "1m"\nretry_seconds = ["500ms", 5, "1m"]\nfailed_ttl = "30"\n')
    settings = project.load(
        {"channels": {"default": {"handle_timeout": "5m"}}},
        TASKQ_CHANNELS__DEFAULT__STOP_TIMEOUT="1h30m",
        TASKQ_CHANNELS__MAIL__RETRY_SECONDS="1s,5m,7",
    )
    default = settings.channel("default")
    assert (default.lease, default.handle_timeout, default.stop_timeout, default.failed_ttl) == (60.0, 300.0, 5400.0, 30.0)
    assert default.retry_seconds == (0.5, 5.0, 60.0)
    assert settings.channel("mail").retry_seconds == (1.0, 300.0, 7.0)
    assert project.load({"channels": {"default": {"retry_seconds": "1m"}}}).channel("default").retry_delays == (60.0,)


@pytest.mark.parametrize("written", ["1ms", "4000d", "soon"])
def test_wrong_durations_in_settings(project: Project, written: str) -> None:
    """Given a text that is not a duration, or one below or above the bounds, then the error names the setting, the bounds and the text."""
    text = project.error({"channels": {"default": {"lease": written}}})
    bounds = 'a duration in seconds such as 30, "5m" or "1h30m", from 1 to ten years'
    assert text.startswith(f'Queue(...) argument: channels.default.lease: expected {bounds}; got "{written}"')
