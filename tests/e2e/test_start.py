"""Where and how a worker is started: blocked or ignored signals, a terminal that is closed, no standard streams, PID 1, a moving link."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq import Queue
from tests.e2e.conftest import StartWorker
from tests.support.bare_system import pid_one
from tests.support.ledger import Ledger
from tests.support.wait import wait_until

CODE = """
import os, re, subprocess, sys, time
import taskq
from tests.support.ledger import note

queue = taskq.Queue()

@queue.job(max_attempts=1)
def hold(path: str) -> None:
    note("hold", os.getpid())
    while not os.path.exists(path):
        time.sleep(0.005)
    note("held")

@queue.job(max_attempts=1, handle_timeout=0.1)
def too_long() -> None:
    time.sleep(60)

@queue.job
def masks() -> None:
    done = subprocess.run(["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"], capture_output=True, text=True)
    note("masks", [int(found, 16) for found in re.findall(r"\\t(\\w+)", done.stdout)])
    program = subprocess.Popen(["sleep", "60"])
    program.terminate()
    note("ended", program.wait())

@queue.job
def streams() -> None:
    print("to nobody", file=sys.stderr)
    note("streams", [os.readlink(f"/proc/self/fd/{number}") for number in range(3)])

@queue.job(max_attempts=1, handle_timeout=20)
def leave() -> None:
    pid = int(subprocess.run(["sh", "-c", "sleep 0.1 >/dev/null & echo $!"], stdout=subprocess.PIPE).stdout)
    while os.path.exists(f"/proc/{pid}"):
        time.sleep(0.005)
    note("reaped")
"""

#: Signals that a worker uses.
USED = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD, signal.SIGALRM, signal.SIGUSR2]
#: Runs a command with all signals blocked, and those that a worker uses ignored.
DEAF = f"""
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
for number in {[int(number) for number in USED]}:
    signal.signal(number, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])
