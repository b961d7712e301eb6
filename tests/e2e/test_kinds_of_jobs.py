"""Every kind of function and object that can be pushed runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from taskq.channel import State
from tests.e2e.apps import basic, concurrency
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger, note
from tests.support.store import Store
from tests.support.worker import clean_environment


def test_every_kind_of_job_runs(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a function, a coroutine function and methods of every kind, then each runs once, with its arguments."""
    basic.add.push(1)
    basic.add.push(1, b=5)
    basic.fetch.push("page")
    account = basic.Account("Ann")
    account.greet.push("hello")
    account.agreet.push("bye")
    basic.Account.total.push(1, 2, 3)
    account.total.push(4)
    basic.Account.raise_bonus.push(2, factor=3)
    assert run_burst(start_worker, "basic") == 0
    assert [tuple(line[:2]) for line in ledger.lines()] == [
        ("add", 3),
        ("add", 6),
        ("fetch", ["page", "tests.e2e.apps.basic:fetch"]),
        ("greet", "hello Ann"),
        ("agreet", "bye Ann"),
        ("total", 6),
        ("total", 4),
        ("raise_bonus", ["Account", 7]),
    ]


def test_a_job_pushes_over_the_connection_of_its_worker(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that pushes another, then that runs too, and no connection was opened for it."""
    basic.chain.push(1)
    assert run_burst(start_worker, "basic") == 0
    assert (ledger.values("chain"), ledger.values("add")) == ([0], [3])


def test_objects_handle_themselves(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given objects with handle(), sync and async, then their own channel and attempts count, and operators see their class."""
    basic.queue.push(basic.Report(3))
    handle = basic.queue.push(basic.AsyncReport(4))
    assert handle.channel == "reports"
    assert run_burst(start_worker, "basic") == 0
    assert ledger.values("report") == [[3, "tests.e2e.apps.basic:Report"]]
    assert ledger.values("async report") == [[4, "reports", 1]]


def test_a_job_knows_its_run(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a job that asks for its context, then it learns its id, name, channel, attempt and when it was pushed."""
    handle = basic.context.push()
    run_burst(start_worker, "basic", settings={"max_attempts": 7})
    ((identity, job, channel, attempt, most, pushed_at),) = ledger.values("context")
    assert (identity, job, channel, attempt, most) == (handle.id, "tests.e2e.apps.basic:context", "default", 1, 7)
    assert pushed_at == int(handle.id[:12], 16)


SCRIPT = """
    import os
    import sys
    import taskq
    from tests.support.ledger import note

    queue = taskq.Queue()
    factor = 3

    def triple(x):
        note("triple", x * factor)

    class Parcel:
        def __init__(self, weight):
            self.weight = weight

        def handle(self):
            note("parcel", self.weight)

    def closure(word):
        def say(more, *, end="!"):
            note("closure", word + more + end)
        return say

    delay = float(sys.argv[1])
    queue.call(triple, 2, delay=delay)
    queue.call(lambda x: note("lambda", x), 7, delay=delay)
    queue.call(closure("hello "), "you", end="?", delay=delay)
    queue.push(Parcel(5), delay=delay)
"""


def _run_script(folder: Path, text: str, *args: str, env: dict[str, str]) -> None:
    script = folder / "notebook.py"
    script.write_text(textwrap.dedent(text), encoding="utf-8")
    subprocess.run([sys.executable, str(script), *args], check=True, timeout=30, env={**clean_environment(), **env})


@pytest.mark.parametrize("delay", [0, 0.05])
def test_callables_of_a_script_travel_by_value(
    start_worker: StartWorker, ledger: Ledger, store: Store, url: str, tmp_path: Path, delay: float
) -> None:
    """Given a script's own functions, closures, lambdas and objects, then a worker that has never seen the script runs them."""
    _run_script(tmp_path, SCRIPT, str(delay), env={"TASKQ_URL": url})
    assert store.count(State.DELAYED if delay else State.WAITING) == 4
    worker = start_worker("basic")
    ledger.wait_for("parcel")
    assert worker.stop() == 0
    assert sorted(line[:2] for line in ledger.lines()) == [("closure", "hello you?"), ("lambda", 7), ("parcel", 5), ("triple", 6)]


MAIN = """
    import dataclasses
    import enum
    import sys
    import taskq
    from tests.support.ledger import note

    queue = taskq.Queue()

    class Plan(enum.Enum):
        PAID = "paid"

    @dataclasses.dataclass
    class Order:
        id: int

    class Base:
        def prefix(self):
            return "to "

    class Mailer(Base):
        @queue.job
        def send(self, to):
            note("sent", super().prefix() + to)

    @queue.job
    def mine(x):
        note("mine", [x, __name__])

    @queue.job(result_ttl=60)
    def bill(plan, order):
        note("bill", [plan is Plan.PAID, order == Order(1)])
        return plan, order

    if __name__ == "__main__":
        mine.push(1)
        mine.push(2, delay=0.02)
        Mailer().send.push("anna")
        handle = bill.push(Plan.PAID, Order(1))
        if sys.argv[1:] == ["work"]:
            queue.work(burst=True)
            plan, order = handle.result(timeout=30)
            note("result", [plan is Plan.PAID, order == Order(1), "notebook" in sys.modules])
"""


def test_jobs_of_a_script_are_found_by_its_name(start_worker: StartWorker, ledger: Ledger, url: str, tmp_path: Path) -> None:
    """Given jobs that a script decorates and pushes, then a worker that imports the script as its app runs them, with its own classes."""
    _run_script(tmp_path, MAIN, env={"TASKQ_URL": url})
    worker = start_worker("notebook", cwd=tmp_path)
    ledger.wait_for("mine", 2)
    assert worker.stop() == 0
    assert ledger.values("mine") == [[1, "notebook"], [2, "notebook"]]
    assert (ledger.values("sent"), ledger.values("bill")) == (["to anna"], [[True, True]])


def test_a_script_that_works_off_its_own_jobs_has_one_set_of_classes(ledger: Ledger, url: str, tmp_path: Path) -> None:
    """Given a script that pushes, works and reads a result, then all of it is of the script's own classes; it isn't imported again."""
    _run_script(tmp_path, MAIN, "work", env={"TASKQ_URL": url})
    assert [ledger.values(name) for name in ("sent", "bill", "result")] == [["to anna"], [[True, True]], [[True, True, False]]]


def test_async_code_pushes_the_same(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given pushes from a coroutine, then they run as those of sync code do."""

    async def push() -> None:
        await basic.add.apush(1, delay=0)
        await basic.queue.apush(basic.Report(1))
        await basic.queue.acall(note, "called", 1)
        await basic.add.apush_many([(2,), basic.add.bind(3, b=3)])
        await basic.Account("Bo").greet.apush("hi")
        await basic.queue.aclose()

    asyncio.run(push())
    assert run_burst(start_worker, "basic") == 0
    assert ledger.values("add") == [3, 4, 6]
    assert [ledger.values(what) for what in ("report", "called", "greet")] == [[[1, "tests.e2e.apps.basic:Report"]], [1], ["hi Bo"]]


def test_many_jobs_run_once_each_in_their_order(start_worker: StartWorker, ledger: Ledger) -> None:
    """Given a thousand calls for one process, then each runs once, in the order of the pushes."""
    basic.add.push_many([(number, 0) for number in range(1000)])
    assert run_burst(start_worker, "basic") == 0
    assert ledger.values("add") == list(range(1000))


def test_several_processes_share_the_work(start_worker: StartWorker, ledger: Ledger, tmp_path: Path) -> None:
    """Given three jobs that wait for each other and a thousand behind them, then three processes run the three, and each job runs once."""
    go = tmp_path / "go"
    concurrency.hold.push_many([(str(go), str(number)) for number in range(3)])
    concurrency.quick.push_many([(number,) for number in range(1000)])
    worker = start_worker("concurrency", "--burst", "--processes", "3", ready=0)
    assert len({line.pid for line in ledger.wait_for("start", 3)}) == 3
    go.touch()
    assert worker.wait() == 0
    assert sorted(ledger.values("quick")) == list(range(1000))
    assert len(ledger.lines("end")) == 3
