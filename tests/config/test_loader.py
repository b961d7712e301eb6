"""The four sources, and which of them wins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taskq.config import load_settings
from taskq.errors import ConfigError
from tests.config.conftest import Project


def test_defaults(project: Project) -> None:
    """Given nothing at all, every value is the default, and so is its origin."""
    settings = project.load()
    assert (settings.app, settings.url, settings.secrets) == (None, None, ())
    assert (settings.serializer, settings.max_message_size, settings.directory) == ("pickle", 64 * 2**20, project.folder)
    assert list(settings.channels) == ["default"]
    default = settings.channels["default"]
    assert (default.name, default.driver, default.channel) == ("default", "redis", "queue")
    assert (default.retry_seconds, default.processes, default.concurrency, default.handle_timeout) == (5, 1, 1, 0)
    assert (default.max_attempts, default.max_messages, default.max_memory) == (3, 0, 0)
    assert (default.stop_timeout, default.lease, default.on_lost, default.max_crashes) == (30, 15, "retry", 3)
    assert (default.failed_limit, default.failed_ttl) == (10_000, 30 * 86400)
    assert set(settings.origins.values()) == {"default"}


def test_all_keys_of_a_file(project: Project) -> None:
    """Given a file with every key, each is read with its type."""
    project.write("""
        app = "shop.jobs:queue"
        url = "redis://localhost:6379/1"
        serializer = "json"
        max_message_size = "1MiB"
        [channels.default]
        driver = "shop.store:Driver"
        channel = "shop"
        retry_seconds = [1, 5, 30.5]
        processes = 4
        concurrency = 8
        handle_timeout = 60
        max_attempts = 65535
        max_messages = 1000
        max_memory = "512MiB"
        stop_timeout = 0.5
        lease = 1
        on_lost = "timeout"
        max_crashes = 250
        failed_limit = 1
        failed_ttl = 0
        """)
    settings = project.load()
    assert (settings.app, settings.url) == ("shop.jobs:queue", "redis://localhost:6379/1")
    assert (settings.serializer, settings.max_message_size) == ("json", 2**20)
    default = settings.channel("default")
    assert (default.driver, default.channel, default.retry_seconds) == ("shop.store:Driver", "shop", (1.0, 5.0, 30.5))
    assert (default.processes, default.concurrency, default.handle_timeout) == (4, 8, 60)
    assert (default.max_attempts, default.max_messages, default.max_memory) == (65535, 1000, 512 * 2**20)
    assert (default.stop_timeout, default.lease, default.on_lost, default.max_crashes) == (0.5, 1, "timeout", 250)
    assert (default.failed_limit, default.failed_ttl) == (1, 0)


def test_precedence(project: Project) -> None:
    """Given a key in several sources, arguments win over the environment, that over the file, that over the default."""
    project.write("""
        url = "redis://file"
        app = "file"
        serializer = "json"
        [channels.default]
        processes = 2
        max_attempts = 2
        lease = 2
        """)
    settings = project.load(
        {"url": "redis://argument", "channels": {"default": {"processes": 4}}},
        TASKQ_URL="redis://environment",
        TASKQ_APP="environment",
        TASKQ_CHANNELS__DEFAULT__PROCESSES="3",
        TASKQ_CHANNELS__DEFAULT__MAX_ATTEMPTS="3",
    )
    assert (settings.url, settings.app, settings.serializer) == ("redis://argument", "environment", "json")
    default = settings.channel("default")
    assert (default.processes, default.max_attempts, default.lease, default.concurrency) == (4, 3, 2, 1)
    assert settings.origins["url"] == "Queue(...) argument"
    assert settings.origins["app"] == "TASKQ_APP (environment)"
    assert settings.origins["serializer"] == "taskq.toml"
    assert settings.origins["max_message_size"] == "default"
    assert settings.origins["channels.default.processes"] == "Queue(...) argument"
    assert settings.origins["channels.default.max_attempts"] == "TASKQ_CHANNELS__DEFAULT__MAX_ATTEMPTS (environment)"
    assert settings.origins["channels.default.lease"] == "taskq.toml"
    assert settings.origins["channels.default.concurrency"] == "default"


def test_origins_are_complete(project: Project) -> None:
    """Given any settings, every value has an origin, that of each channel too."""
    settings = project.load({"channels": {"bulk": {}}})
    for name, channel in settings.channels.items():
        keys = {key for key in channel.__struct_fields__ if key != "name"}
        assert keys == {key.removeprefix(f"channels.{name}.") for key in settings.origins if key.startswith(f"channels.{name}.")}
    top = {"app", "imports", "url", "secret", "serializer", "max_message_size", "wait_replicas", "max_pattern_channels", "directory"}
    assert top == {key for key in settings.origins if "." not in key}


def test_channels_of_all_sources(project: Project) -> None:
    """Given a channel in each source, all are there, an empty one too, each with its name as prefix."""
    project.write("[channels.file]\n[channels.Both]\nprocesses = 2\n")
    settings = project.load({"channels": {"argument": {}, "Both": {"lease": 9}}}, TASKQ_CHANNELS__ENVIRONMENT__PROCESSES="3")
    assert set(settings.channels) == {"default", "file", "Both", "environment", "argument"}
    assert {channel.channel for channel in settings.channels.values()} == {"queue", "file", "Both", "environment", "argument"}
    assert (settings.channel("Both").processes, settings.channel("Both").lease) == (2, 9)


def test_none_is_not_given(project: Project) -> None:
    """Given an argument that is None, the next source decides."""
    assert project.load({"url": None, "app": None}, TASKQ_URL="redis://h").url == "redis://h"


def test_every_source_is_checked(project: Project) -> None:
    """Given a wrong value that another source overrides, it is still an error."""
    project.write("serializer = 'xml'")
    assert project.error({"serializer": "json"}).startswith("taskq.toml: serializer: expected one of")


def test_argument_name(project: Project) -> None:
    """Given a name for the arguments, errors and origins use it."""
    with pytest.raises(ConfigError) as caught:
        load_settings({"url": "redis://h:x"}, environ={}, argument_name="--url option")
    assert str(caught.value) == (
        "--url option: url: expected the URL of a server, such as redis://localhost:6379/0; "
        "invalid server URL 'redis://h:***': a port must be a number from 1 to 65535"
    )
    assert load_settings({"url": "redis://h"}, environ={}, argument_name="--url option").origins["url"] == "--url option"


def test_directory_argument(project: Project) -> None:
    """Given a directory, it is made absolute; one that doesn't exist is an error."""
    data = project.folder / "data"
    data.mkdir()
    settings = project.load({"directory": "data"})
    assert (settings.directory, settings.origins["directory"]) == (data, "Queue(...) argument")
    assert project.load({"directory": data}).directory == data
    assert project.error({"directory": "nowhere"}) == (
        'Queue(...) argument: directory: expected an existing directory; got "nowhere": the directory does not exist'
    )
    assert project.error({"directory": 5}) == (
        "Queue(...) argument: directory: expected an existing directory; got 5: the value is of type int"
    )


