"""Pushing objects that handle themselves, and any callable by value."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import textwrap
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from taskq import ArgumentsError, ConfigError, Queue, SerializationError, UnknownChannel
from taskq.errors import PushError
from taskq.jobs.builtin import CALL, OBJECT, function_call, object_call
from tests.push.conftest import MakeQueue
from tests.push.shelf import Shelf
from tests.support.servers import ServerProcess

HERE = __name__
ROOT = Path(__file__).resolve().parents[2]


class Report:
    """An object with handle()."""

    def __init__(self, month: int, **more: Any) -> None:
        self.month = month
        self.__dict__.update(more)

    def handle(self) -> str:
        return f"report of {self.month}"

    def fail(self, error: BaseException) -> None: ...


def double(n: int) -> int:
    return 2 * n


def test_an_object_handles_itself(queue: Queue, shelf: Shelf) -> None:
    """Given an object with handle(), when it is pushed, then it is stored, with its class as the label."""
    queue.push(Report(3))
    seen = shelf.only()
    assert (seen.job, seen.args[0].month, seen.options) == ("taskq:object", 3, {"label": f"{HERE}:Report"})
    assert shelf.run() == ["report of 3"]


def test_an_object_sets_its_attempts_and_channel(make_queue: MakeQueue, server: ServerProcess, prefix: str) -> None:
    """Given an object with max_attempts and channel, then they count; None is as good as nothing."""
    queue = make_queue(channels={"mail": {"channel": f"{prefix}-m"}})
    assert queue.push(Report(3, max_attempts=7, channel="mail")).channel == "mail"
    assert queue.push(Report(4, max_attempts=None, channel=None)).channel == "default"
    assert Shelf(server, f"{prefix}-m").only().options["max_attempts"] == 7


def test_an_object_can_be_delayed(queue: Queue, shelf: Shelf) -> None:
    """Given a delay, then the object is due then."""
    now = shelf.now()
    queue.push(Report(3), delay=timedelta(minutes=1))
    (due,) = shelf.dues()
    assert now + 60_000 <= due <= shelf.now() + 60_000


def test_an_object_with_invalid_options_is_refused(queue: Queue) -> None:
    """Given attempts out of bounds or an unknown channel, then the push is refused."""
    with pytest.raises(ConfigError, match="max_attempts"):
        queue.push(Report(3, max_attempts=0))
    with pytest.raises(UnknownChannel, match="nowhere"):
        queue.push(Report(3, channel="nowhere"))
    with pytest.raises(ConfigError, match="can't name a channel"):
        queue.push(Report(3, channel=object()))


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        (Report, r"push an instance, Report\(\.\.\.\)"),
        (double, r"use queue\.call\(function"),
        (5, "got 5"),
        (None, "got None"),
        (type("Odd", (), {"handle": 5})(), "handle"),
    ],
)
def test_what_has_no_handle_is_refused(queue: Queue, shelf: Shelf, target: Any, advice: str) -> None:
    """Given something without a handle() method, then the error gives the remedy."""
    with pytest.raises(ArgumentsError, match=advice):
        queue.push(target)
    assert shelf.waiting() == []


def test_a_job_is_pushed_by_itself(queue: Queue) -> None:
    """Given a job, when it is given to queue.push, then the error shows how to push it."""
    with pytest.raises(ArgumentsError, match=r"with its own push"):
        queue.push(queue.job(double))  # type: ignore[arg-type]


def test_callables_run_by_value(queue: Queue, shelf: Shelf) -> None:
    """Given a lambda, a closure, a function, a built-in, a partial and a bound method, then each is stored and runs."""
    base = 40
    queue.call(lambda x: x + 1, 1)
    queue.call(lambda x, y=0: x + y + base, 1, y=1)
    queue.call(double, 4)
    queue.call(len, "four")
    queue.call(functools.partial(double, 5))
    queue.call("a-b".split, "-")
    queue.call(Report(3).handle)
    assert shelf.run() == [2, 42, 8, 4, 10, ["a", "b"], "report of 3"]
    labels = [seen.options["label"] for seen in shelf.waiting()]
    assert labels[2:5] == [f"{HERE}:double", "builtins:len", f"{HERE}:double"]
    assert labels[0].endswith("<lambda>")


def test_a_label_stays_with_its_call(queue: Queue, shelf: Shelf) -> None:
    """Given bound calls of built-in jobs, when their options change, then their messages keep their labels."""
    for call in (object_call(queue.jobs.get(OBJECT), Report(3), 0), function_call(queue.jobs.get(CALL), double, (4,), {})):  # type: ignore[arg-type]
        call.with_options(max_attempts=2).push()
        call.push(delay=0)
    labels = [f"{HERE}:Report", f"{HERE}:Report", f"{HERE}:double", f"{HERE}:double"]
    assert [seen.options["label"] for seen in shelf.waiting()] == labels


def test_a_callable_can_be_delayed(queue: Queue, shelf: Shelf) -> None:
    """Given a delay, then the call is due then, and the delay isn't given to the callable."""
    queue.call(lambda x: x, 7, delay=5)
    (seen,) = shelf.delayed()
    assert (seen.args[1:], seen.kwargs) == ((7,), {})


