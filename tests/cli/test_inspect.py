"""info, list and show: what an operator reads."""

from __future__ import annotations

import re
import sys

import pytest

from taskq import Queue
from taskq.channel import Keys, State
from tests.cli.conftest import Project, Type, push
from tests.conftest import OwnServer
from tests.support.hand import HandWorker
from tests.support.servers import ServerProcess


def test_info_counts_and_shows_workers(queue: Queue, type_: Type, worker: HandWorker, project: Project) -> None:
    """Given messages and a running worker, then info tells how many are where, and what runs for how long."""
    push(queue, "add", 1)
    push(queue, "add", 1, delay=60)
    worker.beat(state="running", job="shop:nap", message="0" * 32, since_ms=1)
    ended = type_("info", project.channel)
    assert ended.code == 0
    header, row = [line.split() for line in ended.out.splitlines() if line.startswith(("CHANNEL", project.channel))]
    reported = dict(zip(header, row, strict=True))
    assert (reported["WAITING"], reported["DELAYED"], reported["FAILED"]) == ("1", "1", "0")
    (shown,) = [line for line in ended.out.splitlines() if line.startswith("box:11")]
    assert "running" in shown
    assert "shop:nap" in shown


def test_info_as_json_is_one_document(queue: Queue, type_: Type, worker: HandWorker, project: Project) -> None:
    """Given --json, then an array with an object for each channel, workers included."""
    worker.beat(job="", pid=7)
    reports = {report["channel"]: report for report in type_("info", "--json").json()}
    assert set(reports) == {"default", project.channel}
    assert reports[project.channel]["workers"][0]["pid"] == 7
    assert reports[project.channel]["prefix"] == project.channel
    assert set(reports["default"]["counts"]) == {state.value for state in State}


@pytest.mark.parametrize("args", [["info"], ["list", "--state", "waiting"], ["flush", "--state", "waiting", "--yes"]])
def test_a_key_of_another_type_is_named(queue: Queue, type_: Type, project: Project, server: ServerProcess, args: list[str]) -> None:
    """Given a key that something else uses, then the error names the key, its channel, and the remedy."""
    key = Keys(project.channel).waiting
    server.admin.set(key, "mine")
    ended = type_(args[0], project.channel, *args[1:])
    assert ended.code == 2
    assert f"channel {project.channel}: the key {key} must be a list; it is a string. Another program uses this key" in ended.err


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_job_that_isnt_there_is_reported(queue: Queue, type_: Type, project: Project, more: list[str]) -> None:
    """Given --job with a name that the app doesn't have, then that is said, and one that it has is simply without messages."""
    ended = type_("list", project.channel, "--job", "bom", *more)
    assert (ended.code, ended.err) == (1, "Error: unknown job 'bom'; did you mean \"boom\"?\n")
    assert type_("list", project.channel, "--job", "boom", *more).code == 0


def test_what_is_refused_is_reported_as_a_sentence(type_: Type, own_server: OwnServer) -> None:
    """Given a server that refuses, then the error says in words what it was asked to do."""
    ended = type_("info", "--url", f"unix://{own_server(requirepass='s3cret').socket}")
    assert "rejected the count command: " in ended.err
    assert ".." not in ended.err


@pytest.mark.parametrize("args", [["--watch", "--json"], ["--watch", "0"], ["--watch=nan"], ["default", "--watch", "soon"]])
def test_watch_refuses_what_makes_no_sense(type_: Type, args: list[str]) -> None:
    """Given --watch with JSON, or no sensible number of seconds, then exit code 2."""
    assert type_("info", *args).code == 2


def test_list_shows_failed_messages(queue: Queue, type_: Type, worker: HandWorker, project: Project) -> None:
    """Given failed messages, then list shows id, attempts, age, job, arguments and error, the oldest first."""
    ids = [push(queue, "add", number, "x" * 500) for number in range(3)]
    for raw in worker.reserve():
        worker.set_aside(raw)
    ended = type_("list", project.channel)
    lines = ended.out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ids
    assert "1/4" in lines[1]
    assert f"{project.name}:add" in lines[1]
    assert "0, 'xxx" in lines[1]
    assert "ValueError: no" in lines[1]


