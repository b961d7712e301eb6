"""Failed starts: a clear message, exit code 2, and no traceback."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.conftest import OwnServer
from tests.e2e.apps import basic
from tests.e2e.conftest import StartWorker
from tests.support.ledger import Ledger

APPS = {
    "missing": (None, "no module named 'the_app'"),
    "no queue": ("x = 1", "the_app has no Queue: add queue = taskq.Queue()"),
    "several": ("import taskq\na = taskq.Queue()\nb = taskq.Queue()", "has several queues: choose one, the_app:a or the_app:b"),
    "syntax": ("this is no python", "importing the_app failed: SyntaxError"),
    "raises": ("raise RuntimeError('no database')", "importing the_app failed: RuntimeError: no database"),
    "exits": ("import sys\nsys.exit(0)", "importing the_app called sys.exit()"),
    "dies": ("import os\nos._exit(0)", "the process that imports the app died"),
    "needs": ("import no_such_package", "it imports 'no_such_package', which is not installed"),
    "twice": (
        "import taskq\nqueue = taskq.Queue()\n@queue.job(name='a')\ndef one(): ...\n@queue.job(name='a')\ndef two(): ...",
        "two jobs have the name 'a'",
    ),
    "settings": ("import taskq\nqueue = taskq.Queue(channels={'default': {'processes': 0}})", "processes"),
}


@pytest.mark.parametrize("kind", APPS)
def test_an_app_that_does_not_load(start_worker: StartWorker, tmp_path: Path, kind: str) -> None:
    """Given an app that can't be loaded, then the worker ends with 2 and one text that says why."""
    code, text = APPS[kind]
    if code is not None:
        (tmp_path / "the_app.py").write_text(textwrap.dedent(code))
    worker = start_worker("the_app", cwd=tmp_path, ready=0)
    assert worker.wait() == 2
    assert text in worker.log
    assert "Traceback" not in worker.log
    assert len(worker.log.splitlines()) <= 3


def test_debug_shows_the_traceback(start_worker: StartWorker, tmp_path: Path) -> None:
    """Given --debug, then the traceback of the import is shown too."""
    (tmp_path / "the_app.py").write_text("def load():\n    raise RuntimeError('no database')\nload()\n")
    worker = start_worker("the_app", "--debug", cwd=tmp_path, ready=0)
    assert worker.wait() == 2
    assert "Traceback" in worker.log
    assert 'the_app.py", line 2, in load' in worker.log


def test_a_server_that_does_not_answer(start_worker: StartWorker) -> None:
    """Given a URL where nothing listens, then the worker ends with 2 and names it."""
    worker = start_worker("basic", "--url", "redis://127.0.0.1:1/0", ready=0)
    assert worker.wait() == 2
    assert "the server at redis://127.0.0.1:1/0 doesn't answer" in worker.log
    assert "Traceback" not in worker.log


def test_a_server_that_needs_a_password(start_worker: StartWorker, own_server: OwnServer) -> None:
    """Given a server with a password and a URL without, then the worker ends with 2 and says where to write it."""
    socket = own_server(requirepass="open-sesame").socket
    worker = start_worker("basic", "--url", f"unix://{socket}", ready=0)
    assert worker.wait() == 2
    assert "Put the password into the URL" in worker.log
    assert "Traceback" not in worker.log


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--url", "nonsense"], "nonsense"),
        (["--processes", "0"], "0"),
        (["--max-messages", "-1"], "-1"),
        (["--log-level", "loud"], "loud"),
        (["--chanel", "default"], "--channel"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_options(start_worker: StartWorker, args: list[str], text: str) -> None:
    """Given an option that is wrong, then the worker ends with 2 and names it."""
    worker = start_worker("basic", *args, ready=0)
    assert worker.wait() == 2
    assert text in worker.log
    assert "Traceback" not in worker.log


def test_a_wrong_setting(start_worker: StartWorker) -> None:
    """Given a setting of the environment that is out of bounds, then the worker ends with 2 and names the variable."""
    worker = start_worker("basic", settings={"processes": 0}, ready=0)
    assert worker.wait() == 2
    assert "TASKQ_CHANNELS__DEFAULT__PROCESSES" in worker.log
    assert "Traceback" not in worker.log


def test_a_module_with_one_queue_is_enough(start_worker: StartWorker, tmp_path: Path, ledger: Ledger) -> None:
    """Given an app named with its queue, or by its module alone, then it is found."""
    (tmp_path / "solo.py").write_text("import taskq\nmine = taskq.Queue()\n")
    for name in ("solo", "solo:mine"):
        assert start_worker(name, "--burst", cwd=tmp_path, ready=0).wait() == 0


def test_the_app_may_stand_in_the_settings(start_worker: StartWorker, tmp_path: Path, ledger: Ledger) -> None:
    """Given `app` in taskq.toml and jobs in that folder, then `taskq worker` alone works them."""
    (tmp_path / "taskq.toml").write_text('app = "tests.e2e.apps.basic"\n')
    basic.add.push(1)
    assert start_worker("", "--burst", cwd=tmp_path, ready=0).wait() == 0
    assert ledger.values("add") == [3]
