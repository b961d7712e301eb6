"""Finding the application: from a name on the command line to the Queue in it, or an error that a newcomer understands."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from taskq import AppError, Queue
from taskq.app import check_unpatched, import_modules, load_app
from taskq.doctor.app import Loaded, check_app
from taskq.doctor.leftovers import Leftovers
from taskq.push.importing import running_import
from tests.support.worker import clean_environment

Write = Callable[[str, str], None]
QUEUE = "from taskq import Queue\nqueue = Queue('redis://localhost:1')\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into the working directory; forgets it afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    before = set(sys.modules)

    def make(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


def _refused(name: str) -> AppError:
    with pytest.raises(AppError) as caught:
        load_app(name)
    return caught.value


@pytest.mark.parametrize(("module", "patched"), [("gevent.monkey", "saved"), ("eventlet.patcher", "already_patched")])
def test_a_patched_standard_library_is_refused(monkeypatch: pytest.MonkeyPatch, module: str, patched: str) -> None:
    """Given a library that has patched the standard library, then no worker starts, and doctor reports the same sentence."""
    loaded = Loaded(Queue("redis://localhost:1"), None, Leftovers())
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{patched: {}}))
    check_unpatched()
    assert "patch" not in {finding.check for finding in check_app(loaded)}
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{patched: {"os": {}}}))
    with pytest.raises(AppError, match=f"{module.partition('.')[0]} has patched the standard library here, which hides how") as caught:
        Queue("redis://localhost:1").work(burst=True)
    assert str(caught.value) in {finding.text for finding in check_app(loaded)}


@pytest.mark.one_python
def test_an_app_that_patches_the_standard_library_is_refused(write: Write, url: str) -> None:
    """Given an app whose import patches it, then `taskq worker` ends with the reason, in one sentence."""
    write("gevent/__init__.py", "")
    write("gevent/monkey.py", "saved = {'os': {}}\n")
    write("jobs.py", "import gevent.monkey\n" + QUEUE)
    command = [sys.executable, "-m", "taskq", "worker", "jobs", "--url", url, "--burst"]
    ran = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr.count("Error: gevent has patched the standard library"), ran.stderr.count("\n")) == (2, 1, 1)


def test_a_queue_is_found_by_its_name(write: Write) -> None:
    """Given module:attribute, also in a package and within a class, then that queue is loaded from the working directory."""
    write("shop/__init__.py", "")
    write("shop/jobs.py", QUEUE + "class App:\n    queue = queue\n")
    assert isinstance(load_app("shop.jobs:queue"), Queue)
    assert load_app("shop.jobs:App.queue") is load_app("shop.jobs:queue")


def test_the_only_queue_of_a_module_is_found(write: Write) -> None:
    """Given a module alone, then the one queue in it is loaded, under any name, even if it has several."""
    write("jobs_one.py", QUEUE + "app = queue\nalso = queue\n")
    assert load_app("jobs_one") is load_app("jobs_one:app")


def test_an_imported_queue_counts(write: Write) -> None:
    """Given a module that imports its queue from another, then that is found."""
    write("jobs_base.py", QUEUE)
    write("jobs_more.py", "from jobs_base import queue\n@queue.job\ndef mail(): ...\n")
    assert load_app("jobs_more").jobs.names() == ["jobs_more:mail"]


def test_another_directory_may_hold_the_app(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a directory, then modules are looked for there first."""
    write("elsewhere/jobs_far.py", QUEUE)
    assert isinstance(load_app("jobs_far", tmp_path / "elsewhere"), Queue)


@pytest.mark.parametrize("name", ["jobs.py", "shop/jobs", "shop/jobs.py:queue", "", ":queue", "./jobs", "jobs.py:queue", ".jobs", ".."])
def test_a_path_is_no_module_name(write: Write, name: str) -> None:
    """Given a path instead of a module, then the error shows how it is written."""
    write("jobs.py", QUEUE)
    assert "expected a module name such as shop.jobs:queue" in str(_refused(name))


