"""The jobs of a queue by name."""

from __future__ import annotations

import importlib
import re
import runpy
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from taskq import JobDefinitionError, Queue
from taskq.jobs.registry import MAX_NAME, check_job_name, job_name
from taskq.wire.message import Message

HERE = __name__
#: Writes a module: its name and its text.
WriteModule = Callable[[str, str], None]


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


#: One module each: definitions that share a name.
SAME_NAME = {
    "a decorator without wraps": """
        def logged(f):
            def wrapper(*a, **k): return f(*a, **k)
            return wrapper

        @queue.job
        @logged
        def refund(order): ...

        @queue.job
        @logged
        def charge(order): ...
    """,
    "a factory": """
        def make(kind):
            @queue.job
            def notify(who): return kind, who
            return notify

        email, sms = make("email"), make("sms")
    """,
    "lambdas": "pair = [queue.job(lambda x, n=n: (n, x)) for n in 'ab']",
    "a loop": """
        for kind in "ab":
            def f(x, *, kind=kind): return kind, x
            queue.job(f)
    """,
    "subclasses": """
        class Base:
            def __init_subclass__(cls): cls.task = queue.job(cls.run)
            @classmethod
            def run(cls, x): ...

        class A(Base): ...
        class B(Base): ...
    """,
    "a name that is given twice": """
        @queue.job(name="mail")
        def send(): ...

        @queue.job(name="mail")
        def send(): ...
    """,
    "a closure over itself": """
        def make():
            def loop(n): return task.push(n - 1)
            task = queue.job(loop)

        make()
        make()
    """,
}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queue: Queue) -> Iterator[WriteModule]:
    """Write a module, or write it again. Its jobs belong to `queue`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    holder: Any = ModuleType("queue_of_the_test")
    holder.queue = queue
    sys.modules["queue_of_the_test"] = holder

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text("from queue_of_the_test import queue\n" + textwrap.dedent(text))
        for compiled in tmp_path.glob("__pycache__/*"):
            compiled.unlink()  # two versions may have one size and one second
        importlib.invalidate_caches()

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize("text", SAME_NAME.values(), ids=SAME_NAME)
def test_two_functions_that_exist_at_once_need_two_names(modules: WriteModule, text: str) -> None:
    """Given functions with one name that differ in code, closure, defaults or instance, then the second is refused, not confused."""
    modules("twice", text)
    with pytest.raises(JobDefinitionError, match=r"^two jobs have the name '\S+': .*twice\.py:\d+.*, or name each with @queue\.job"):
        importlib.import_module("twice")


def test_a_decorator_without_wraps_is_named_as_the_reason(modules: WriteModule) -> None:
    """Given two jobs that one line of a decorator makes, in one module or in two, then the error says what the decorator lacks."""
    modules("deco", "def logged(f):\n    return lambda: f()\n")
    modules("one", "from deco import logged\n@queue.job\n@logged\ndef a(): ...\n")
    importlib.import_module("one")
    modules("other", "from deco import logged\n@queue.job\n@logged\ndef b(): ...\n")
    why = r"'deco:logged\.<locals>\.<lambda>': both come from \S+deco\.py:3\. If a decorator makes them, let it use functools\.wraps, or"
    with pytest.raises(JobDefinitionError, match=why):
        importlib.import_module("other")


def test_one_function_may_be_made_a_job_again(modules: WriteModule, queue: Queue) -> None:
    """Given a function that defines a job each time it is called (an app factory), then each call may, as long as they do the same."""
    text = """
        from datetime import timedelta
        from pathlib import Path

        def create_app(sender):
            limits, folder = (timedelta(minutes=len(sender)), 10.0 ** len(sender)), Path(sender)

            @queue.job
            def mail(to, *, copy=False, wait=timedelta(hours=1)): return sender, to, limits, folder

        create_app("".join(["sh", "op"]))
        create_app("".join(["sh", "op"]))
        queue.job(len)
        queue.job(len)
    """
    modules("factory", text)
    importlib.import_module("factory")
    assert queue.jobs.names() == ["builtins:len", "factory:create_app.<locals>.mail"]


def test_a_reloaded_module_replaces_its_jobs(modules: WriteModule, queue: Queue) -> None:
    """Given a module that is edited and reloaded, then each new function is the job, also if it moved or was renamed."""
    modules("deco", "def logged(f):\n    return lambda: f()\ndef make(kind): return queue.job(name='made')(lambda: kind)\n")
    text = textwrap.dedent("""
        import deco
        @queue.job
        def mail(): return {0}
        other = queue.job(deco.logged(mail.function))
        made = deco.make({0})
        @queue.job(name="fixed")
        def fixed{0}(): return {0}
    """)
    modules("edited", text.format(1))
    module = importlib.import_module("edited")
    names = queue.jobs.names()
    for version in (2, 3):
        modules("edited", "\n" * version + text.format(version) + "\ndef later(): ...\n")
        importlib.reload(module)
        assert queue.jobs.names() == names == ["deco:logged.<locals>.<lambda>", "edited:mail", "fixed", "made"]
        assert [queue.jobs.get(name)() for name in names] == [version] * 4  # type: ignore[misc]
        assert queue.jobs.get("edited:mail") is module.mail
    del sys.modules["edited"]
    assert importlib.import_module("edited").mail is queue.jobs.get("edited:mail")
    modules("edited", text.format(4) + text.format(5))
    with pytest.raises(JobDefinitionError, match="two jobs"):
        importlib.reload(sys.modules["edited"])


def test_a_module_that_registers_later_may_be_reloaded(modules: WriteModule, queue: Queue) -> None:
    """Given a module whose function defines the jobs when it is called, then it may be called again after a reload."""
    modules("late", "def build(queue):\n    @queue.job\n    def mail(): ...\n    return mail\n")
    module: Any = importlib.import_module("late")
    old = module.build(queue)
    new = importlib.reload(module).build(queue)
    assert old is not new
    assert queue.jobs.get(new.name) is new


def test_a_script_that_its_modules_import_defines_its_jobs_twice(modules: WriteModule, queue: Queue, tmp_path: Path) -> None:
    """Given a script that runs as `__main__` and is also imported by a module of its own, then its jobs have one name, and no error."""
    modules("script", "@queue.job\ndef mail(): ...\nif __name__ == '__main__': import script\n")
    runpy.run_path(str(tmp_path / "script.py"), run_name="__main__")
    assert queue.jobs.names() == ["script:mail"]
    assert queue.jobs.get("script:mail") is sys.modules["script"].mail


def test_a_notebook_cell_may_be_run_again(queue: Queue) -> None:
    """Given a cell that is run twice, changed in between, then the last definition is the job; two functions of one cell are an error."""
    cell, notebook = "@queue.job(name={0})\ndef mail(n): return n", {"__name__": "__main__", "queue": queue}
    for name in ("'mail'", None):
        exec(compile(cell.format(name), "<cell 1>", "exec"), notebook)
        exec(compile("\n\n" + cell.format(name) + " + 1", "<cell 2>", "exec"), notebook)
    assert queue.jobs.names() == ["__main__:mail", "mail"]
    assert [queue.jobs.get(name)(1) for name in queue.jobs.names()] == [2, 2]  # type: ignore[misc]
    for text in ("@queue.job(name='mail')\ndef send(n): return n", SAME_NAME["lambdas"]):
        with pytest.raises(JobDefinitionError, match="two jobs have the name"):
            exec(compile(text, "<cell 3>", "exec"), notebook)


@pytest.mark.parametrize("name", ["a", "shop.jobs:send", "with spaces", "été", "x" * MAX_NAME])
def test_a_printable_name_is_taken(name: str) -> None:
    """Given a name a person can read, then it is taken as it is."""
    assert check_job_name(name) == name


@pytest.mark.parametrize("name", ["", "\n", "a\tb", "x" * (MAX_NAME + 1), "taskq:x", "\ud800", None, 5, b"a"])
def test_what_can_t_be_printed_is_no_name(name: Any) -> None:
    """Given an unreadable name, then it is refused, and the error gives the rule."""
    with pytest.raises(JobDefinitionError, match=r"invalid job name .*: use 1 to"):
        check_job_name(name)


@pytest.mark.one_python
def test_an_alias_finds_the_job_that_was_renamed(queue: Queue) -> None:
    """Given a job with former names, then it is found by each, and pushed under its name."""
    job = queue.job(name="shop:new", aliases=["shop:old", "shop:older"])(_nothing)
    assert queue.jobs.get("shop:old") is job is queue.jobs.get("shop:older")
    assert queue.jobs.aliases() == {"shop:old": "shop:new", "shop:older": "shop:new"}
    assert queue.jobs.names() == ["shop:new"]
    assert Message(queue.outbox._pack(job.bind()).payload).body().job == "shop:new"
    queue.job(name="shop:new", aliases=["shop:older"])(_nothing)  # as after a reload of the module
    assert queue.jobs.get("shop:old") is None


@pytest.mark.one_python
def test_a_name_belongs_to_one_job(queue: Queue) -> None:
    """Given an alias that is the name or an alias of another job, in any order, or no name at all, then the decorator raises an error."""
    queue.job(name="a", aliases=["old"])(_nothing)
    queue.job(name="b")(_other)
    for name, aliases, problem in (
        ("c", ["old"], "two jobs have the alias 'old': a and c. Remove it from one"),
        ("c", ["b"], "'b' is the name of a job and an alias of c: remove the alias, or rename the job"),
        ("c", ["c"], "'c' is the name of a job and an alias of c"),
        ("old", [], "'old' is the name of a job and an alias of a"),
        ("c", "old", "aliases must be a list of names; got 'old'"),
        ("c", ["taskq:call"], "invalid job name 'taskq:call'"),
    ):
        with pytest.raises(JobDefinitionError, match=re.escape(problem)):
            queue.job(name=name, aliases=aliases)(lambda: None)
        assert queue.jobs.get("c") is None


def _nothing() -> None: ...


def _other() -> None: ...
