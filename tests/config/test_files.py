"""Which file is read, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from taskq.errors import ConfigError
from tests.config.conftest import Project

FileError = Callable[[str], str]


def test_pyproject(project: Project) -> None:
    """Given a [tool.taskq] table, it is read, and names itself as origin."""
    project.write('[tool.taskq]\napp = "shop"\n[tool.taskq.channels.bulk]\nprocesses = 2\n', "pyproject.toml")
    settings = project.load()
    assert (settings.app, settings.channel("bulk").processes) == ("shop", 2)
    assert settings.origins["channels.bulk.processes"] == "pyproject.toml"
    assert (settings.directory, settings.origins["directory"]) == (project.folder, "pyproject.toml")


def test_upwards(project: Project) -> None:
    """Given settings in a folder further up, they are found, and named by their whole path."""
    path = project.write('app = "shop"')
    deep = project.folder / "src" / "deep"
    deep.mkdir(parents=True)
    settings = project.load(None, deep)
    assert (settings.app, settings.directory) == ("shop", project.folder)
    assert settings.origins["app"] == str(path)


def test_nearest_wins(project: Project) -> None:
    """Given settings in two folders, the nearest file is read and the other is not even looked at."""
    project.write("this is no TOML")
    project.write('[tool.taskq]\napp = "near"', "src/pyproject.toml")
    assert project.load(None, project.folder / "src").app == "near"


def test_pyproject_without_table(project: Project) -> None:
    """Given a pyproject.toml without our table, the search goes on, also when that file is broken or names taskq otherwise."""
    project.write('app = "far"')
    project.write('[project]\ndependencies = ["taskq"]\n', "one/pyproject.toml")
    project.write('[tool.other]\nx = "taskq"\n', "one/two/pyproject.toml")
    project.write("broken [", "one/two/three/pyproject.toml")
    project.write("tool = 'taskq'", "one/two/three/four/pyproject.toml")
    assert project.load(None, project.folder / "one/two/three/four").app == "far"


def test_a_folder_named_like_the_file(project: Project) -> None:
    """Given a folder named taskq.toml, it is an error: settings were meant, and a worker without them would do something else."""
    (project.folder / "taskq.toml").mkdir()
    with pytest.raises(ConfigError, match=r"taskq\.toml must be a file, but is a directory"):
        project.load()


def test_both_files(project: Project) -> None:
    """Given settings in both files of one folder, the error names both."""
    project.write('app = "a"')
    project.write('[tool.taskq]\nurl = "redis://h"', "pyproject.toml")
    assert project.error() == (
        "settings found in both taskq.toml and pyproject.toml: keep them in one file, and remove the [tool.taskq] tables from the other"
    )


def test_both_files_but_one_is_empty(project: Project) -> None:
    """Given two files of which one holds no settings, the other is read."""
    project.write("")
    project.write('[tool.taskq]\napp = "a"', "pyproject.toml")
    assert project.load().app == "a"
    project.write('app = "b"')
    project.write("[tool.taskq]", "pyproject.toml")
    assert project.load().app == "b"


def test_an_empty_file_marks_the_project(project: Project) -> None:
    """Given an empty taskq.toml, its folder is the project's, and files further up are not read."""
    project.write('app = "far"')
    inner = project.write("", "inner/taskq.toml").parent
    settings = project.load(None, inner)
    assert (settings.app, settings.directory) == (None, inner)


@pytest.mark.parametrize(("file", "table"), [("taskq.toml", ""), ("pyproject.toml", "tool.taskq.")])
def test_byte_order_mark_and_line_ends(project: Project, file: str, table: str) -> None:
    """Given a file as Windows editors write it, it is read. Line ends that TOML doesn't know are an error, with their place."""
    lines = f"[{table}channels.bulk]\r\nlease = 5\r\n".encode()
    (project.folder / file).write_bytes(b"\xef\xbb\xbf" + lines)
    assert set(project.load().channels) == {"default", "bulk"}
    (project.folder / file).write_bytes(lines.replace(b"\r\n", b"\r"))
    assert project.error().startswith(f"{file}, line 1: invalid TOML: Expected newline")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("app = 'a'\nurl redis", "taskq.toml, line 2: invalid TOML: Expected '=' after a key in a key/value pair (column 5)"),
        ("app = 'a'\n\nurl =\n", "taskq.toml, line 3: invalid TOML: Invalid value (column 6)"),
        ("app = 'a'\nurl = [", "taskq.toml, line 2: invalid TOML: Invalid value (the file ends too early)"),
    ],
)
def test_syntax_error(file_error: FileError, text: str, problem: str) -> None:
    """Given a file that is not TOML, the error names file, line and column."""
    assert file_error(text) == problem


def test_syntax_error_in_pyproject(project: Project) -> None:
    """Given a broken pyproject.toml that may hold our table, the error names it."""
    path = project.write("[tool.taskq\n", "pyproject.toml")
    assert project.error() == "pyproject.toml, line 1: invalid TOML: Expected ']' at the end of a table declaration (column 12)"
    assert project.error(None, project.folder).startswith(f"{path}, line 1: ")


