"""The modules of `imports`, and of the command line, that are imported with the app."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from taskq import AppError, Queue
from taskq.app import import_modules, load_app
from tests.test_app import QUEUE, Write, write

__all__ = ["write"]
pytestmark = pytest.mark.one_python

JOB = "from shop_q.q import queue\n@queue.job\ndef f(): ...\n"


@pytest.fixture
def shop(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """A project of several packages, with and without `__init__.py`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    write("shop_q/__init__.py", "")
    write("shop_q/q.py", QUEUE)
    for name in ("mail", "bills"):
        write(f"shop_q/{name}/__init__.py", "")
        write(f"shop_q/{name}/jobs.py", JOB)
    write("shop_q/bare/jobs.py", JOB)  # a namespace package
    write("shop_q/bills/old/jobs.py", JOB)
    write("shop_q/broken/models.py", "raise RuntimeError('not a module of jobs')")
    write("shop_q/broken/__init__.py", "raise RuntimeError('not imported')")
    write("shop_q/__main__.py", "raise RuntimeError('a program')")
    write("shop_q/node_modules/jobs.py", "raise RuntimeError('no code of ours')")
    return write


def test_the_modules_of_imports_are_loaded_with_the_app(shop: Write) -> None:
    """Given `imports` in a settings file, and modules on the command line, then an app that knows none of its jobs has them all."""
    shop("taskq.toml", 'imports = ["shop_q.*.jobs"]\n')
    queue = load_app("shop_q.q", modules=["shop_q.bills.**"])
    assert queue.jobs.names() == [f"shop_q.{name}.jobs:f" for name in ("bare", "bills", "bills.old", "mail")]
    assert [name for name in sys.modules if name.startswith("shop_q") and name.endswith(".jobs")] == [
        *("shop_q.bills.jobs", "shop_q.bills.old.jobs"),  # of the command line
        *("shop_q.bare.jobs", "shop_q.mail.jobs"),
    ]
    assert "shop_q.broken" not in sys.modules


def test_imports_of_a_program_that_runs_a_worker(shop: Write, caplog: pytest.LogCaptureFixture) -> None:
    """Given `Queue(imports=...)`, then a program that runs its own worker gets the modules, and no warning of earlier pushes."""
    queue = Queue("redis://localhost:1", imports=["shop_lone"])
    shop("shop_lone.py", "loaded = True\n")
    queue.sender("default")  # as a push does
    import_modules(queue)
    assert sys.modules["shop_lone"].loaded
    assert not caplog.messages


@pytest.mark.parametrize(
    ("imports", "problem"),
    [
        ("shop_q.mial.jobs", "imports: 'shop_q.mial.jobs' (taskq.toml): no module named 'shop_q.mial' in {here} or on the Python path."),
        ("shop_q.*.tasks", "imports: 'shop_q.*.tasks' (taskq.toml): no module matches; * matches one level of packages"),
        ("shpo_q.*.jobs", "imports: 'shpo_q.*.jobs' (taskq.toml): no module named 'shpo_q' in {here} or on the Python path."),
        ("shop_q.brok*", "imports: 'shop_q.brok*' (taskq.toml): importing shop_q.broken failed: RuntimeError: not imported ({here}/"),
        ("shop_needs", "imports: 'shop_needs' (taskq.toml): importing shop_needs failed: it imports 'shop_none', which is not installed"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(shop: Write, imports: str, problem: str) -> None:
    """Given a missing module, a pattern without a match, or an error in a module, then the error has the name and its source."""
    shop("shop_needs.py", "import shop_none\n")
    shop("taskq.toml", f"imports = ['{imports}']\n")
    with pytest.raises(AppError) as caught:
        load_app("shop_q.q")
    assert str(caught.value).startswith(problem.format(here=Path.cwd())), caught.value


def test_a_push_of_an_imported_module_names_that_module(shop: Write) -> None:
    """Given a module of `imports` that pushes at module level, then the refusal names it, and not the app."""
    shop("shop_q/mail/jobs.py", f"{JOB}f.push()\n")
    with pytest.raises(AppError, match=r"imports: 'shop_q\.mail\.jobs' \(command line\): importing shop_q\.mail\.jobs pushes messages"):
        load_app("shop_q.q", modules=["shop_q.mail.jobs"], refuse_pushes=True)


def test_jobs_of_another_queue_are_reported(shop: Write, caplog: pytest.LogCaptureFixture) -> None:
    """Given a module with a separate Queue that has jobs, then a warning says that the app doesn't have them."""
    shop("shop_own.py", f"{QUEUE}@queue.job\ndef f(): ...\n")
    load_app("shop_q.q", modules=["shop_own", "shop_q.mail.jobs"])
    (warning,) = caplog.messages
    assert warning.startswith("shop_own:queue is not the app's queue")
