"""The first push of a process when Python can't load modules: at exit, or in a signal handler. Also during a fork."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.push.shelf import Shelf
from tests.support.worker import clean_environment

_PROGRAM = """
import atexit, os, signal, sys, threading, warnings, weakref
from taskq import Queue, TaskqError

_, url, prefix, moment, *modules = sys.argv
for name in modules:
    __import__(name)
queue = Queue(url, channels={"default": {"channel": prefix}})
job = queue.job(name="add")(print)

class Thing:
    def __del__(self):
        if moment == "__del__":
            push()

def push(*_):
    try:
        job.push(1)
        print("stored", flush=True)
    except TaskqError as error:
        print(error, flush=True)

def push_after_the_main_thread():
    threading.main_thread().join()
    push()

class InterruptsTheImport:
    def find_spec(self, name, *_):
        if name == "taskq.driver.redis.link":
            signal.raise_signal(signal.SIGUSR1)

class WaitsForTheFork:
    def find_spec(self, name, *_):
        if name == "taskq.driver.redis.link":
            importing.set()
            forking.wait(20)

def push_and_fork():
    sys.meta_path.insert(0, WaitsForTheFork())
    thread = threading.Thread(target=push)
    thread.start()
    importing.wait(20)
    os.register_at_fork(before=forking.set)  # called before the hooks that were registered earlier
    warnings.simplefilter("ignore")  # of a fork beside threads
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        push()
        os._exit(0)
    thread.join()
    print("exit code", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

importing, forking = threading.Event(), threading.Event()
thing = Thing()
if moment == "atexit":
    atexit.register(push)
elif moment == "finalize":
    weakref.finalize(thing, push)
elif moment == "thread":
    threading.Thread(target=push_after_the_main_thread).start()
elif moment == "signal":
    signal.signal(signal.SIGUSR1, push)
    sys.meta_path.insert(0, InterruptsTheImport())
    push()
elif moment == "fork":
    push_and_fork()
"""
_TOO_LATE = (
    "the server can't be used for the first time now: "
    "Python can't load its client after the main thread has ended; push once or `import redis` before that\n"
)


def _run(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-c", _PROGRAM, *arguments]
    done = subprocess.run(command, cwd=cwd, env=clean_environment(), capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("moment", ["atexit", "finalize", "thread"])
def test_a_first_push_after_the_main_thread_names_the_reason(url: str, prefix: str, shelf: Shelf, tmp_path: Path, moment: str) -> None:
    """Given a first push after the main thread has ended, then its error names the reason; given one after `import redis`, it is stored.

    redis-py before 7 starts nothing when it is imported, so that the first one is stored, too.
    """
    can_import = int(version("redis").partition(".")[0]) < 7
    assert _run(url, prefix, moment, cwd=tmp_path) == ("stored\n" if can_import else _TOO_LATE)
    assert _run(url, prefix, moment, "redis", cwd=tmp_path) == "stored\n"
    assert len(shelf.waiting()) == 1 + can_import


def test_a_first_push_while_python_exits_names_the_reason(url: str, prefix: str, tmp_path: Path) -> None:
    """Given a first push in `__del__` of an object that lives until Python exits, then its error names the reason."""
    reason = "Python loads no modules while it exits; push once before that\n"
    assert _run(url, prefix, "__del__", cwd=tmp_path) == f"the server can't be used for the first time now: {reason}"


def test_a_first_push_in_a_signal_handler_names_the_reason(url: str, prefix: str, shelf: Shelf, tmp_path: Path) -> None:
    """Given a signal handler that pushes in the middle of the first push, then its error names the reason, and the other push is stored."""
    reason = "this call, as in a signal handler, has interrupted the import of its client; push once before that can happen\n"
    assert _run(url, prefix, "signal", cwd=tmp_path) == f"the server can't be used for the first time now: {reason}stored\n"
    assert len(shelf.waiting()) == 1


def test_a_push_after_a_fork_beside_the_first_push_names_the_reason(url: str, prefix: str, shelf: Shelf, tmp_path: Path) -> None:
    """Given a process that forks while another thread imports the client, if the child pushes, then it has an error and doesn't hang."""
    error = "this process was forked while another thread imported the server's client: push once, or import redis, before you fork"
    assert sorted(_run(url, prefix, "fork", cwd=tmp_path).splitlines()) == ["exit code 0", "stored", error]
    assert len(shelf.waiting()) == 1