@pytest.mark.parametrize("data", [b"app = '\xff'", 'app = "shop"\n'.encode("utf-16")])
def test_not_utf8(project: Project, data: bytes) -> None:
    """Given a file of another encoding, the error names the encoding of TOML."""
    (project.folder / "taskq.toml").write_bytes(data)
    assert project.error() == "taskq.toml is not valid UTF-8, which TOML requires"


def test_unreadable(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file without read permission, the error gives the reason."""
    path = project.write("")
    if os.geteuid() == 0:
        # The administrator may read everything, so the refusal is made.
        def refuse(self: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refuse)
    else:
        path.chmod(0)
    assert project.error() == "taskq.toml can't be read: Permission denied"


def test_tool_taskq_is_no_table(project: Project) -> None:
    """Given a value in place of the table, the error states that a table was expected."""
    project.write("[tool]\ntaskq = 5", "pyproject.toml")
    assert project.error() == "pyproject.toml: tool.taskq: expected a table; got 5"


@pytest.mark.parametrize("key", ["secret", "secrets"])
def test_secret_in_a_file(project: Project, key: str) -> None:
    """Given a secret in a file, the error names the variable to set, and never the secret."""
    project.write(f'[tool.taskq]\n{key} = "hunter2"', "pyproject.toml")
    assert project.error() == (
        f"pyproject.toml: tool.taskq.{key}: secrets must not be in a file that is shared and stored; set the variable TASKQ_SECRET instead"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ulr = 'x'", 'taskq.toml: ulr: unknown key "ulr"; did you mean "url"?'),
        (
            "zzz = 1",
            'taskq.toml: zzz: unknown key "zzz"; valid are: app, channels, imports, max_message_size, max_pattern_channels, ',
        ),
        ("channel = {}", 'taskq.toml: channel: unknown table "channel"; did you mean [channels.default]?'),
        ('channel = "x"', 'taskq.toml: channel: "channel" is a channel setting; set it in [channels.default]'),
        ("processes = 2", 'taskq.toml: processes: "processes" is a channel setting; set it in [channels.default]'),
        ("[default]", 'taskq.toml: default: unknown table "default"; to define a channel, write [channels.default]'),
        ("[chanels.a]", 'taskq.toml: chanels: unknown key "chanels"; did you mean "channels"?'),
        ("[tool.taskq]", "taskq.toml: tool: write the keys of [tool.taskq] at the top of this file, and [channels.default]"),
        ("directory = '.'", "taskq.toml: directory: the directory is that of this file; it can be set only as an argument"),
        ("channels = 5", "taskq.toml: channels: expected a table of channels, as in [channels.default]; got 5"),
        ("[channels]\ndefault = 'x'", 'taskq.toml: channels.default: expected a table of the channel\'s settings; got "x"'),
        (
            "[channels.default]\nproceses = 4",
            'taskq.toml: channels.default.proceses: unknown key "proceses"; did you mean "processes"?',
        ),
        (
            "[channels.bulk]\nurl = 'x'",
            'taskq.toml: channels.bulk.url: "url" is not a channel setting; set it at the top level, as url',
        ),
        ("[channels.bulk]\nname = 'x'", 'taskq.toml: channels.bulk.name: unknown key "name"; valid are: channel, concurrency, driver'),
        (
            '[channels."a b"]',
            "taskq.toml: channels.a b: 'a b' can't name a channel: use 1 to 64 letters, digits, '_', '-' or '.', beginning with a letter",
        ),
    ],
)
def test_unknown_keys(file_error: FileError, text: str, problem: str) -> None:
    """Given a misplaced key, the error names file and key, and where it belongs or what was meant."""
    assert file_error(text).startswith(problem)


def test_keys_of_pyproject_have_their_prefix(project: Project) -> None:
    """Given an error in pyproject.toml, the key is named as in the file."""
    project.write("[tool.taskq.channels.default]\nlease = 0\n", "pyproject.toml")
    assert project.error() == (
        'pyproject.toml: tool.taskq.channels.default.lease: expected a duration in seconds such as 30, "5m" or "1h30m", '
        "from 1 to ten years; got 0"
    )
    project.write("[tool.taskq]\nlease = 20\n", "pyproject.toml")
    assert project.error() == ('pyproject.toml: tool.taskq.lease: "lease" is a channel setting; set it in [tool.taskq.channels.default]')


def test_arguments_have_keys_too(project: Project) -> None:
    """Given an unknown argument, the error names it and the nearest, which may be one that files don't have."""
    assert project.error({"secrets": "x"}) == 'Queue(...) argument: secrets: unknown key "secrets"; did you mean "secret"?'
    assert project.error({"channels": {"bulk": {"leese": 3}}}) == (
        'Queue(...) argument: channels.bulk.leese: unknown key "leese"; did you mean "lease"?'
    )
    assert project.error({"channels": {5: {}}}) == (
        "Queue(...) argument: channels: expected a table of channels, as in [channels.default]; got a table"
    )


def test_the_singular_is_understood(project: Project) -> None:
    """Given [channel.mail], then the error names the table that was meant."""
    project.write("[channel.mail]\nprocesses = 1\n")
    with pytest.raises(ConfigError, match=r'unknown table "channel"; did you mean \[channels\.mail\]\?'):
        project.load()
