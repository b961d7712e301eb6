"""Attributes of other queues: an AttributeError with advice, and objects that tools can still look at."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import traceback
from typing import Any
from unittest import mock

import pytest

from taskq import Queue
from tests.support.worker import clean_environment

queue = Queue("redis://localhost:1")


@queue.job
def mail(to: str) -> str:
    return to


class Mailer:
    @queue.job
    def send_mail(self, to: str) -> None: ...


OBJECTS: dict[str, Any] = {
    "Job": mail,
    "BoundJob": Mailer().send_mail,
    "Options": mail.options(),
    "Call": mail.bind("a"),
    "Handle": queue.handle("0" * 32),
    "Queue": queue,
}


@pytest.mark.parametrize(
    ("kind", "word", "advice"),
    [
        ("Job", "delay", r"push a call with job\.push\(\.\.\.\); "),
        ("Job", "enqueue", r"push a call with job\.push\(\.\.\.\)$"),
        ("BoundJob", "apply_async", r"push with options: job\.options\("),
        ("Options", "si", r"bind arguments with job\.bind"),
        ("Call", "delay", r"push the call with call\.push\(\)$"),
        ("Handle", "get", r"wait for the result with handle\.result\("),
        ("Handle", "ready", r"read handle\.status\(\)\.is_ended$"),
        ("Queue", "task", r"decorate a function with @queue\.job$"),
        ("Queue", "send_task", r"push a job with job\.push"),
    ],
)
def test_the_error_names_ours(kind: str, word: str, advice: str) -> None:
    """Given the word of another queue, then the AttributeError names the equivalent, without a suggestion by Python after it."""
    with pytest.raises(AttributeError, match=f"^'{kind}' object has no attribute '{word}': {advice}") as raised:
        getattr(OBJECTS[kind], word)
    assert "Did you mean" not in "".join(traceback.format_exception(raised.value))
    assert not hasattr(OBJECTS[kind], word)


def test_other_names_fail_as_usual() -> None:
    """Given a misspelled name, then the error is Python's, with Python's suggestion."""
    with pytest.raises(AttributeError, match=r"^'Job' object has no attribute 'psh'$") as raised:
        OBJECTS["Job"].psh  # noqa: B018
    assert (raised.value.name, raised.value.obj) == ("psh", OBJECTS["Job"])
    if sys.version_info >= (3, 12):  # before, only the interpreter adds it, to an error that ends the program
        assert "Did you mean: 'push'?" in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("kind", OBJECTS)
def test_tools_can_look_at_the_objects(kind: str) -> None:
    """Given each object, then dir, inspect, mock and copy work, and a missing special method is a plain AttributeError."""
    one = OBJECTS[kind]
    assert "delay" not in dir(one)
    inspect.getmembers(one)
    with pytest.raises(AttributeError):
        mock.create_autospec(one).delay  # noqa: B018
    with pytest.raises(AttributeError, match=r"has no attribute '__fspath__'$"):
        one.__fspath__  # noqa: B018
    if kind in ("Job", "Call", "Options"):
        assert type(copy.copy(one)) is type(one)
    if kind in ("Job", "Call"):
        assert type(pickle.loads(pickle.dumps(one))) is type(one)


@pytest.mark.one_python
def test_the_table_is_imported_only_for_an_error() -> None:
    """Given a program that defines and binds a job, then the table isn't loaded; after a wrong attribute it is."""
    script = """
import sys, taskq
queue = taskq.Queue("redis://localhost:1")
job = queue.job(len, name="len")
job.bind("a"), hasattr(job, "__wrapped__"), hasattr(job, "_ipython_display_")
print("taskq.other_queues.words" in sys.modules, hasattr(job, "delay"), "taskq.other_queues.words" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], env=clean_environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]
