"""The pytest plugin in a separate project: with other plugins, in subprocesses, and without being used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python

APP = """
from taskq import Queue
queue = Queue("redis://127.0.0.1:1/0")
log = []

@queue.job(retry_seconds=60)
def send(to, subject="hello"):
    log.append(to)
    if to == "bad":
        raise ValueError(to)
"""
TESTS = """
import unittest
import pytest
import taskq as library
from app import log, queue, send

@pytest.fixture(autouse=True)
def empty():
    log.clear()

def test_signup(taskq):
    send.options(channel="default").push("anna")
    taskq.assert_pushed(send, to="anna")
    assert (taskq.mode, taskq.run_all(delayed=True, raises=True), log) == ("manual", 1, ["anna"])

@pytest.mark.taskq(mode="inline")
def test_marked_without_the_fixture():
    send.push("bob")
    assert log == ["bob"]

@pytest.mark.taskq(mode="inline", raises=False)
class TestClass:
    def test_marked_class(self, taskq):
        send.push("bad")
        taskq.travel(60)
        assert log == ["bad", "bad"]

@pytest.mark.taskq(mode="inline")
class TestUnittest(unittest.TestCase):
    def test_marked(self):
        send.push("carl")
        assert log == ["carl"]

class TestOwn(unittest.TestCase):
    def setUp(self):
        self.taskq = self.enterContext(library.testing.record(queue))

    def test_record(self):
        send.push("dora")
        self.taskq.assert_pushed(send, "dora")

@pytest.fixture
def pushed_before():
    send.push("frida")

@pytest.mark.taskq
def test_marked_with_a_fixture_that_pushes(pushed_before):
    pass

def test_fixture_that_pushes(pushed_before, taskq):
    taskq.assert_pushed(send, "frida", count=1)

@pytest.mark.anyio
async def test_anyio(taskq, anyio_backend):
    await send.apush("emil")
    assert taskq.run_all() == 1

def test_parametrized_backend(taskq):
    taskq.assert_none_pushed()

def test_shows_the_failure_of_the_job(taskq):
    send.push("bad")
    taskq.run_all()

def test_shows_the_nearest_push(taskq):
    send.push("anna", subject="hi")
    taskq.assert_pushed(send, "anna", subject="hello")

@pytest.mark.taskq("inline")
def test_wrong_marker():
    pass

@pytest.mark.taskq(mode="eager")
def test_wrong_mode():
    pass
"""
CONFTEST = """
import django
from django.conf import settings
from django.core.management import call_command

databases = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
settings.configure(DATABASES=databases, INSTALLED_APPS=["django.contrib.contenttypes"], USE_TZ=True)
django.setup()
call_command("migrate", verbosity=0)
"""
OTHERS = """
from datetime import UTC, datetime

import pytest
import taskq as library
import time_machine
from app import log, queue, send
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.test import TestCase

@queue.job(name="count", result_ttl=60)
def count():
    return ContentType.objects.filter(app_label="new").count()

@queue.job(result_ttl=60)
async def echo(value):
    return value

@pytest.mark.asyncio
async def test_asyncio(taskq):
    handle = await echo.apush("a")
    await send.apush("b")
    assert taskq.run_all() == 2
    assert await handle.aresult() == "a"

@pytest.mark.asyncio
@pytest.mark.taskq(mode="inline")
async def test_asyncio_inline():
    assert await (await echo.apush("a")).aresult() == "a"

@time_machine.travel("2020-01-01T00:00Z", tick=False)
def test_time_machine(taskq):
    send.options(at=datetime(2020, 1, 2, tzinfo=UTC)).push("x")
    assert taskq.run_all() == 0
    with time_machine.travel("2020-01-03T00:00Z"):
        assert taskq.run_all() == 1

class TestDjango(TestCase):
    def setUp(self):
        self.taskq = self.enterContext(library.testing.record(queue))

    def test_jobs_see_the_transaction_of_the_test(self):
        ContentType.objects.create(app_label="new", model="one")
        with self.captureOnCommitCallbacks(execute=True):
            transaction.on_commit(count.bind().push)
            self.taskq.assert_none_pushed()
        handle = queue.handle(self.taskq.assert_pushed(count).id)
        self.taskq.run_all()
        assert handle.result() == 1

    async def test_async(self):
        await send.apush("z")
        assert self.taskq.run_all() == 1

@pytest.mark.taskq(mode="inline")
class TestMarked(TestCase):
    def test_marked(self):
        assert count.push().result() == 0
"""
CLASH = """
import pytest

@pytest.fixture
def taskq():
    return "mine"

def test_own_fixture(taskq):
    assert taskq == "mine"
"""


def _pytest(folder: Path) -> str:
    is_installed = any(one.name == "taskq" for one in entry_points(group="pytest11"))
    plugin = [] if is_installed else ["-p", "taskq.testing.plugin"]  # an editable installation that is older than the entry point
    options = [
        "-q",
        "--strict-markers",
        "-W",
        "error",
        "-W",
        "ignore::pytest.PytestConfigWarning",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-p",
        "no:xdist",
        "-c",
        "pytest.ini",
        "--rootdir",
        ".",
    ]
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    command = [sys.executable, "-m", "pytest", *plugin, *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100).stdout


def test_the_plugin_in_a_project(tmp_path: Path) -> None:
    """One run for all: each costs the start of Python and pytest."""
    for name in ("django", "pytest_asyncio", "time_machine"):
        pytest.importorskip(name)
    files = {"app.py": APP, "conftest.py": CONFTEST, "test_app.py": TESTS, "test_clash.py": CLASH, "test_others.py": OTHERS}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    shown = _pytest(tmp_path)
    assert "2 failed, 16 passed, 2 errors" in shown, shown
    assert "ValueError: bad" in shown
    assert "subject: expected 'hello', got 'hi'" in shown
    assert "the marker taskq has named arguments only: @pytest.mark.taskq(mode='inline')" in shown
    assert "mode must be 'manual', 'inline' or 'worker'; got 'eager'" in shown
    assert "During handling" not in shown
    assert "/taskq/" not in shown  # no frame of the library


def test_a_project_that_does_not_use_the_plugin_imports_nothing() -> None:
    code = "import pytest, sys; old = {*sys.modules}; import taskq.testing.plugin; print(*sorted({*sys.modules} - old))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["taskq", "taskq.testing", "taskq.testing.plugin"]
