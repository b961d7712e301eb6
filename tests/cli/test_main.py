"""The command line as a whole: help, exit codes, and errors that a person understands."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from taskq.cli.commands import ALIASES, COMMANDS, root
from taskq.cli.output import console
from tests.cli.conftest import TASKQ, Project, Type
from tests.conftest import OwnServer
from tests.support.hand import HandWorker
from tests.support.wait import wait_until
from tests.support.worker import clean_environment


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ALIASES])
def test_the_table_has_the_help_of_the_command(name: str) -> None:
    """Given a command, then the table shows its name and short help, and --help explains it."""
    import click

    with click.Context(root) as ctx:
        command = root.get_command(ctx, name)
        assert command is not None
        assert (command.name, command.get_short_help_str(200)) == (name, COMMANDS[name].help)


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_an_alias_is_the_same_command(type_: Type, alias: str, name: str) -> None:
    """Given a second name, then it runs the same command, the table names the first, and the usage line has the typed name."""
    assert (COMMANDS[alias].module, COMMANDS[alias].help) == (COMMANDS[name].module, f"The same as {name}.")
    assert f"Usage: taskq {alias} [OPTIONS]" in type_(alias, "--help").out


@pytest.mark.parametrize("args", [[], ["info"], ["worker"], ["server"]])
def test_help_needs_nothing_slow(args: list[str], tmp_path: Path) -> None:
    """Given --help, then it is printed without the client library, the table printer, asyncio or cloudpickle being imported."""
    code = (
        "import sys, taskq.cli\n"
        "try: taskq.cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "slow = ('redis', 'rich', 'cloudpickle', 'multiprocess', 'asyncio', 'ssl')\n"
        "print([name for name in slow if name in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *args, "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout.startswith("Usage: taskq")


@pytest.mark.parametrize(
    ("args", "reported"),
    [
        (["inf"], 'did you mean "info"?'),
        (["--nope"], "taskq has no option --nope; "),
        (["-A", "shop", "worker"], "taskq has no option -A; name the app as in: taskq worker shop.jobs:queue"),
        (["worker", "-Q", "mail"], "worker has no option -Q; write --channel\n"),
        (["worker", "--autoreload"], "worker has no option --autoreload; taskq dev reloads changed code"),
        (["worker", "--brust"], 'worker has no option --brust; did you mean "--burst"?'),
        (["worker", "--wait-delayed"], "Try 'taskq worker --help'"),
        (["worker", "default"], "'default' is a channel, not a module: write --channel default"),
        (["list", "--failed"], "list has no option --failed; write --state failed"),
        (["ping", "shop"], "unexpected argument: shop; if it is the app, write --app shop"),
        (["reload", "default", "failed"], "unexpected argument: failed; write --state failed"),
        (["--url", "x", "info"], "taskq info --url"),
        (["list"], "give one of default, "),
        (["list", "default", "--state", "broken"], "'broken' is not one of"),
        (["info", "--url", "redis://:geheim@127.0.0.1:1/0"], "doesn't answer"),
        (["info", "--url", "nonsense"], "invalid server URL"),
        (["info", "nosuchchannel"], "nosuchchannel"),
    ],
)
def test_a_mistake_is_reported_in_two_lines(type_: Type, args: list[str], reported: str) -> None:
    """Given a mistake, then exit code 2, nothing on standard output, and at most two lines that say what is wrong."""
    ended = type_(*args)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: ")
    assert reported in ended.err
    assert len(ended.err.splitlines()) <= 2
    assert "geheim" not in ended.err


def test_debug_shows_the_traceback(type_: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given --debug or TASKQ_DEBUG, then the traceback of an error is shown, and the exit code is the same."""
    args = ("info", "--url", "nonsense")
    assert "Traceback" not in type_(*args).err
    assert "Traceback" in type_(*args, "--debug").err
    monkeypatch.setenv("TASKQ_DEBUG", "1")
    ended = type_(*args)
    assert ended.code == 2
    assert "Traceback" in ended.err