def test_a_job_given_to_call_is_pushed_as_itself(queue: Queue, shelf: Shelf) -> None:
    """Given a job, when it is given to queue.call, then it is pushed under its own name."""
    queue.call(queue.job(double), 3, delay=60)
    (seen,) = shelf.delayed()
    assert (seen.job, seen.args) == (f"{HERE}:double", (3,))


@pytest.mark.parametrize(
    ("function", "args", "why"),
    [
        (double, (), "missing a required argument: 'n'"),
        (double, (1, 2), "too many positional"),
        (lambda: None, (1,), "too many positional"),
        (lambda delay: None, (), "parameter named 'delay'"),
        (5, (), "needs a callable"),
        ("len", (), "needs a callable"),
    ],
)
def test_a_call_that_can_t_be_made_is_refused_at_the_push(queue: Queue, function: Any, args: tuple[Any, ...], why: str) -> None:
    """Given arguments that don't fit the callable, then the push is refused, not a worker an hour later."""
    with pytest.raises(ArgumentsError, match=why):
        queue.call(function, *args)


def test_what_can_t_travel_is_named(queue: Queue) -> None:
    """Given an object or a closure that holds a lock, then the error names it and the argument."""
    lock = threading.Lock()
    with pytest.raises(SerializationError, match=r"argument 'target' of .*:Report .*lock"):
        queue.push(Report(3, lock=lock))
    with pytest.raises(SerializationError, match=r"argument 'function' of .*<lambda> .*lock"):
        queue.call(lambda: lock)
    with pytest.raises(SerializationError, match=r"Queue.*secrets"):
        queue.call(lambda: queue)


@pytest.mark.parametrize("serializer", ["json", "msgpack"])
def test_data_only_queues_push_no_code(make_queue: MakeQueue, serializer: str) -> None:
    """Given a queue whose serializer carries data only, then objects and callables are refused with the reason."""
    queue = make_queue(serializer=serializer)
    why = f"need the serializer pickle; the serializer of this queue is {serializer}"
    with pytest.raises(PushError, match=why):
        queue.push(Report(3))
    with pytest.raises(PushError, match=why):
        queue.call(double, 3)


def test_a_script_pushes_what_only_it_defines(server: ServerProcess, prefix: str, tmp_path: Path) -> None:
    """Given a script that defines a class, a function and a closure, when it pushes them, then another program can run them."""
    script = tmp_path / "notebook.py"
    script.write_text(
        textwrap.dedent(f"""
            from taskq import Queue
            queue = Queue({server.url!r}, channels={{"default": {{"channel": {prefix!r}}}}})

            class Local:
                def __init__(self, n): self.n = n
                def handle(self): return twice(self.n)

            def twice(n): return 2 * n

            factor = 3
            queue.push(Local(21))
            queue.call(twice, 4)
            queue.call(lambda n: twice(n) * factor, 5)
        """)
    )
    subprocess.run([sys.executable, script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    assert Shelf(server, prefix).run() == [42, 8, 30]


def test_a_script_pushes_a_method_of_its_own_class(server: ServerProcess, prefix: str, tmp_path: Path) -> None:
    """Given a script whose class has jobs, when it pushes a method, then a worker that imports the script finds class and job."""
    script = tmp_path / f"app_{prefix}.py"
    script.write_text(
        textwrap.dedent(f"""
            from taskq import Queue
            queue = Queue({server.url!r}, channels={{"default": {{"channel": {prefix!r}}}}})

            class Shop:
                def __init__(self, n): self.n = n

                @queue.job
                def sell(self, amount): return self.n * amount

            if __name__ == "__main__":
                Shop(6).sell.push(7)
        """)
    )
    subprocess.run([sys.executable, script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    read = (
        f"import app_{prefix} as app; from tests.push.shelf import *; from taskq import *; import redis\n"
        "class Server: admin = redis.Redis.from_url(app.queue.url())\n"
        f"seen = Shelf(Server, {prefix!r}).only()\n"
        "print(seen.job, app.queue.jobs.get(seen.job)(*seen.args))"
    )
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    done = subprocess.run([sys.executable, "-c", read], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.stdout.split() == [f"app_{prefix}:Shop.sell", "42"], done.stderr


class _Yields:
    def handle(self) -> Any:
        yield 1

    def __call__(self) -> Any:
        yield 1


def test_generators_are_refused(queue: Queue, shelf: Shelf) -> None:
    """Given an object whose handle() is a generator, and such callables, also in a partial, then they are refused: nothing would run."""

    async def later(count: int) -> Any:
        yield count

    for function in (_Yields().handle, _Yields(), functools.partial(later, 1), functools.partial(_Yields())):
        with pytest.raises(ArgumentsError, match=r"is a generator function, so calling it runs nothing"):
            queue.call(function)
    with pytest.raises(ArgumentsError, match=r"_Yields.handle\(\) is a generator"):
        queue.push(_Yields())
    assert shelf.waiting() == []
