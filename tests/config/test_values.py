"""What each setting takes, and what it refuses."""

from __future__ import annotations

import math
from datetime import date

import pytest

from tests.config.conftest import Project

SIZE = 'expected a size in bytes such as 1048576, "512MiB" or "1GB"'
INTERVALS = 'expected a duration in seconds such as 5 or "5m", from 0 to ten years, or a non-empty list of such'
SECONDS = 'expected a duration in seconds such as 30, "5m" or "1h30m", from 0 to ten years'
FORMS = "not a duration: use d, h, m, s or ms, as in 30s, 5m, 1h30m or 500ms, or a number of seconds"
PREFIX = "expected 1 to 64 letters, digits, '_', '-' or '.', beginning with a letter or digit"
DRIVER = 'expected "redis", or a class such as "package.module:Class"'


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        ("0", 0),
        (1048576, 2**20),
        ("1048576", 2**20),
        ("10B", 10),
        ("1kB", 10**3),
        ("1MB", 10**6),
        ("1GB", 10**9),
        ("2TB", 2 * 10**12),
        ("1KiB", 2**10),
        ("512MiB", 2**29),
        ("1GiB", 2**30),
        ("1TiB", 2**40),
        ("1.5GiB", 3 * 2**29),
        ("64 MiB", 2**26),
        (" 64mib ", 2**26),
    ],
)
def test_sizes(project: Project, written: object, size: int) -> None:
    """Given a size with or without a unit, it is a number of bytes."""
    settings = project.load({"channels": {"default": {"max_memory": written}}})
    assert settings.channel("default").max_memory == size
    assert isinstance(settings.channel("default").max_memory, int)


@pytest.mark.parametrize(
    ("written", "got"),
    [
        ("512M", 'got "512M": unknown unit "M": use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB'),
        ("lots", 'got "lots": not a size'),
        ("", 'got "": not a size'),
        ("-1MiB", 'got "-1MiB": not a size'),
        ("9" * 400 + "GB", f'got "{"9" * 56}...: not a size'),
        (-1, "got -1"),
        (1.5, "got 1.5"),
        ("1.5", 'got "1.5"'),
        (True, "got true"),
        ([1], "got [1]"),
        ({}, "got a table"),
    ],
)
def test_wrong_sizes(project: Project, written: object, got: str) -> None:
    """Given a value that is not a size, the error describes a valid one, and shows the value."""
    text = project.error({"channels": {"default": {"max_memory": written}}})
    assert text == f"Queue(...) argument: channels.default.max_memory: {SIZE}; {got}"


def test_a_message_size_of_nothing(project: Project) -> None:
    """Given a limit that is too small for any message, it is an error."""
    assert project.error({"max_message_size": 0}) == f"Queue(...) argument: max_message_size: {SIZE}, at least 1; got 0"


@pytest.mark.parametrize(
    ("written", "value"), [(0, 0.0), (5, 5.0), (0.25, 0.25), ([1], (1.0,)), ([1, 5, 30], (1.0, 5.0, 30.0)), ((1, 2.5), (1.0, 2.5))]
)
def test_intervals(project: Project, written: object, value: object) -> None:
    """Given a number or a list of numbers, they are seconds."""
    assert project.load({"channels": {"default": {"retry_seconds": written}}}).channel("default").retry_seconds == value


@pytest.mark.parametrize(
    ("written", "got"),
    [
        ([], "got []"),
        (-1, "got -1"),
        ([1, -1], "got [1, -1]"),
        (math.nan, "got nan"),
        (math.inf, "got inf"),
        ([1, math.nan], "got [1, nan]"),
        ("1,5", f'got "1,5": {FORMS}'),
        ([1, "soon"], f"got [1, 'soon']: {FORMS}"),
        (["-1s"], f"got ['-1s']: {FORMS}"),
        (True, "got true"),
        (10**400, f"got 1{'0' * 56}..."),
        (10**9, "got 1000000000"),
        (date(2026, 1, 1), "got a value of type date"),
    ],
)
def test_wrong_intervals(project: Project, written: object, got: str) -> None:
    """Given an empty list, or what is no duration of 0 seconds or more, it is an error."""
    text = project.error({"channels": {"default": {"retry_seconds": written}}})
    assert text == f"Queue(...) argument: channels.default.retry_seconds: {INTERVALS}; {got}"


