"""worker: how the command line starts one. What a worker does is tested elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from taskq.supervisor import WorkerOptions
from tests.cli.conftest import Project, Type
from tests.support.worker import clean_environment


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, WorkerOptions]]:
    """What workers would have been started."""
    calls: list[tuple[str, WorkerOptions]] = []

    def run(app: str, options: WorkerOptions) -> int:
        calls.append((app, options))
        return 0

    monkeypatch.setattr("taskq.supervisor.run_worker", run)
    return calls


def test_a_burst_runs_what_waits(project: Project) -> None:
    """Given a job that works and one that fails, then the burst ends with 0, and with 1 when a job ended in failed."""
    assert project.type("push", f"{project.name}:add", "1").code == 0
    ended = project.type("worker", "--burst")
    assert ended.code == 0, ended.err
    assert project.type("push", "boom", '"bang"').code == 0
    ended = project.type("worker", f"{project.name}:queue", "--burst", "--log-format", "json")
    assert ended.code == 1, ended.err
    (report,) = project.type("info", project.channel, "--json").json()
    assert (report["counts"]["failed"], report["counts"]["waiting"]) == (1, 0)


@pytest.mark.parametrize(
    ("args", "app", "expected"),
    [
        ([], None, {}),
        (["shop:q"], "shop:q", {}),
        (["--app", "shop:q"], "shop:q", {}),
        (["--channel", "a", "--channel", "b", "--processes", "3"], None, {"channels": ("a", "b"), "processes": 3}),
        (["--burst", "--max-messages", "9", "--debug"], None, {"burst": True, "max_messages": 9}),
        (["--url", " redis://x ", "--log-level", "warning"], None, {"url": "redis://x", "log_level": "WARNING"}),
        (["--log-format", "JSON"], None, {"log_format": "json"}),
        (["--log-config", "log.toml"], None, {"log_config": "log.toml"}),
        (["--keep-logging"], None, {"keep_logging": True}),
        (["--concurrency", "20"], None, {"concurrency": 20}),
    ],
)
def test_the_options_reach_the_worker(
    type_: Type,
    project: Project,
    started: list[tuple[str, WorkerOptions]],
    args: list[str],
    app: str | None,
    expected: dict[str, Any],
) -> None:
    """Given options, then the worker is started with them."""
    assert type_("worker", *args).code == 0
    assert started == [(app or f"{project.name}:queue", WorkerOptions(**expected))]


def test_the_log_can_be_chosen_by_the_environment(
    type_: Type, started: list[tuple[str, WorkerOptions]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given TASKQ_LOG_LEVEL and the other variables of the log, then they apply, except for an empty one."""
    monkeypatch.setenv("TASKQ_LOG_LEVEL", "debug")
    monkeypatch.setenv("TASKQ_LOG_FORMAT", "json")
    monkeypatch.setenv("TASKQ_LOG_CONFIG", "log.json")
    monkeypatch.setenv("TASKQ_KEEP_LOGGING", "")
    assert type_("worker").code == 0
    monkeypatch.setenv("TASKQ_LOG_CONFIG", "")
    monkeypatch.setenv("TASKQ_KEEP_LOGGING", "1")
    assert type_("worker").code == 0
    assert [options for _, options in started] == [
        WorkerOptions(log_level="DEBUG", log_format="json", log_config="log.json"),
        WorkerOptions(log_level="DEBUG", log_format="json", keep_logging=True),
    ]


@pytest.mark.parametrize(
    ("args", "reported"),
    [
        (["--processes", "0"], "--processes"),
        (["--concurrency", "0"], "--concurrency"),
        (["--concurrency", "1001"], "--concurrency"),
        (["--concurrency", "many"], "--concurrency"),
        (["--max-messages", "-1"], "--max-messages"),
        (["--log-level", "loud"], "--log-level"),
        (["--log-config", "log.toml", "--keep-logging"], "can't be combined"),
        (["--url", "nonsense"], "invalid server URL"),
        (["a:q", "--app", "b:q"], "differ: give only one"),
        (["./jobs.py"], "file path; give the module name instead: jobs"),
    ],
)
def test_wrong_options_start_nothing(type_: Type, started: list[tuple[str, WorkerOptions]], args: list[str], reported: str) -> None:
    """Given a wrong option, then exit code 2 and no worker."""
    ended = type_("worker", *args)
    assert ended.code == 2
    assert reported in ended.err
    assert started == []


def test_an_app_that_fails_to_import_is_reported_plainly(project: Project) -> None:
    """Given an app whose import raises, then exit code 2 with the reason, and a traceback only with --debug."""
    (project.directory / "broken.py").write_text("1 / 0\n")
    ended = project.type("worker", "broken:queue", "--burst")
    assert ended.code == 2
    assert "ZeroDivisionError" in ended.err
    assert "Traceback" not in ended.err
    assert "broken.py" in project.type("worker", "broken:queue", "--burst", "--debug").err


def test_without_an_app_the_likely_one_is_named(project: Project) -> None:
    """Given no app in the settings, then the error names the only module here that makes a queue; of two it names none."""
    settings = project.directory / "taskq.toml"
    settings.write_text(settings.read_text().split("\n", 1)[1])
    ended = project.type("worker", "--burst")
    assert ended.code == 2
    assert ended.err.splitlines()[-1] == f"Found here: {project.name}:queue"
    (project.directory / "second.py").write_text("from taskq import Queue\nother: Queue = Queue()\n")
    assert "Found here" not in project.type("worker", "--burst").err


def test_a_reloaded_message_runs_anew(project: Project) -> None:
    """Given a job that ended in failed, on a queue that signs, then reload lets a worker run it again, and its history grows."""
    env = {"TASKQ_SECRET": "k"}
    identity = project.type("push", "boom", '"bang"', env=env).out.strip()
    assert project.type("worker", "--burst", env=env).code == 1
    # The read side needs no secret.
    assert project.type("reload", project.channel).out == "1 message reloaded\n"
    assert project.type("worker", "--burst", env=env).code == 1
    reported = project.type("show", identity, "--json").json()
    assert (reported["state"], reported["attempts"]) == ("failed", 1)
    assert [record["error"] for record in reported["history"]] == ["ValueError: bang"] * 2
    assert "raise ValueError" in reported["history"][1]["traceback"]


SIGNALS_AT_BOTH_ENDS = """
import atexit, os, signal, sys
import taskq.supervisor

def both(*args):
    for number in (signal.SIGTTIN, signal.SIGTTOU):
        os.kill(os.getpid(), number)
    return 0

def again():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(os.getpid(), number)

atexit.register(both)
atexit.register(again)
taskq.supervisor.run_worker = both
sys.argv = ["taskq", "worker", "shop.jobs"]
from taskq.cli import main
main()
"""


def test_signals_at_the_ends_of_a_worker_change_nothing() -> None:
    """Given a worker that starts or ends, if SIGTTIN or SIGTTOU comes, then it isn't stopped; a repeated SIGTERM keeps the exit code."""
    process = subprocess.Popen([sys.executable, "-c", SIGNALS_AT_BOTH_ENDS], env=clean_environment())
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert not os.WIFSTOPPED(status), signal.Signals(os.WSTOPSIG(status)).name
        assert os.waitstatus_to_exitcode(status) == 0
        process.returncode = 0
    finally:
        process.kill()
        process.wait(10)