def test_an_unexpected_error_is_reported_too(type_: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an unexpected error, then it is printed without a traceback, with exit code 2."""

    def fail(*_args: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("taskq.cli.info.open_inspector", fail)
    ended = type_("info")
    assert ended.code == 2
    assert "KeyError" in ended.err
    assert "Traceback" not in ended.err


def test_version(type_: Type) -> None:
    """Given --version or -V, then it is printed."""
    ended = type_("--version")
    assert type_("-V") == ended
    assert (ended.code, ended.out) == (0, "taskq 0.1.0\n")


def test_an_unreachable_app_falls_back_to_the_settings(project: Project) -> None:
    """Given an app that can't be imported, then commands that read warn and use the settings; what needs the app ends with 2."""
    ended = project.type("info", "--json", "--app", "nosuchmodule:queue")
    assert ended.code == 0
    assert {report["channel"] for report in ended.json()} == {"default", project.channel}
    assert ended.err.startswith("Warning: ")
    assert "nosuchmodule" in ended.err
    ended = project.type("push", "--app", "nosuchmodule:queue", "add", "1")
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_what_the_app_prints_stays_out_of_the_output(project: Project) -> None:
    """Given an app that prints when it is imported, then standard output holds one JSON document and nothing else."""
    ended = project.type("info", "--json")
    assert ended.json()[0]["counts"]["waiting"] == 0
    assert "imported" in ended.err


def test_the_app_of_the_settings_is_found_from_further_down(project: Project) -> None:
    """Given a folder below the settings file, then the app beside that file is loaded."""
    below = project.directory / "a" / "b"
    below.mkdir(parents=True)
    ended = project.type("push", f"{project.name}:add", "1", cwd=below)
    assert ended.code == 0, ended.err
    assert len(ended.out.strip()) == 32


def test_a_reader_that_goes_away_is_no_error(project: Project, worker: HandWorker) -> None:
    """Given `taskq list | head`, then the command ends quietly when its reader exits."""
    worker.sender.call(worker.driver.push([b'{"job": "x:y", "args": ["%s"]}' % (b"z" * 30_000)] * 300))
    args = ("list", project.channel, "--state", "waiting", "--limit", "0")
    for more in ((), ("--json",)):
        with project.start(*args, *more, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline()
            process.stdout.close()
            reported = [line for line in process.stderr.read().splitlines() if line != "imported"]
        if more:  # the table is shorter than what a pipe holds: its writer may end before it notices
            assert process.returncode == 141
        assert reported == []


def test_ctrl_c_ends_a_command_without_a_traceback(project: Project) -> None:
    """Given Ctrl-C, then exit code 130 and no traceback."""
    process = project.start("info", "--watch", "0.2", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    wait_until(lambda: "CHANNEL" in process.stdout.readline(), what="the first view")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_messages_can_not_command_the_terminal(queue: object, type_: Type, worker: HandWorker, project: Project) -> None:
    """Given escape sequences in a job's name, arguments and error, then no command prints one."""
    evil = b'{"job": "a\\u001b[2J\\u202e:b", "args": ["\\u001b[31m\\u009b"], "kwargs": {"k\\u001b": 1}}'
    worker.sender.call(worker.driver.push([evil, evil]))
    worker.set_aside(worker.stamp(worker.reserve(1)[0]), error="bad \x1b]0;x\x07 \x9b")
    worker.beat(job="\x1b[2J", host="\x1b[2J", state="\x1b[2J", since_ms=1)
    identity = type_("list", project.channel, "--json").json()[0]["id"]
    for args in (["list", project.channel], ["list", project.channel, "--state", "waiting"], ["show", identity], ["info"]):
        for extra in ([], ["--json"]):
            ended = type_(*args, *extra)
            assert ended.code == 0, ended.err
            assert all(letter.isprintable() or letter == "\n" for letter in ended.out + ended.err)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("args", [("info",), ("--help",), ("config", "--json"), ("list", "--help")])
def test_output_that_cant_be_written_is_reported(project: Project, args: tuple[str, ...]) -> None:
    """Given a full disk behind standard output, then the error says that, with exit code 1, and blames nobody's code."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*TASKQ, *args], cwd=project.directory, env=clean_environment(), stdout=full, stderr=subprocess.PIPE, text=True
        )
    output = done.stderr.removeprefix("imported\n")  # by the app
    assert (done.returncode, output) == (1, "Error: the output can't be written: No space left on device\n")


def test_a_wrong_variable_is_reported_by_its_name(project: Project) -> None:
    """Given TASKQ_DEBUG that is neither yes nor no, then the error names the variable, and no option that nobody wrote."""
    done = project.type("config", env={"TASKQ_DEBUG": "maybe"})
    assert done.code == 2
    assert done.err.startswith("Error: environment: TASKQ_DEBUG: 'maybe' is not a valid boolean")
    done = project.type("worker", "--burst", env={"TASKQ_LOG_LEVEL": "chatty"})
    assert done.code == 2
    assert done.err.startswith("Error: environment: TASKQ_LOG_LEVEL: 'chatty' is not one of")
    assert project.type("config", env={"TASKQ_DEBUG": "1"}).code == 0
    assert project.type("config", "--debug").code == 0


@pytest.mark.one_python
def test_a_reader_of_the_live_view_may_go_away(project: Project) -> None:
    """Given `taskq info --watch | head`, then the command ends quietly with the next view, with the code of a closed pipe."""
    with project.start("info", "--watch", "0.1", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert [line for line in process.stderr.read().splitlines() if line != "imported"] == []
    assert process.returncode == 141


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"TERM": "xterm-256color"}, "\x1b[1;31mtext\x1b[0m"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "\x1b[1mtext\x1b[0m"),
        ({"TERM": "dumb"}, "text"),
    ],
    ids=["colors", "NO_COLOR", "TERM=dumb"],
)
def test_a_terminal_without_colors_gets_none(env: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a terminal that can't show colors, or a user who wants none, then the output has none."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    terminal, window = pty.openpty()
    with os.fdopen(terminal, "rb", 0) as shown, os.fdopen(window, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        console().print("text", style="bold red")
        stdout.flush()
        assert shown.read(100).decode().strip() == expected


@pytest.mark.one_python
def test_no_password_stays_in_the_list_of_processes(project: Project, own_server: OwnServer) -> None:
    """Given a worker with a password in --url, then its command line shows the title of the supervisor soon, and the log masks it."""
    url = own_server(requirepass="open-sesame").url
    with project.start("worker", "--url", url, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        titles = wait_until(lambda: (found := _titles(process.pid))[0].startswith("taskq: supervisor") and found)
        assert not any("open-sesame" in title for title in titles)
        process.terminate()
        assert process.stderr is not None
        assert "open-sesame" not in process.stderr.read()


def _titles(pid: int) -> list[str]:
    supervisor = psutil.Process(pid)
    return [" ".join(one.cmdline()) for one in (supervisor, *supervisor.children(recursive=True))]


@pytest.mark.one_python
@pytest.mark.parametrize("words", [[], ["info"], ["server", "stop"], ["help"]])
def test_help_is_a_command_too(type_: Type, words: list[str]) -> None:
    """Given `taskq help` and the names of a command, then the same is printed as with --help after them."""
    ended = type_("help", *words)
    assert ended == type_(*words, "--help")
    assert ended.out.startswith(" ".join(["Usage: taskq", *words, ""]))


@pytest.mark.one_python
def test_help_shows_no_empty_range(type_: Type) -> None:
    """Given a duration without bounds, then the help of its option has no range."""
    assert "<=None" not in type_("push", "--help").out


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("words", "reported"),
    [(["inf"], "no command 'inf'; did you mean \"info\"?"), (["info", "more"], "taskq info has no commands: try 'taskq help info'")],
)
def test_help_of_an_unknown_command(type_: Type, words: list[str], reported: str) -> None:
    """Given `taskq help` with a name that no command has, then exit code 2, and the error of that name."""
    ended = type_("help", *words)
    assert (ended.code, ended.out) == (2, "")
    assert reported in ended.err