def test_a_table_is_as_wide_as_the_terminal(
    queue: Queue, type_: Type, worker: HandWorker, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a narrow terminal, then no line is longer, and the id is still whole."""
    identity = push(queue, "add", "x" * 500)
    worker.set_aside(worker.reserve()[0])
    monkeypatch.setenv("COLUMNS", "80")
    lines = type_("list", project.channel).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split()[0] == identity


@pytest.mark.parametrize(("limit", "number"), [("2", 2), ("0", 5), ("99", 5)])
def test_list_is_limited(queue: Queue, type_: Type, project: Project, limit: str, number: int) -> None:
    """Given --limit, then at most that many are listed, and a line names the number of the others."""
    for value in range(5):
        push(queue, "add", value)
    ended = type_("list", project.channel, "--state", "waiting", "--limit", limit)
    assert len(ended.out.splitlines()) == number + 1
    assert ("5 messages" in ended.err) == (number < 5)
    assert len(type_("list", project.channel, "--state", "waiting", "--limit", limit, "--json").json()) == number


@pytest.mark.parametrize("width", ["80", "1000"])
def test_a_job_with_a_long_name_hides_no_column(
    queue: Queue, type_: Type, project: Project, server: ServerProcess, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    """Given a message whose job has a name of a million characters, then list still shows all columns, also in a narrow terminal."""
    identity = push(queue, "add", 1)
    server.admin.lpush(Keys(project.channel).waiting, b'{"job": "' + b"x" * 1_000_000 + b'"}')
    monkeypatch.setenv("COLUMNS", width)
    head, first, _ = type_("list", project.channel, "--state", "waiting").out.splitlines()
    assert head.split() == ["ID", "ATTEMPT", "AGE", "JOB", "ARGUMENTS"]
    assert (first.split()[0], first.split()[-1]) == (identity, "1")


def test_what_is_left_out_of_a_job_is_reported(queue: Queue, type_: Type, project: Project) -> None:
    """Given messages of two jobs, then --limit counts those of the job alone."""
    for job in ("add", "boom", "add", "boom"):
        push(queue, job, "x")
    args = ("list", project.channel, "--state", "waiting", "--job", "boom", "--limit")
    assert type_(*args, "2").err == ""
    assert type_(*args, "1").err == "the first 1; --limit 0 lists all\n"


def test_list_of_nothing(type_: Type, project: Project) -> None:
    """Given no messages, then that is said, standard output is empty, as JSON it is an empty array, and the exit code is 0."""
    ended = type_("list", project.channel, "--job", "add")
    assert (ended.code, ended.out) == (0, "")
    assert "no messages of job add in failed" in ended.err
    assert type_("list", project.channel, "--json").json() == []


@pytest.mark.parametrize("state", list(State))
def test_every_state_can_be_listed(queue: Queue, type_: Type, worker: HandWorker, project: Project, state: State) -> None:
    """Given a message in a state, then list and show present it."""
    identity = push(queue, "add", 1, delay=50 if state is State.DELAYED else 0)
    if state not in (State.WAITING, State.DELAYED):
        (raw,) = worker.reserve()
        if state is not State.RESERVED:
            worker.set_aside(raw, state, "the reason")
    ended = type_("list", project.channel, "--state", state.value)
    assert identity in ended.out
    assert ("the reason" in ended.out) == (state in (State.FAILED, State.TIMEOUT, State.PARKED))
    assert ("w1" in ended.out) == (state is State.RESERVED)
    shown = type_("show", identity)
    assert shown.code == 0
    assert state.value in shown.out
    assert type_("show", identity, "--json").json()["state"] == state.value


def test_show_prints_the_whole_history(queue: Queue, type_: Type, worker: HandWorker) -> None:
    """Given a message that failed twice, then show prints arguments, every attempt, error and traceback."""
    identity = push(queue, "add", "argument")
    worker.set_aside(worker.reserve()[0])
    assert type_("reload", worker.driver.keys.prefix).code == 0
    worker.set_aside(worker.reserve()[0], error="KeyError: 2\nsecond line")
    ended = type_("show", identity)
    for text in (
        identity,
        "'argument'",
        "history (2 records)",
        "ValueError: no",
        "KeyError: 2",
        "second line",
        "Traceback ...",
        "1 of 4",
    ):
        assert text in ended.out


def test_show_of_an_unknown_message(type_: Type, project: Project) -> None:
    """Given an id that is nowhere, then exit code 1, with the channels that were looked into."""
    ended = type_("show", "0" * 32)
    assert (ended.code, ended.out) == (1, "")
    assert project.channel in ended.err
    assert type_("show", "0" * 32, "--json").out == ""


def test_what_is_not_signed_is_marked(queue: Queue, type_: Type, worker: HandWorker, project: Project) -> None:
    """Given a secret and data without its signature, then list, show and info mark it; without a secret nothing is marked."""
    identity = push(queue, "boom", "x")
    worker.set_aside(worker.reserve()[0])
    worker.beat(job="boom", state="running")
    commands = (["list", project.channel], ["show", identity], ["info", project.channel])
    assert not any("(not verified)" in type_(*command).out for command in commands)
    assert "verified:" not in type_("show", identity).out
    worker.beat(job="boom", state="running")  # the commands may take longer than a lease on a slow machine
    info, shown, listed = (project.type(*command, env={"TASKQ_SECRET": "correct-horse"}).out for command in reversed(commands))
    assert re.search(r"\(not verified\) \S+:boom .*\(not verified\) ValueError: no", listed)
    assert "verified:    NO: not signed with this program's secret (TASKQ_SECRET)" in shown
    assert "failed, attempt 1, worker w1 (not verified)" in shown
    assert "running (not verified)" in info


@pytest.mark.one_python
def test_info_without_an_app_names_the_missing_channels(type_: Type, project: Project, server: ServerProcess) -> None:
    """Given no app, then info says that the channels of jobs aren't shown; not if one channel was asked for, and not with an app."""
    hint = "no app given: channels that only jobs define aren't shown (pass --app"
    assert hint not in type_("info").out
    (project.directory / "taskq.toml").write_text(f'url = "{server.url}"\n')
    assert hint in type_("info").out
    assert hint not in type_("info", "default").out
    (project.directory / "taskq.toml").write_text(f'app = "nosuchmodule"\nurl = "{server.url}"\n')
    assert "the app can't be loaded: channels that only jobs define aren't shown" in type_("info").out


@pytest.mark.one_python
def test_channels_of_patterns_are_shown(project: Project, queue: Queue, type_: Type, server: ServerProcess) -> None:
    """Given a push to a channel of a pattern, then info, list, show and doctor find it without naming it, and config shows the pattern."""
    text = (project.directory / "taskq.toml").read_text()
    pattern, name = f"{project.channel}-*", f"{project.channel}-7"
    (project.directory / "taskq.toml").write_text(f'{text}[channels."{pattern}"]\nprocesses = 3\n')
    producer = Queue()
    identity = producer.push_name("other.module:add", [1], channel=name).id
    producer.close()
    sys.modules.pop(project.name)
    assert [one["counts"]["waiting"] for one in type_("info", "--json").json() if one["channel"] == name] == [1]
    assert identity in type_("list", name, "--state", "waiting").out
    assert f"channel:     {name}" in type_("show", identity).out
    assert name in type_("doctor").out
    assert f"channels.{pattern}.processes" in type_("config").out
    assert f"channels.{pattern}.driver" not in type_("config").out
    server.admin.delete(f"{{{pattern}}}:channels")
