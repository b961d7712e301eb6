"""`taskq demo`: a whole run on a small folder, what it refuses, and that nothing stays behind however it ends."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import Type
from tests.support.processes import offspring
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker import clean_environment

TASKQ = "from taskq.cli import main; main()"
Demo = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with 45 files: 44 of three lines and four words each, and an empty one."""
    place = tmp_path / "texts"
    for number in range(44):
        file = place / f"part{number % 3}" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"one two\n\n{number} four\n")
    (place / "empty").touch()
    return place


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where the demo makes its scratch directory. pytest's own is too long for a Unix socket."""
    place = Path(tempfile.mkdtemp(prefix="tq-"))
    yield place
    shutil.rmtree(place)


@pytest.fixture
def environment(scratch: Path, tmp_path: Path) -> dict[str, str]:
    """What the demo is started with. The user's own settings must change nothing."""
    settings = {"TASKQ_URL": "redis://localhost:1/0", "TASKQ_CHANNELS__DEFAULT__PROCESSES": "7", "TASKQ_SERIALIZER": "json"}
    return {**clean_environment(), **settings, "TMPDIR": str(scratch), "COLUMNS": "120", "TASKQ_SECRET": "hush"}


@pytest.fixture
def demo(environment: Mapping[str, str], tmp_path: Path) -> Demo:
    """Runs `taskq demo` without a terminal. `code` is Python that is run before."""

    def run(*args: str, code: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", f"{code}\n{TASKQ}", "demo", *args]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    return run


def test_every_file_is_counted_and_nothing_is_left(demo: Demo, folder: Path, scratch: Path) -> None:
    """Given a folder, when the demo runs, then its sums are right, the failure is shown and mended, and all of it is gone."""
    done = demo(str(folder), "--processes", "2")
    assert (done.returncode, done.stderr) == (0, "")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert f"Counting 45 files ({size} B) of {folder}\non 2 processes" in done.stdout
    assert "write_report failed 3 times and moved to failed: FileNotFoundError: " in done.stdout
    assert "1 message was reloaded (as with: taskq reload files)\nwrite_report succeeded\n" in done.stdout
    assert re.search(r"^files +45 files, 5 of the messages delayed", done.stdout, re.MULTILINE)
    assert re.search(rf"^content +{size} B, 132 lines, 176 words$", done.stdout, re.MULTILINE)
    assert re.search(r"^time +[\d.]+ s with 2 processes, \d+ files/s", done.stdout, re.MULTILINE)
    assert re.search(
        r"^check +every file was counted exactly once; counting 45 files directly gives the same numbers$", done.stdout, re.MULTILINE
    )
    assert "taskq init" in done.stdout
    assert "\x1b" not in done.stdout
    assert list(scratch.iterdir()) == []


def test_a_limit_and_one_process(demo: Demo, folder: Path) -> None:
    """Given --limit, then only the first files are counted; one process is enough."""
    done = demo(str(folder), "--limit", "7", "--processes", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^files +7 files, 1 of", done.stdout, re.MULTILINE)
    assert "with 1 process," in done.stdout


def test_what_cant_be_counted_is_reported(demo: Demo, folder: Path) -> None:
    """Given links, a pipe, and odd names, then files are counted and the rest is told with its reason."""
    (folder / "link").symlink_to(folder / "empty")
    (folder / "links").symlink_to(folder / "part1")
    (folder / "gone").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    for name in (b"caf\xe9", b"red\x1b[31m", b"[bold]", "größe".encode()):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("word\n")
    done = demo(str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^files +49 files, .*; skipped: 3 \(symbolic link\); skipped: 1 \(no regular file\)$", done.stdout, re.MULTILINE)


def test_files_that_vanish_or_refuse_are_skipped(demo: Demo, folder: Path) -> None:
    """Given a file that is gone when its turn comes, and one that may not be read, then both are told and the rest adds up."""
    code = """
import os, taskq.tools.demo.app as app, taskq.tools.demo.files as files
count, access = app.count, os.access
def counting(path):
    if path.endswith("/7.txt"):
        os.remove(path)
    return count(path)
app.count = counting
os.access = lambda path, mode: not str(path).endswith("/8.txt") and access(path, mode)
"""
    done = demo(str(folder), code=code)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^files +43 files, .*skipped: 1 \(no permission to read\)", done.stdout, re.MULTILINE)
    assert "skipped: 1 (no such file or directory)" in done.stdout


def test_what_doesnt_add_up_ends_with_code_1(demo: Demo, folder: Path) -> None:
    """Given jobs that lose one file, count another twice and a third wrongly, then each is told, and the exit code is 1."""
    code = """
import taskq.tools.demo.app as app
append = app.append
def sloppy(results, path, counted, skipped=""):
    if path.endswith("/1.txt"):
        return
    if path.endswith("/3.txt"):
        counted = counted._replace(words=99)
    for _ in range(1 + path.endswith("/2.txt")):
        append(results, path, counted, skipped)
app.append = sloppy
"""
    done = demo(str(folder), code=code)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the numbers differ:" in done.stdout
    assert f"1 file was not counted: {folder}/part1/1.txt" in done.stdout
    assert f"1 file was counted more than once: {folder}/part2/2.txt" in done.stdout
    assert f"1 file was counted with another result than by reading it directly: {folder}/part0/3.txt" in done.stdout
    assert "the same numbers" not in done.stdout


def test_a_report_that_never_succeeds_ends_with_code_1(demo: Demo, folder: Path) -> None:
    """Given a report that fails after its reload too, then the failure line says so, with the worker's last words."""
    done = demo(str(folder), code="import taskq.tools.demo.app as app\napp.Reader = None")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^failure +unexpected outcome", done.stdout, re.MULTILINE)
    assert "the reloaded report is wrong. Worker log:" in done.stdout
    assert "'NoneType' object is not callable" in done.stdout


# ---- what it refuses


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["nowhere"], "'nowhere' does not exist"),
        (["a-file"], "'a-file' is a file"),
        (["nothing"], "/nothing: choose a folder with files"),
        (["only-links"], "/only-links (2 symbolic link): choose a folder"),
        (["texts", "--url", "http://localhost"], "unknown scheme 'http'"),
        (["texts", "--url", "redis://127.0.0.1:1/0"], "127.0.0.1:1"),
        (["texts", "--processes", "0"], "0 is not in the range"),
        (["texts", "--limit", "-1"], "-1 is not in the range"),
    ],
)
def test_what_cant_be_done_is_reported(type_here: Type, folder: Path, scratch: Path, args: list[str], text: str) -> None:
    """Given a folder, a server or a number that can't be, then a line says so, the exit code is 2, and nothing was started."""
    place = folder.parent
    (place / "a-file").touch()
    (place / "nothing").mkdir()
    (place / "only-links").mkdir()
    for name in ("one", "two"):
        (place / "only-links" / name).symlink_to(folder / "empty")
    done = type_here("demo", *args)
    assert (done.code, text in done.err) == (2, True), done.err
    assert "Traceback" not in done.err
    assert list(scratch.iterdir()) == []


