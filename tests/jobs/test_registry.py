"""The jobs of a queue by name."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from taskq import JobDefinitionError, Queue
from taskq.jobs.registry import MAX_NAME, check_job_name, job_name

HERE = __name__
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue("redis://localhost:1", directory=tmp_path)


def first() -> None: ...


def second() -> None: ...


class Shop:
    """A class with functions that could be jobs."""

    def sell(self) -> None: ...

    @staticmethod
    def close() -> None: ...

    @classmethod
    def open(cls) -> None: ...


def test_a_job_is_named_by_its_place(queue: Queue) -> None:
    """Given functions and methods, then each has the name of its module and its place there."""
    functions: list[Callable[..., object]] = [first, Shop.sell, vars(Shop)["close"], vars(Shop)["open"]]
    names = [queue.job(function).name for function in functions]
    assert names == [f"{HERE}:first", f"{HERE}:Shop.sell", f"{HERE}:Shop.close", f"{HERE}:Shop.open"]
    assert queue.jobs.names() == sorted(names)
    assert job_name(first) == f"{HERE}:first"


def test_only_exact_names_are_found(queue: Queue) -> None:
    """Given a job, then it is found by its name alone, and a name from a message is never imported."""
    job = queue.job(name="mail")(first)
    assert queue.jobs.get("mail") is job
    for name in ("Mail", "mail ", "os:system", "builtins:eval", f"{HERE}:first", "", "tests.registry_never_imported:job"):
        assert queue.jobs.get(name) is None
    assert "tests.registry_never_imported" not in sys.modules


def test_the_registry_counts_its_channels(queue: Queue) -> None:
    """Given jobs of several channels, then the registry returns them, and the queue knows them in addition to those of the settings."""
    queue.job(channel="bulk")(first)
    queue.job(channel="mail")(second)
    assert queue.jobs.channels() == {"default", "bulk", "mail"}
    assert queue.channel_names() == ["bulk", "default", "mail"]
    assert len(queue.jobs) == len(list(queue.jobs)) == 4  # two are built in


def test_a_function_is_a_job_of_several_names(queue: Queue) -> None:
    """Given one function under two names, then both are jobs."""
    one, other = queue.job(name="one")(first), queue.job(name="other")(first)
    assert (queue.jobs.get("one"), queue.jobs.get("other")) == (one, other)


def test_one_name_is_one_job(queue: Queue) -> None:
    """Given a name that is taken by another function, then the error gives both places and the remedy."""
    queue.job(name="mail")(first)
    with pytest.raises(JobDefinitionError, match=r"two jobs have the name 'mail': .+:\d+ and .+:\d+\. Rename one"):
        queue.job(name="mail")(second)
    with pytest.raises(JobDefinitionError):
        queue.job(name="mail")(len)
    assert queue.jobs.get("mail").function is first  # type: ignore[union-attr]


def test_a_reloaded_module_defines_its_jobs_anew(queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a module that is imported again (a reload), then its new functions are the jobs."""
    (tmp_path / "reloaded_jobs.py").write_text("def build(queue):\n    @queue.job\n    def mail(): ...\n    return mail\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module: ModuleType = importlib.import_module("reloaded_jobs")
    old = module.build(queue)
    new = importlib.reload(module).build(queue)
    assert old is not new
    assert queue.jobs.get(new.name) is new
    del sys.modules["reloaded_jobs"]


def test_a_notebook_cell_may_be_run_again() -> None:
    """Given a cell of a notebook that is run twice, changed in between, then the last definition is the job, without an error."""
    code = """
        from taskq import Queue
        queue = Queue("redis://localhost:1")
        cell = "@queue.job\\ndef mail(n): return n"
        exec(compile(cell, "<cell 1>", "exec"))
        exec(compile("\\n\\n" + cell + " + 1", "<cell 2>", "exec"))
        assert queue.jobs.names() == ["__main__:mail"], queue.jobs.names()
        assert queue.jobs.get("__main__:mail")(1) == 2
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, check=True)


@pytest.mark.parametrize(("command", "module"), [(["shop.py"], "shop"), (["-m", "shop"], "shop"), (["-m", "pack.shop"], "pack.shop")])
def test_a_script_s_jobs_have_the_name_a_worker_imports(tmp_path: Path, command: list[str], module: str) -> None:
    """Given a script that is run by its file or with -m, then its jobs are named as if it had been imported."""
    text = "from taskq import Queue\nqueue = Queue('redis://localhost:1')\n@queue.job\ndef mail(): ...\nprint(mail.name)\n"
    (tmp_path / "shop.py").write_text(text)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    (tmp_path / "pack" / "shop.py").write_text(text)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{module}:mail"


@pytest.mark.parametrize("name", ["a", "shop.jobs:send", "with spaces", "été", "x" * MAX_NAME])
def test_a_printable_name_is_taken(name: str) -> None:
    """Given a name a person can read, then it is taken as it is."""
    assert check_job_name(name) == name


@pytest.mark.parametrize("name", ["", "\n", "a\tb", "x" * (MAX_NAME + 1), "taskq:x", "\ud800", None, 5, b"a"])
def test_what_can_t_be_printed_is_no_name(name: Any) -> None:
    """Given an unreadable name, then it is refused, and the error gives the rule."""
    with pytest.raises(JobDefinitionError, match=r"invalid job name .*: use 1 to"):
        check_job_name(name)