@pytest.mark.parametrize(
    ("key", "written", "problem"),
    [
        ("processes", 0, "expected an integer, at least 1; got 0"),
        ("processes", -3, "expected an integer, at least 1; got -3"),
        ("processes", "4", 'expected an integer, at least 1; got "4"'),
        ("processes", 2.0, "expected an integer, at least 1; got 2.0"),
        ("processes", True, "expected an integer, at least 1; got true"),
        ("processes", None, "expected an integer, at least 1; got a value of type NoneType"),
        ("concurrency", 0, "expected an integer from 1 to 1000; got 0"),
        ("concurrency", 1001, "expected an integer from 1 to 1000; got 1001"),
        ("max_attempts", 0, "expected an integer from 1 to 65535; got 0"),
        ("max_attempts", 65536, "expected an integer from 1 to 65535; got 65536"),
        ("max_attempts", 10**30, f"expected an integer from 1 to 65535; got {10**30}"),
        ("max_messages", -1, "expected an integer, at least 0; got -1"),
        ("max_crashes", -1, "expected an integer from 0 to 250; got -1"),
        ("max_crashes", 251, "expected an integer from 0 to 250; got 251"),
        ("failed_limit", 0, "expected an integer from 1 to 4294967295; got 0"),
        ("handle_timeout", -0.5, f"{SECONDS}; got -0.5"),
        ("stop_timeout", math.nan, f"{SECONDS}; got nan"),
        ("failed_ttl", math.inf, f"{SECONDS}; got inf"),
        ("lease", 0.9, SECONDS.replace("from 0", "from 1") + "; got 0.9"),
        ("on_lost", "drop", 'expected one of "retry", "timeout"; got "drop"'),
        ("on_lost", 5, 'expected one of "retry", "timeout"; got 5'),
        ("channel", "a b", f'{PREFIX}; got "a b": not a valid key prefix'),
        ("channel", "", f'{PREFIX}; got "": not a valid key prefix'),
        ("channel", "{x}", f'{PREFIX}; got "{{x}}": not a valid key prefix'),
        ("channel", 5, f"{PREFIX}; got 5"),
        ("driver", "reddis", f'{DRIVER}; got "reddis": did you mean "redis"?'),
        ("driver", "kafka", f'{DRIVER}; got "kafka": not a class name'),
        ("driver", "shop.store", f'{DRIVER}; got "shop.store": not a class name'),
        ("driver", 5, f"{DRIVER}; got 5"),
    ],
)
def test_wrong_channel_settings(project: Project, key: str, written: object, problem: str) -> None:
    """Given a value out of bounds or of another type, the error names the key, what was expected, and what it got."""
    assert project.error({"channels": {"bulk": {key: written}}}) == f"Queue(...) argument: channels.bulk.{key}: {problem}"


@pytest.mark.parametrize("app", ["shop", "shop.jobs", "shop.jobs:queue", "shop.jobs:holder.queue", "größe.aufträge"])
def test_apps(project: Project, app: str) -> None:
    """Given a module, or a name in a module, it is an app."""
    assert project.load({"app": app}).app == app


@pytest.mark.parametrize(
    ("app", "got"),
    [
        ("shop/jobs.py", 'got "shop/jobs.py": that is a file path; give the module name instead: shop.jobs'),
        ("src/shop/jobs.py", 'got "src/shop/jobs.py": that is a file path; give the module name instead: shop.jobs'),
        (
            "my-jobs.py",
            'got "my-jobs.py": that is a file path, and my-jobs is not a module name: rename the file',
        ),
        ("jobs.py:queue", 'got "jobs.py:queue": that is a file path; give the module name instead: jobs'),
        ("shop.jobs:", 'got "shop.jobs:": not a module name'),
        (":queue", 'got ":queue": not a module name'),
        ("shop jobs", 'got "shop jobs": not a module name'),
        ("shop..jobs", 'got "shop..jobs": not a module name'),
        ("a\nb", r"got 'a\nb': not a module name"),
        (5, "got 5"),
        # A URL at the wrong key must not show its password.
        ("redis://:hunter2@h", 'got "redis://:***@h": not a module name'),
    ],
)
def test_wrong_apps(project: Project, app: object, got: str) -> None:
    """Given a text that is not a module, the error shows how to write one."""
    expected = 'expected a module or a queue in a module, such as "shop.jobs" or "shop.jobs:queue"'
    assert project.error({"app": app}) == f"Queue(...) argument: app: {expected}; {got}"


def test_secrets_as_arguments(project: Project) -> None:
    """Given secrets as an argument, one text is cut as the variable is, and a list is taken as it is."""
    assert project.load({"secret": "a b"}).secrets == ("a", "b")
    assert project.load({"secret": ["a", "b"]}).secrets == ("a", "b")


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (["hunter2", ""], "the value is empty"),
        # Signing would be off although someone asked for it.
        ([], "the value is empty"),
        ("", "the value is empty"),
        (["hunter 2"], "a secret must not contain a comma or white space"),
        (["hunter,2"], "a secret must not contain a comma or white space"),
        ("hunter\x002", "it contains control characters, or is not UTF-8"),
        ("hunter\udcff2", "it contains control characters, or is not UTF-8"),
        (b"hunter2", "the value is of type bytes"),
        ([b"hunter2"], "the value is of type list"),
        (5, "the value is of type int"),
    ],
)
def test_wrong_secrets(project: Project, written: object, reason: str) -> None:
    """Given an invalid secret, the error gives the reason and does not show the secret."""
    text = project.error({"secret": written})
    assert text == f"Queue(...) argument: secret: expected one or more secrets, separated by commas or white space; {reason}"


def test_a_url_that_is_no_text(project: Project) -> None:
    """Given a URL of another type, the error names the type."""
    assert project.error({"url": 6379}) == (
        "Queue(...) argument: url: expected the URL of a server, such as redis://localhost:6379/0; the value is of type int"
    )