def test_without_the_extra_the_error_names_it(demo: Demo, folder: Path) -> None:
    """Given no embedded server, when no URL is given, then the error says how to install it, and what to do without."""
    done = demo(str(folder), code="import taskq.tools.demo.place as place\nplace.is_available = lambda: False")
    assert done.returncode == 2
    assert "pip install 'taskq-jobs[embedded]'" in done.stderr
    assert "pip install '.[embedded]'" in done.stderr
    assert "taskq demo --url redis://localhost:6379/0" in done.stderr


def test_a_worker_that_cant_start_is_reported(demo: Demo, folder: Path, scratch: Path) -> None:
    """Given a worker that ends at once, then its log is shown, the exit code is 2, and nothing is left."""
    done = demo(str(folder), code="import taskq.tools.scratch.worker as worker\nworker.set_up_logging = None")
    assert done.returncode == 2
    assert "the demo's worker has ended. Worker log:" in done.stderr
    assert "'NoneType' object is not callable" in done.stderr
    assert list(scratch.iterdir()) == []


# ---- on a server of somebody's


def test_on_another_server_no_key_stays(demo: Demo, folder: Path, server: ServerProcess) -> None:
    """Given --url and the extra not installed, then the demo runs on that server, and leaves its keys as they were."""
    server.admin.set("mine", "1")
    done = demo(str(folder), "--url", server.url, code="import taskq.tools.demo.place as place\nplace.is_available = lambda: False")
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.admin.keys("*") == [b"mine"]


# ---- how it ends early


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_removes_everything(environment: Mapping[str, str], folder: Path, scratch: Path, number: signal.Signals) -> None:
    """Given a demo at work, when it is told to stop, then it says so, ends with the signal's code, and leaves no process and no file."""
    before = offspring()
    command = [sys.executable, "-c", TASKQ, "demo", str(folder)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: any("taskq: files" in title for title in _titles(process.pid)), what="a child that runs jobs")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (128 + number, "")
    assert "Stopped. The demo's server and data are removed." in out
    assert list(scratch.iterdir()) == []
    assert offspring() <= before


def test_its_worker_dies_with_it(environment: Mapping[str, str], folder: Path, scratch: Path) -> None:
    """Given a demo that is killed, then its worker doesn't run on; the server, which can't know, is told to stop here."""
    from taskq.driver.embedded.server import EmbeddedServer

    command = [sys.executable, "-c", TASKQ, "demo", str(folder)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: any("taskq: files" in title for title in _titles(process.pid)), what="a child that runs jobs")
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    (left,) = scratch.glob("taskq-demo-*")
    assert EmbeddedServer(left / ".taskq").stop()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def _titles(pid: int) -> list[str]:
    titles = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            titles.append(" ".join(process.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return titles


# ---- on a terminal


def test_on_a_terminal_it_is_live(environment: Mapping[str, str], folder: Path) -> None:
    """Given a terminal, then the states, the progress and the processes are drawn again and again, and the summary stays."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-c", TASKQ, "demo", str(folder)], {**environment, "TERM": "xterm-256color"})
    output = b""
    try:
        while piece := os.read(terminal, 65536):
            output += piece
    except OSError:  # how Linux says that nobody holds the other end any more
        pass
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    seen = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", output.decode())
    assert os.waitstatus_to_exitcode(status) == 0, seen
    # How wide the last column is depends on the version of rich.
    assert len(re.findall(r"WAITING  RESERVED  DELAYED  FAILED  TIMEOUT +PARKED", seen)) > 3
    assert re.search(r"45 of 45 files  [\d,]+ B  [\d,]+ files/s", seen)
    assert re.search(r"PROCESS  FILES  LAST COUNTED\s+\d+ +\d+  (part\d/)?\w+", seen)
    assert "comparing with a direct count: 0 of 45 files" in seen
    assert "every file was counted exactly once" in seen