@pytest.mark.parametrize("name", ["jobs_nowhere", "jobs_nowhere:queue", "shop.nowhere", "nowhere.jobs:queue", "a..b", "shop jobs"])
def test_a_missing_module_is_reported(write: Write, name: str, tmp_path: Path) -> None:
    """Given a module that doesn't exist, then the error names it and where it was looked for."""
    write("shop/__init__.py", "")
    text = str(_refused(name))
    assert "no module named" in text
    assert str(tmp_path) in text


def test_a_module_with_a_missing_dependency_is_reported(write: Write) -> None:
    """Given an app that imports a package that isn't installed, then the error names that package, not the app."""
    write("jobs_needy.py", "import frobnicate.deeply\n")
    error = _refused("jobs_needy:queue")
    assert "it imports 'frobnicate', which is not installed" in str(error)
    assert isinstance(error.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:\n", "SyntaxError"),
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("import os\nos.environ['SURELY_NOT_SET']", "KeyError"),
        ("from taskq import Nothing", "ImportError: cannot import name 'Nothing'"),
        ("from jobs_broken import queue", "ImportError: cannot import name 'queue' from partially initialized module 'jobs_broken'"),
        ("from . import models", "ImportError: attempted relative import with no known parent package"),
        ("raise SystemExit(3)", "called sys.exit()"),
        ("import sys\nsys.exit()", "called sys.exit()"),
        ("from taskq import Queue\nqueue = Queue('http://x')", "ConfigError"),
        ("x = '\\ud800'\nraise ValueError(x)", "ValueError"),
        ("class PanicException(BaseException): ...\nraise PanicException('rust')", "PanicException: rust"),
    ],
)
def test_an_app_that_does_not_import_is_reported(write: Write, text: str, why: str) -> None:
    """Given an app that raises while it is imported, then the error describes it, and its cause is the exception itself."""
    write("jobs_broken.py", text)
    error = _refused("jobs_broken")
    assert "importing jobs_broken failed" in str(error) or "importing jobs_broken called" in str(error)
    assert why in str(error)
    assert error.__cause__ is not None


def test_the_line_of_the_app_is_named(write: Write, tmp_path: Path) -> None:
    """Given an error below the app, in taskq or in the standard library, then the message names the line of the app that led to it."""
    write("jobs_base.py", QUEUE)
    write("jobs_placed.py", "from jobs_base import queue\n\n@queue.job(max_attempts=0)\ndef f(): ...\n")
    assert f"({tmp_path / 'jobs_placed.py'}:3)" in str(_refused("jobs_placed"))
    write("jobs_number.py", "import json\njson.loads('x')\n")
    assert f"({tmp_path / 'jobs_number.py'}:2)" in str(_refused("jobs_number"))
    write("jobs_leaves.py", "import jobs_exit\n")
    write("jobs_exit.py", "\nraise SystemExit\n")
    assert f"called sys.exit() ({tmp_path / 'jobs_exit.py'}:2): move" in str(_refused("jobs_leaves"))
    write("jobs_needs.py", "\nimport frobnicate\n")
    assert str(_refused("jobs_needs")).endswith(f"which is not installed ({tmp_path / 'jobs_needs.py'}:2)")


def test_a_syntax_error_keeps_its_own_place(write: Write) -> None:
    """Given a syntax error, then the message has its line, and not the line that imports the file."""
    write("jobs_typo.py", "import jobs_wrong\n")
    write("jobs_wrong.py", "\n\ndef f(:\n")
    assert str(_refused("jobs_typo")).endswith("(jobs_wrong.py, line 3)")


