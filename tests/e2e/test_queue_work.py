"""A worker that a program starts: queue.work()."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from taskq.channel import State
from tests.support.ledger import Ledger
from tests.support.store import Store
from tests.support.worker import clean_environment

#: Runs a program that has a queue and some jobs; returns its code and what it wrote.
Program = Callable[[str], tuple[int, str]]

HEAD = """
import logging, os, signal, sys, threading, time
import setproctitle, taskq
from tests.support.ledger import note

queue = taskq.Queue(channels={"default": {"retry_seconds": 0.01}, "bulk": {}})

@queue.job
def plain(x=0):
    note("plain", [x, os.getpid()])

@queue.job(max_attempts=1)
def bad():
    raise ValueError("no")

@queue.job(channel="bulk")
def bulk():
    note("bulk")
"""


@pytest.fixture
def program(tmp_path: Path, url: str, ledger: Ledger) -> Program:
    """A function that runs a program."""

    def run(text: str) -> tuple[int, str]:
        script = tmp_path / "program.py"
        script.write_text(HEAD + textwrap.dedent(text))
        env = {**clean_environment(), "TASKQ_URL": url}
        done = subprocess.run([sys.executable, str(script)], env=env, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_program_works_off_its_queue(program: Program, ledger: Ledger, store: Store) -> None:
    """Given a program that pushes and works in a burst, then all is run in other processes, and the program goes on unchanged."""
    code, output = program("""
        def handler(*_): ...
        signal.signal(signal.SIGTERM, handler)
        title = setproctitle.getproctitle()
        plain.push_many([(number,) for number in range(20)])
        print("worked", queue.work(burst=True))
        assert signal.getsignal(signal.SIGTERM) is handler
        assert setproctitle.getproctitle() == title
        plain.push(20)
        print("again", queue.work(burst=True, processes=2))
        note("program", os.getpid())
    """)
    assert (code, output) == (0, "worked 0\nagain 0\n")
    (own,) = ledger.values("program")
    assert [number for number, _ in ledger.values("plain")] == list(range(21))
    assert own not in {pid for _, pid in ledger.values("plain")}
    assert store.leaks() == []


def test_a_failed_job_is_reported_to_the_program(program: Program, store: Store) -> None:
    """Given a burst in which a job fails, then work() returns 1, and the program's own logging is used."""
    code, output = program("""
        logging.basicConfig(format="MINE %(name)s %(message)s", stream=sys.stdout)
        bad.push()
        sys.exit(10 + queue.work(burst=True))
    """)
    assert code == 11
    assert "MINE taskq.worker program:bad" in output
    assert store.count(State.FAILED) == 1


def test_channels_and_max_messages_of_work(program: Program, ledger: Ledger, store: Store) -> None:
    """Given channels and max_messages, then only those channels are worked, and processes are replaced."""
    code, _ = program("""
        plain.push_many([(number,) for number in range(4)])
        bulk.push()
        sys.exit(queue.work(burst=True, channels=["default"], max_messages=1))
    """)
    assert code == 0
    assert len({pid for _, pid in ledger.values("plain")}) == 4
    assert ledger.values("bulk") == []


def test_work_stops_at_a_signal(program: Program, ledger: Ledger) -> None:
    """Given work() without an end, if the program gets SIGTERM (here from a job), then work() returns 0."""
    code, output = program("""
        @queue.job
        def stop(pid):
            note("stop", os.getpid())
            os.kill(pid, signal.SIGTERM)

        stop.push(os.getpid())
        print("worked", queue.work())
    """)
    assert (code, output) == (0, "worked 0\n")
    assert len(ledger.values("stop")) == 1


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("queue.work(processes=0)", "ConfigError: processes must be at least 1; got 0"),
        ("queue.work(max_messages=-1)", "ConfigError: max_messages must be 0 (no limit) or more; got -1"),
        ("queue.work(channels=['bukl'])", "unknown channel 'bukl'"),
    ],
)
def test_wrong_calls_of_work(program: Program, call: str, error: str) -> None:
    """Given arguments that can't be, then work() raises and says why."""
    code, output = program(call)
    assert code == 1
    assert error in output


def test_work_needs_the_main_thread(program: Program) -> None:
    """Given a thread that calls work(), then it raises: only the main thread hears signals."""
    code, output = program("""
        def run():
            try:
                queue.work(burst=True)
            except taskq.ConfigError as error:
                print(error)
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    """)
    assert code == 0
    assert "a worker must run in the main thread" in output


@pytest.mark.one_python
def test_a_worker_below_a_test_that_freezes_time(program: Program, ledger: Ledger) -> None:
    """Given a frozen clock, when it works in bursts, then jobs run, time limits end them, and waits for a result end in time."""
    code, output = program("""
        import asyncio, freezegun
        from datetime import datetime, timedelta

        @queue.job(result_ttl=60, handle_timeout=5)
        async def add(a, b):
            await asyncio.sleep(0.01)
            return a + b

        @queue.job(result_ttl=60, handle_timeout=0.1, max_attempts=1)
        async def slow():
            await asyncio.sleep(60)

        signal.alarm(40)
        for concurrency in (1, 2):
            with freezegun.freeze_time("2026-01-01 12:00:00") as frozen:
                pushed, late = add.push(1, 2), slow.push()
                frozen.move_to("2025-01-01 12:00:00")
                assert queue.work(burst=True, concurrency=concurrency) == 1
                assert pushed.result(timeout=30) == 3
                try:
                    late.result(timeout=30)
                except taskq.JobFailed as error:
                    print(error.type)
                hour = add.options(at=datetime.now() + timedelta(hours=1)).push(1, 2)
                try:
                    hour.result(timeout=0.1)
                except taskq.ResultTimeout:
                    print("in time")
                hour.delete()
    """)
    assert code == 0, output
    assert [line for line in output.splitlines() if line in ("JobTimeout", "in time")] == ["JobTimeout", "in time"] * 2
