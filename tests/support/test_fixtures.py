"""The fixtures themselves: a check that can't fail protects nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.support.processes import is_alive
from tests.support.wait import wait_until

ROOT = Path(__file__).parents[2]

LEAKS = """
import subprocess

def test_child(): subprocess.Popen(["sleep", "60"])
def test_orphan(): subprocess.run(["sh", "-c", "sleep 61 &"])
def test_clean(server, prefix): server.client().set(prefix, "left")
def test_after(server): assert server.client().dbsize() == 0
"""

CHANGES = """
import os, signal, threading
from taskq import context, events
from taskq.jobs.hooks import state

def test_state(): state.open({})
def test_job(): context.enter(object())
def test_listener(): events.retry.connect(print)
def test_handler(): signal.signal(signal.SIGUSR1, signal.SIG_IGN)
def test_mask(): signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
def test_variable(): os.environ["LEFT"] = "here"
def test_folder(tmp_path): os.chdir(tmp_path)
def test_file(): os.open(os.devnull, os.O_RDONLY)
def test_thread(): threading.Thread(target=threading.Event().wait, daemon=True, name="left").start()
def test_clean(monkeypatch, tmp_path):
    monkeypatch.setenv("SET", "back")
    monkeypatch.chdir(tmp_path)
    threading.Timer(0.1, print).start()
"""

TEXTS = """
import pathlib, signal

def test_tell(server, own_server):
    pathlib.Path("pids.new").write_text(f"{server.pid} {own_server(tcp=True).pid}")
    pathlib.Path("pids.new").rename("pids")
    signal.pause()
"""


def _pytest(directory: Path, source: str) -> subprocess.Popen[str]:
    (directory / "test_inner.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-q", "test_inner.py"]
    # Without the other plugins pytest starts in half the time.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(directory), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _has_ended(pid: int) -> bool:
    return not is_alive(pid)


def test_a_leak_fails_the_test_that_made_it(tmp_path: Path) -> None:
    """Given a test that leaves a child and one that leaves an orphan, then these two fail, and keys are cleaned up silently."""
    with _pytest(tmp_path, LEAKS) as run:
        output = run.communicate(timeout=100)[0]
    assert run.returncode == 1
    assert "4 passed, 2 errors" in output, output
    for text in ("ERROR at teardown of test_child", "sleep 60", "ERROR at teardown of test_orphan", "sleep 61"):
        assert text in output


def test_a_change_of_the_process_fails_the_test_that_made_it(tmp_path: Path) -> None:
    """Given tests that leave a changed process behind, then each of them fails and no other; what ends soon is no change."""
    with _pytest(tmp_path, CHANGES) as run:
        output = run.communicate(timeout=100)[0]
    assert run.returncode == 1
    assert "10 passed, 9 errors" in output, output
    for text in (
        "taskq.state: None -> {}",
        "running job: None -> <object",
        "listeners: 0 -> 1",
        "signal handlers: ",
        "blocked signals: set() -> {<Signals.SIGUSR2",
        "environment: LEFT",
        "directory: ",
        "/dev/null",
        "thread: <Thread(left",
    ):
        assert text in output


def test_servers_end_with_pytest_however_that_ends(tmp_path: Path) -> None:
    """Given a run with two servers, if pytest is killed with SIGKILL or interrupted, then both servers end."""
    for number in (signal.SIGKILL, signal.SIGINT):
        with _pytest(tmp_path, TEXTS) as run:
            wait_until((tmp_path / "pids").exists, timeout=60)
            pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
            (tmp_path / "pids").unlink()
            assert all(map(is_alive, pids))
            run.send_signal(number)
            run.communicate(timeout=60)
        for pid in pids:
            wait_until(partial(_has_ended, pid))