def test_a_queue_that_is_named_with_a_dot_gets_the_colon(write: Write) -> None:
    """Given module.queue, as other libraries write it, then the error shows module:queue."""
    write("jobs_dotted.py", QUEUE)
    write("shop_dotted/__init__.py", QUEUE)
    assert str(_refused("jobs_dotted.queue")).endswith('did you mean "jobs_dotted:queue"?')
    assert str(_refused("shop_dotted.queue")).endswith('did you mean "shop_dotted:queue"?')
    assert "did you mean" not in str(_refused("jobs_dotted.other"))


#: Ways to push at module level, and the number of messages.
PUSHES = {
    "f.push()": 1,
    "f.options(delay=5).push()": 1,
    "f.push_many([(), ()])": 2,
    "f.bind().push()": 1,
    "queue.call(len, [])": 1,
    "queue.push_name(f.name)": 1,
    "import asyncio; asyncio.run(f.apush())": 1,
    "with queue.buffer(): f.push(); f.push()": 2,
}


@pytest.mark.one_python
def test_a_push_during_the_import_is_reported(write: Write, url: str, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """Given a module that pushes while it is imported, then one warning has the number and the first place; without a push, none does."""
    text = f"from taskq import Queue\nqueue = Queue({url!r}, channels={{'default': {{'channel': {prefix!r}}}}})\n@queue.job\ndef f(): ...\n"
    write("jobs_quiet.py", text)
    load_app("jobs_quiet").close()
    assert not caplog.messages
    for number, (push, count) in enumerate(PUSHES.items()):
        write(f"jobs_pushes{number}.py", f"{text}{push}\n")
        load_app(f"jobs_pushes{number}").close()
        (warning,) = caplog.messages
        caplog.clear()
        assert f"importing jobs_pushes{number} pushed {count} message" in warning
        assert f"jobs_pushes{number}.py:5), and every" in warning
        assert warning.endswith('put pushes below `if __name__ == "__main__":`')
    write("jobs_reads.py", f"{text}queue.handle('0' * 32).status()\n")
    load_app("jobs_reads").close()
    assert "importing jobs_reads read messages" in caplog.messages[0]


@pytest.mark.one_python
def test_a_program_that_has_used_its_queue_may_run_a_worker(url: str, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """Given a program that has read messages, if it then runs a worker itself, then that is no warning: nothing was imported."""
    queue = Queue(url, channels={"default": {"channel": prefix}})
    queue.handle("0" * 32).status()
    import_modules(queue)
    queue.close()
    assert not caplog.messages


@pytest.mark.one_python
@pytest.mark.parametrize("push", PUSHES)
def test_a_command_that_only_looks_refuses_pushes(write: Write, push: str) -> None:
    """Given a module that pushes, when a command other than a worker imports it, then the push is an error, and no server is asked."""
    write("jobs_refused.py", f"{QUEUE}@queue.job\ndef f(): ...\n{push}\n")
    with pytest.raises(AppError) as caught:
        load_app("jobs_refused", refuse_pushes=True)
    place = sys.path[0]
    assert str(caught.value) == (
        f"app 'jobs_refused': importing jobs_refused pushes messages ({place}/jobs_refused.py:5), and every command that imports the app "
        'would push them again: put pushes below `if __name__ == "__main__":`'
    )


@pytest.mark.one_python
def test_a_refused_push_that_the_app_catches_is_logged(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """Given an app that catches the errors of its pushes, then a command refuses these too, and says so; later pushes are allowed."""
    write(
        "jobs_catches.py",
        f"{QUEUE}import contextlib\n@queue.job\ndef f(): ...\nfor _ in (1, 2):\n    with contextlib.suppress(Exception): f.push()\n",
    )
    load_app("jobs_catches", refuse_pushes=True)
    (warning,) = caplog.messages
    assert warning.startswith("refused to push 2 messages: importing jobs_catches pushes messages (")
    assert running_import() is None


def test_ctrl_c_while_importing_is_not_swallowed(write: Write) -> None:
    """Given Ctrl-C during the import, then it is no error of the app."""
    write("jobs_stopped.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_app("jobs_stopped")


def test_a_job_below_classmethod_is_reported(write: Write) -> None:
    """Given a class method whose decorators are in the wrong order, then no worker starts: pushes would fail or lose the class."""
    write("jobs_turned.py", QUEUE + "class A:\n    @classmethod\n    @queue.job\n    def go(klass): ...\n")
    assert "jobs_turned:A.go looks like a class method: put @queue.job above @classmethod" in str(_refused("jobs_turned"))


def test_a_module_without_a_queue_is_reported(write: Write) -> None:
    """Given a module without a queue, with a name and without, then the error shows what to write."""
    write("jobs_empty.py", "x = 1\n")
    assert "add queue = taskq.Queue()" in str(_refused("jobs_empty"))
    assert "add queue = taskq.Queue()" in str(_refused("jobs_empty:queue"))


def test_a_module_of_the_standard_library_is_named_with_its_path(write: Write, tmp_path: Path) -> None:
    """Given an app in a file named like a module that is loaded already, then the error names the file that was found."""
    write("json.py", QUEUE)
    text = str(_refused("json"))
    assert "json has no Queue" in text
    assert f"(loaded from {sys.modules['json'].__file__}, not from your file {tmp_path}/json.py: rename yours)" in text


def test_a_file_with_the_name_of_an_installed_module_is_named(write: Write, tmp_path: Path) -> None:
    """Given a taskq.py in the project, which the installed package hides, then the error says which file to rename."""
    write("taskq.py", QUEUE)
    place = rf"\(loaded from .*taskq/__init__\.py, not from your file {tmp_path}/taskq\.py: rename yours\)"
    for name in ("taskq:queue", "taskq"):
        assert re.search(place, str(_refused(name)))


def test_an_import_that_fails_because_of_a_hidden_module_names_the_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an app that fails since a file hides a module, then the error names that file."""
    monkeypatch.setattr("taskq.app.hidden_modules", lambda: "The file x.py hides the module x: rename the file")
    for name, text in (("hidden_one", "import redis.nothing_there"), ("hidden_two", "1 / 0")):
        write(f"{name}.py", text)
        assert str(_refused(name)).endswith(". The file x.py hides the module x: rename the file")


@pytest.mark.parametrize("file", ["src/shop/jobs.py", "src/shop.py"])
def test_an_app_below_src_is_found_and_explained(write: Write, tmp_path: Path, file: str) -> None:
    """Given a project with its package below src, which is not installed, then the error says where it is and what to do."""
    write(file, QUEUE)
    text = str(_refused("shop.jobs:queue"))
    assert (
        f"no module named 'shop' in {tmp_path}, but in {tmp_path}/src: install the project (pip install -e .), or set PYTHONPATH=src"
        in text
    )


def test_a_module_with_several_queues_needs_a_name(write: Write) -> None:
    """Given a module with two queues, then the error names both."""
    write("jobs_two.py", QUEUE + "other = Queue('redis://localhost:2')\n")
    assert "jobs_two:queue or jobs_two:other" in str(_refused("jobs_two"))


def test_a_misspelled_queue_gets_the_right_name(write: Write) -> None:
    """Given a name that isn't there, then the error offers the nearest queue."""
    write("jobs_named.py", QUEUE)
    assert 'did you mean "queue"?' in str(_refused("jobs_named:queu"))
    assert 'did you mean "queue"?' in str(_refused("jobs_named:queue.queue"))


@pytest.mark.parametrize(("attribute", "kind"), [("x", "int"), ("Queue", "type"), ("f", "function"), ("mail", "Job")])
def test_an_attribute_that_is_not_a_queue_is_reported(write: Write, attribute: str, kind: str) -> None:
    """Given the name of something else, then the error gives its type."""
    write("jobs_odd.py", QUEUE + "x = 1\ndef f(): ...\n@queue.job\ndef mail(): ...\n")
    assert f"is a {kind}, not a taskq.Queue" in str(_refused(f"jobs_odd:{attribute}"))
