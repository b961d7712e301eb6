"""reload, flush and delete: what an operator puts in order."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess

import pytest

from taskq import Queue
from taskq.inspector import Inspector
from tests.cli.conftest import TASKQ, Project, Type, push
from tests.support.hand import HandWorker
from tests.support.wait import wait_until
from tests.support.worker import clean_environment


@pytest.fixture
def failed(queue: Queue, worker: HandWorker) -> list[str]:
    """The ids of three failed messages, the last of another job."""
    ids = [push(queue, "add", 1), push(queue, "add", 2), push(queue, "boom", "x")]
    for raw in worker.reserve():
        worker.set_aside(raw)
    return ids


def waiting(queue: Queue, project: Project) -> int:
    return Inspector(queue).counts(project.channel).waiting


def test_reload_reports_how_many(queue: Queue, type_: Type, project: Project, failed: list[str]) -> None:
    """Given failed messages, then reload moves all of them, tells their number, and is content with none."""
    ended = type_("reload", project.channel)
    assert (ended.code, ended.out) == (0, "3 messages reloaded\n")
    assert waiting(queue, project) == 3
    ended = type_("reload", project.channel)
    assert (ended.code, ended.out) == (0, "0 messages reloaded\n")


def test_reload_of_a_job_or_an_id(queue: Queue, type_: Type, project: Project, failed: list[str]) -> None:
    """Given --job or --id, then only that is moved; exit code 1 when it isn't there."""
    assert type_("reload", project.channel, "--job", "boom").out == "1 message reloaded\n"
    assert type_("reload", project.channel, "--id", failed[0]).out == "1 message reloaded\n"
    for wanted in (["--job", "boom"], ["--id", failed[0]], ["--id", failed[1], "--state", "timeout"]):
        ended = type_("reload", project.channel, *wanted)
        assert (ended.code, ended.out) == (1, "")
        assert wanted[1] in ended.err
    assert waiting(queue, project) == 2


def test_flush_needs_a_yes(queue: Queue, type_: Type, project: Project, failed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no terminal, then flush deletes only with --yes; --state must be given."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert type_("flush", project.channel).code == 2
    ended = type_("flush", project.channel, "--state", "failed")
    assert (ended.code, ended.out) == (2, "")
    assert "--yes" in ended.err
    assert type_("flush", project.channel, "--state", "failed", "--yes").out == "3 messages deleted\n"
    assert type_("flush", project.channel, "--state", "failed").out == "0 messages deleted\n"


def test_flush_of_reserved_is_refused(type_: Type, project: Project) -> None:
    """Given the state reserved, then flush refuses and says why, also with --yes."""
    ended = type_("flush", project.channel, "--state", "reserved", "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert "workers are running them" in ended.err


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 1, 3), ("\x03", 130, 3)])
def test_flush_asks_on_a_terminal(queue: Queue, project: Project, failed: list[str], answer: str, code: int, left: int) -> None:
    """Given a terminal, then flush asks with the number, and deletes only after a yes. Ctrl-C at the question ends with 130."""
    ours, theirs = pty.openpty()
    command = [*TASKQ, "flush", project.channel, "--state", "failed"]
    process = subprocess.Popen(
        command,
        cwd=project.directory,
        env=clean_environment(),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    asked = ""
    while "[y/N]" not in asked:
        asked += process.stderr.read(1)
    if answer == "\x03":
        # Once may be too early: Python waits for a line without looking at a signal that came just before.
        wait_until(lambda: process.send_signal(signal.SIGINT) or process.poll() is not None, interval=1)
    else:
        os.write(ours, f"{answer}\n".encode())
    out, _ = process.communicate(timeout=30)
    os.close(ours)
    os.close(theirs)
    assert "Delete 3 messages in failed" in asked
    assert process.returncode == code
    assert ("3 messages deleted" in out) == (code == 0)
    assert Inspector(queue).counts(project.channel).failed == left


def test_delete(queue: Queue, type_: Type, worker: HandWorker, project: Project, failed: list[str]) -> None:
    """Given a message, then delete removes it once; one that is reserved is refused."""
    assert type_("delete", failed[0]).out == f"deleted from failed of {project.channel}\n"
    assert type_("delete", failed[0]).code == 1
    identity = push(queue, "add", 1)
    worker.reserve()
    ended = type_("delete", identity, "--channel", project.channel)
    assert ended.code == 2
    assert "reserved by worker w1" in ended.err


@pytest.mark.parametrize("args", [("show", "abc"), ("delete", "default"), ("reload", "default", "--id", "abc"), ("cancel", "abc")])
def test_an_invalid_id_is_refused(type_: Type, project: Project, args: tuple[str, ...]) -> None:
    """Given a word that can't be the id of a message, then the error says so, instead of that the message has finished."""
    ended = type_(*args)
    assert ended.code == 2
    assert f"invalid message id '{args[-1]}': expected 32 hexadecimal digits" in ended.err


@pytest.mark.parametrize("command", ["reload", "retry"])
def test_reload_of_an_id_without_its_channel(type_: Type, project: Project, command: str) -> None:
    """Given an id in place of the channel, then the error shows where the id belongs."""
    identity = "0" * 32
    ended = type_(command, identity)
    assert ended.code == 2
    assert f"taskq {command} default --id {identity}" in ended.err


def test_flush_needs_a_state(type_: Type, project: Project) -> None:
    """Given no --state, then nothing is deleted, and the error says what is missing."""
    ended = type_("flush", project.channel, "--yes")
    assert ended.code == 2
    assert "--state" in ended.err