def test_same_prefix(project: Project) -> None:
    """Given two channels with the keys of one, the error names both and where each prefix came from."""
    project.write('[channels.a]\nchannel = "x"\n')
    assert project.error(TASKQ_CHANNELS__B__CHANNEL="x") == (
        "channels.a.channel (taskq.toml) and channels.b.channel (TASKQ_CHANNELS__B__CHANNEL (environment)): "
        'channels "a" and "b" have the same key prefix "x"; expected one for each, as in channel = "b-jobs"'
    )


def test_a_channel_named_queue(project: Project) -> None:
    """Given a channel "queue", it would share the prefix of `default`: an error; with a different prefix it isn't."""
    assert 'channels "default" and "queue" have the same key prefix "queue"' in project.error({"channels": {"queue": {}}})
    assert project.load({"channels": {"queue": {"channel": "queue-jobs"}}}).channel("queue").channel == "queue-jobs"


def test_the_process_environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no environment, that of the process is read."""
    monkeypatch.setenv("TASKQ_APP", "shop.jobs")
    assert load_settings().app == "shop.jobs"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that lets go of a directory in use")
def test_deleted_working_directory(tmp_path: Path) -> None:
    """Given a working directory that was deleted, the error states it."""
    deleted = tmp_path / "gone"
    deleted.mkdir()
    code = (
        "import os, sys; sys.path[:] = [p for p in sys.path if p]; from taskq.config import load_settings\n"
        "os.rmdir(os.getcwd())\n"
        "try: load_settings(environ={})\nexcept Exception as e: print(type(e).__name__, e)"
    )
    root = str(Path(__file__).parents[2])
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=deleted, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True, timeout=60
    )
    assert run.stdout == "ConfigError the working directory no longer exists; change to an existing directory\n", run.stderr


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """Given only the settings, no client, no command line and no helper of errors is imported."""
    root = Path(__file__).parents[2]
    code = (
        # Measuring coverage imports some of these before the first line.
        "import sys, types; before = set(sys.modules)\n"
        # The front door imports everything; here only the settings are of interest.
        f"house = types.ModuleType('taskq'); house.__path__ = [{str(root / 'taskq')!r}]; sys.modules['taskq'] = house\n"
        "from taskq.config import load_settings; load_settings(environ={})\n"
        "print(*sorted({'redis', 'click', 'rich', 'cloudpickle', 'difflib', 'tomllib', 'asyncio'} & (set(sys.modules) - before)))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr) == ("\n", "")
