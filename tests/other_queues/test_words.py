"""Words of other queues: the table names only what exists, and agrees with the page on migrating."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import taskq
from taskq.cli.commands import COMMANDS as OURS
from taskq.config import Settings
from taskq.config.structures import ChannelSettings
from taskq.jobs.options import JobOptions, PushOptions
from taskq.other_queues.words import ATTRIBUTES, COMMANDS, FLAGS, OPTIONS, advice, command_hint, instead_of, option_hint
from taskq.testing import Recording

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "migrate.md"
KINDS = {"job": taskq.Job, "call": taskq.Call, "handle": taskq.Handle, "queue": taskq.Queue, "recording": Recording}
FIELDS = {"status()": taskq.Status}
OPTIONS_OF_TASKQ = {
    "", "name", "job_class", *JobOptions.__struct_fields__, *PushOptions.__struct_fields__, *Settings.__struct_fields__,
    *ChannelSettings.__struct_fields__,
}  # fmt: skip
#: Code of the page's tables that is not an attribute, option or command: a plain call, an argument, a class, a state, or the same in taskq.
NOT_WORDS = {
    "job_class",
    "3",
    "4",
    "False",
    "True",
    "task_always_eager",
    "immediate",
    "is_async",
    "cancel",
    "f",
    "task",
    "actor",
    "success",
    "FAILURE",
    "FailedJobRegistry",
    "Retry",
    "terminate",
    "max",
    "defer",
    "--burst",
}
TEXTS = [text for table in (*ATTRIBUTES.values(), COMMANDS) for text in table.values()] + [
    text for word in OPTIONS.values() for text in word[1:]
]


def _find(owner: Any, path: str) -> bool:
    first = path.split(".", maxsplit=1)[0].removesuffix("()")
    return hasattr(owner, first) or first in getattr(owner, "__annotations__", {}) or first in ("function", "settings", "jobs")


def test_the_words_are_not_ours() -> None:
    """Given each word, then no object of taskq, option or command has it: the error would never come."""
    for kind, owner in KINDS.items():
        assert [word for word in ATTRIBUTES[kind] if hasattr(owner, word)] == [], kind
    assert [word for word in ATTRIBUTES["events"] if word in vars(taskq.events)] == []
    assert set(ATTRIBUTES["module"]) == taskq._FOREIGN
    assert not taskq._FOREIGN & set(taskq.__all__)
    assert [word for word in COMMANDS if word in OURS] == []
    assert [word for word in OPTIONS if word in JobOptions.__struct_fields__] == []
    assert [word for word in OPTIONS if word in PushOptions.__struct_fields__ and OPTIONS[word].ours != word] == []


def test_the_answers_exist() -> None:
    """Given each text, then its names exist: `job.x`, `handle.x`, `queue.x`, `call.x`, `taskq.X`, commands and options."""
    for text in TEXTS:
        for kind, path in re.findall(r"\b(job|call|handle|queue)\.(\w+)", text):
            assert _find(KINDS[kind], path), text
        for name in re.findall(r"\btaskq\.(?!toml)(\w+)", text):
            assert hasattr(taskq, name), text
        for name in re.findall(r"\btaskq\.events\.(\w+)", text):
            assert name in vars(taskq.events), text
        for name in re.findall(r"\btaskq ([a-z]+)(?= (?:shows|deletes|starts|pushes|cancels|moves|lists|checks|flush|push)\b)", text):
            assert name in OURS, text
        for options in re.findall(r"@queue\.job\((\w+)=", text):
            assert options in OPTIONS_OF_TASKQ, text
    assert {word.ours for word in OPTIONS.values()} <= OPTIONS_OF_TASKQ


def test_the_page_on_migrating_agrees() -> None:
    """Given the tables of the page, then the table of words has each word of another queue; both say what max_retries is."""
    known = {*OPTIONS, *COMMANDS, *(word for table in ATTRIBUTES.values() for word in table)}
    cells = [cell for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") for cell in line.split("|")[2:-1]]
    # A span with a space and no call is a command line, such as `rq worker --burst`.
    spans = [code for cell in cells for code in re.findall(r"`([^`]+)`", cell) if " " not in code or "(" in code]
    words = [word for code in spans for word in re.findall(r"\w+(?=\(|=|$)", code)]
    assert len(words) > 30
    assert sorted({word for word in words if word not in known and word not in NOT_WORDS}) == []
    assert "`max_retries=3` becomes `max_attempts=4`" in PAGE.read_text(encoding="utf-8")
    assert "max_retries=3 is max_attempts=4" in OPTIONS["max_retries"].differs


def test_the_answer_depends_on_the_place() -> None:
    """Given an option, then its replacement is named where it is valid, and elsewhere where it belongs."""
    assert (
        option_hint("max_retries", ["max_attempts"])
        == 'did you mean "max_attempts"? It counts the first run, too: max_retries=3 is max_attempts=4'
    )
    assert option_hint("timeout", ["handle_timeout"], prefix="--") == 'did you mean "--handle_timeout"?'
    assert option_hint("countdown", ["channel"]) is None
    assert option_hint("bind", ["channel"]) is None
    assert advice("countdown") == "set the delay of a push: job.push(..., delay=3)"
    assert advice("unknown") is None
    assert command_hint("statu") is None
    assert instead_of("job", "psh") is None


@pytest.mark.parametrize("word", ["shared_task", "crontab"])
def test_the_module_knows_the_words(word: str) -> None:
    """Given a name that users of Celery import, then the AttributeError says what to write."""
    with pytest.raises(AttributeError, match=f"module 'taskq' has no attribute '{word}': "):
        getattr(taskq, word)


def test_replaced_flags_are_options_of_a_command() -> None:
    """Given the option that an error names instead of another queue's, then a command has it."""
    commands = [importlib.import_module(listed.module).command for listed in OURS.values()]
    options = {name for command in commands for param in command.params for name in param.opts}
    assert {word.ours for word in FLAGS.values()} - {""} <= options