"""
#: Runs a command in a session of its own, whose terminal is the first argument.
IN_TERMINAL = """
import os, sys
os.setsid()
os.open(sys.argv[1], os.O_RDWR)
os.execvp(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def queue(tmp_path: Path, url: str) -> Iterator[Queue]:
    """The app, and a producer that knows its jobs by name."""
    (tmp_path / "started.py").write_text(CODE)
    queue = Queue(url)
    for name in ("hold", "too_long", "masks", "streams", "leave"):
        queue.job(name=f"started:{name}", max_attempts=1)(lambda *args: None)
    yield queue
    queue.close()


def test_a_parent_that_blocks_and_ignores_signals_does_no_harm(
    start_worker: StartWorker, ledger: Ledger, queue: Queue, tmp_path: Path
) -> None:
    """Given such a parent, then time limits, cancels, crashes, programs of jobs and the shutdown work as without it."""
    worker = start_worker("started", cwd=tmp_path, prefix=[sys.executable, "-c", DEAF])
    queue.push_name("started:masks")
    assert [line.value for line in ledger.wait_for("ended")] == [-signal.SIGTERM]
    ((blocked, ignored),) = ledger.values("masks")
    used = sum(1 << (number - 1) for number in USED)
    assert (blocked & used, ignored & used) == (0, 0)
    queue.push_name("started:too_long")
    worker.wait_for_log("too_long .*JobTimeout")
    cancelled = queue.push_name("started:hold", [str(tmp_path / "never")])
    ledger.wait_for("hold")
    cancelled.cancel()
    worker.wait_for_log("cancelled")
    queue.push_name("started:hold", [str(tmp_path / "go")])
    os.kill(ledger.wait_for("hold", 2)[1].value, signal.SIGKILL)
    worker.wait_for_log("was killed by SIGKILL")
    ledger.wait_for("hold", 3)
    for pid in [worker.pid, *(process.pid for process in worker.family())]:  # as Heroku does
        os.kill(pid, signal.SIGTERM)
    worker.wait_for_log("stopping: SIGTERM")
    (tmp_path / "go").touch()
    assert worker.wait() == 0
    assert len(ledger.lines("held")) == 1


def test_a_closed_terminal_ends_the_worker(start_worker: StartWorker, ledger: Ledger, queue: Queue, tmp_path: Path) -> None:
    """Given a worker in a terminal, then SIGHUP reloads the app; once that is closed, the worker ends after the running job."""
    ours, its = pty.openpty()
    try:
        worker = start_worker("started", cwd=tmp_path, prefix=[sys.executable, "-c", IN_TERMINAL, os.ttyname(its)])
        worker.signal(signal.SIGHUP)
        worker.wait_for_log("app reloaded")
        queue.push_name("started:hold", [str(tmp_path / "go")])
        ledger.wait_for("hold")
    finally:
        os.close(its)
        os.close(ours)
    worker.wait_for_log("stopping: SIGHUP: the terminal was closed, shutting down gracefully")
    (tmp_path / "go").touch()
    assert worker.wait() == 0
    assert len(ledger.lines("held")) == 1


#: Like ddtrace-run: threads run before the command, one of Python and one of C, and the first is started again after each fork.
TRACER = """
import ctypes, os, sys, threading
def trace():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
trace()
os.register_at_fork(after_in_child=trace)
libc = ctypes.CDLL(None)
libc.pthread_create(ctypes.byref(ctypes.c_ulong()), None, libc.pause, None)
code = sys.argv[3]
sys.argv[:] = ["taskq", *sys.argv[4:]]
exec(code)
"""


def test_a_tracer_around_the_worker_is_named(start_worker: StartWorker, queue: Queue, tmp_path: Path) -> None:
    """Given a launcher with threads, then jobs run, and the log names the launcher, and no import of the app, as their origin."""
    queue.push_name("started:streams")
    worker = start_worker("started", "--burst", "--processes", "2", cwd=tmp_path, prefix=[sys.executable, "-c", TRACER], ready=0)
    assert worker.wait() == 0
    assert "the program that started this worker (such as ddtrace-run) runs 2 threads in it" in worker.log
    assert "importing the app started" not in worker.log


RELEASE = """
import os, taskq
from tests.support.ledger import note
from parts import VERSION

queue = taskq.Queue()

@queue.job
def version() -> None:
    note("version", [VERSION, bool(os.stat(".").st_nlink)])
"""


def test_a_release_behind_a_link_is_reloaded_and_may_vanish(
    start_worker: StartWorker, ledger: Ledger, queue: Queue, tmp_path: Path
) -> None:
    """Given a link that is moved to another release, then SIGHUP loads that; if it is removed, jobs continue, and a reload is refused."""
    queue.job(name="release:version")(lambda: None)
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / f"{number}/release.py").write_text(RELEASE)
        (tmp_path / f"{number}/parts.py").write_text(f"VERSION = {number}")
        (tmp_path / f"{number}/taskq.toml").write_text('app = "release:queue"')
    link = tmp_path / "current"
    link.symlink_to("1")
    worker = start_worker("", cwd=link, env={"PWD": str(link)})
    queue.push_name("release:version")
    ledger.wait_for("version")
    link.unlink()
    link.symlink_to("2")
    shutil.rmtree(tmp_path / "1")
    queue.push_name("release:version")
    ledger.wait_for("version", 2)
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("app reloaded")
    wait_until(lambda: len(worker.family()) == 2)
    queue.push_name("release:version")
    ledger.wait_for("version", 3)
    shutil.rmtree(tmp_path / "2")
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("keeping the old code: the working directory .*/current no longer exists: start the worker in an existing")
    (child,) = worker.children()
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: worker.children() not in ([], [child]))
    queue.push_name("release:version")
    ledger.wait_for("version", 4)
    assert worker.stop() == 0
    assert ledger.values("version") == [[1, True], [1, False], [2, True], [2, False]]
    assert "crashes in a short time" not in worker.log


def test_pid_one_without_streams(start_worker: StartWorker, ledger: Ledger, queue: Queue, tmp_path: Path) -> None:
    """Given a worker that is PID 1 and has no standard streams, then it reaps what a job leaves behind, and jobs use /dev/null."""
    queue.push_name("started:streams")
    queue.push_name("started:leave")
    prefix = [*pid_one(), "sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    assert start_worker("started", "--burst", cwd=tmp_path, prefix=prefix, ready=0).wait() == 0
    assert ledger.values("streams") == [["/dev/null"] * 3]
    assert len(ledger.lines("reaped")) == 1
