"""`taskq chaos`: short runs that lose nothing, one that does, and that nothing stays behind however it ends."""

from __future__ import annotations

import json
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

import pytest

from taskq.tools.chaos.clock import find_library
from tests.cli.conftest import Type
from tests.conftest import need
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker import clean_environment

TASKQ = "from taskq.cli import main; main()"
Chaos = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where the chaos makes its scratch directory. pytest's own is too long for a Unix socket."""
    place = Path(tempfile.mkdtemp(prefix="tq-"))
    yield place
    shutil.rmtree(place)


@pytest.fixture
def environment(scratch: Path) -> dict[str, str]:
    """What the chaos is started with. The user's own settings must change nothing."""
    settings = {"TASKQ_URL": "redis://localhost:1/0", "TASKQ_CHANNELS__DEFAULT__PROCESSES": "7", "TASKQ_SERIALIZER": "json"}
    return {**clean_environment(), **settings, "TMPDIR": str(scratch), "COLUMNS": "120"}


@pytest.fixture
def chaos(environment: Mapping[str, str], tmp_path: Path) -> Chaos:
    """Runs `taskq chaos` without a terminal. `code` is Python that is run before."""

    def run(*args: str, code: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", f"{code}\n{TASKQ}", "chaos", *args]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=110, stdin=subprocess.DEVNULL)

    return run


def test_nothing_is_lost_whatever_is_killed(chaos: Chaos, scratch: Path) -> None:
    """Given all faults for ten seconds, then nothing is lost, nothing ran twice without a fault, and nothing is left."""
    done = chaos("--seconds", "10", "--seed", "20", "--jobs", "800")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "chaos for 10 s with seed 20: 800 jobs, 2 workers of 2 processes each\n" in done.stdout
    assert re.search(r"\nanswered  [1-9]\d* results and streams, each to its caller\n", done.stdout)
    assert "\nlost      0\n" in done.stdout
    assert "\nleft      nothing\n" in done.stdout
    assert list(scratch.iterdir()) == []


def test_the_report_as_json(chaos: Chaos) -> None:
    """Given --json, then standard output is one document with everything that the words tell."""
    done = chaos("--seconds", "3", "--seed", "1", "--jobs", "100", "--faults", "child,scripts", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"], report["seed"]) == (0, True, 1)
    assert (report["verdict"]["lost"], report["problems"], report["leftovers"]) == (0, [], [])
    assert set(report["faults"]) <= {"child", "scripts"}
    assert 50 <= report["verdict"]["pushed"] <= 100


def test_a_broken_promise_is_found(chaos: Chaos, scratch: Path, tmp_path: Path) -> None:
    """Given lost workers that are never rescued, then messages are lost, and each is reported with its runs."""
    code = """
import taskq.tools.chaos.run as run, taskq.supervisor.services.rescue as services, taskq.supervisor.children as children
run._DRAIN = 1.0
children.settle_dead = lambda *_: None
children.ChannelState.remember = lambda *_: None
children.ChannelState.part = lambda *_: None
services.Rescuer._rescue = lambda *_: None
"""
    keep = tmp_path / "kept"
    done = chaos("--seconds", "8", "--seed", "3", "--faults", "child", "--keep", str(keep), code=code)
    assert done.returncode == 1, done.stdout
    assert "\nNOT GOOD:\n  not all is done " in done.stdout
    assert "without an end" in done.stdout
    assert {path.name for path in keep.iterdir()} >= {"ledger", "faults.log", "worker-0.log", "worker-1.log", "server.log"}
    assert list(scratch.iterdir()) == []


def test_on_a_given_server_no_key_is_left(chaos: Chaos, own_server: Callable[..., ServerProcess]) -> None:
    """Given a server and --yes, then only what may be done to it is done, and no key stays there."""
    server = own_server()
    server.admin.set("mine", "1")
    done = chaos("--seconds", "4", "--seed", "5", "--jobs", "200", "--url", server.url, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "replies" not in done.stdout.splitlines()[1]
    assert server.admin.keys("*") == [b"mine"]


@pytest.mark.parametrize(
    ("args", "output"),
    [
        (["--url", "redis://localhost:1/0"], "Pass --yes to confirm"),
        (["--url", "redis://localhost:1/0", "--yes", "--faults", "full"], "only possible on chaos's own server"),
        (["--faults", "chidl"], 'did you mean "child"?'),
        (["--url", "nowhere", "--yes"], "invalid server URL"),
        (["--url", "redis://localhost:1/0", "--yes"], "doesn't answer"),
        (["--url", "redis+sentinel://localhost:1/master", "--yes"], "doesn't answer"),
        (["--yes"], "only valid with --url"),
        (["--faults", " , "], "must have at least one of child, "),
        (["--seconds", "nan"], "not a duration"),
        (["--seconds", "2d"], "not in the range"),
        (["--keep", "/dev/null/there"], "--keep /dev/null/there: it can't be written: Not a directory"),
    ],
)
def test_what_cant_be_is_refused(type_here: Type, args: list[str], output: str) -> None:
    """Given options that can't be, then it says why and ends with code 2 before anything is started."""
    done = type_here("chaos", *args)
    assert done.code == 2
    assert output in done.err
    assert done.out == ""


def test_a_clock_that_is_set_explains_nothing(chaos: Chaos, scratch: Path) -> None:
    """Given a server whose clock is set forward and back while workers are killed, then nothing is lost and nothing is left."""
    need(find_library(), "libfaketime")
    done = chaos("--seconds", "8", "--seed", "2", "--jobs", "400", "--faults", "clock,machine")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.search(r"\n +clock +\d+ times?", done.stdout)
    assert list(scratch.iterdir()) == []


def test_without_libfaketime_the_clock_is_left_out(chaos: Chaos) -> None:
    """Given a system without libfaketime, then all faults but one are possible, and the report says so; asking for that one is an error."""
    code = "import taskq.tools.chaos.clock as clock; clock.find_library = lambda: None"
    done = chaos("--seconds", "1", "--jobs", "20", code=code)
    assert done.returncode == 0, done.stdout
    assert "\nleft out: clock, since libfaketime was not found" in done.stdout
    assert "clock" not in done.stdout.splitlines()[1]
    refused = chaos("--faults", "clock", code=code)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "'clock' needs libfaketime" in refused.stderr


def test_a_server_that_refuses_ends_it_at_once(chaos: Chaos, own_server: Callable[..., ServerProcess], scratch: Path) -> None:
    """Given a server with a password that the URL lacks, then that is said before anything is started."""
    server = own_server(requirepass="secret")
    done = chaos("--url", f"unix://{server.socket}", "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    assert "password" in done.stderr
    assert list(scratch.iterdir()) == []


def test_a_copy_that_fails_costs_no_report(chaos: Chaos, scratch: Path, tmp_path: Path) -> None:
    """Given a folder that becomes unusable while chaos runs, then the report and the reason are printed, and nothing is left."""
    code = """
import shutil
def copy(*_): raise OSError(28, "No space left on device")
shutil.copy = copy
"""
    done = chaos("--seconds", "1", "--jobs", "20", "--faults", "scripts", "--keep", str(tmp_path / "kept"), code=code)
    assert (done.returncode, "Nothing was lost" in done.stdout) == (0, True), done.stdout + done.stderr
    assert "could be copied there: No space left on device" in done.stderr
    assert list(scratch.iterdir()) == []


def test_the_faults_are_listed(chaos: Chaos) -> None:
    """Given --faults list, then each is printed on a line."""
    done = chaos("--faults", "list")
    assert done.returncode == 0
    assert "supervisor      SIGKILL of a supervisor; another one replaces it\n" in done.stdout


def test_on_a_terminal_it_is_drawn_in_place(environment: Mapping[str, str], scratch: Path, tmp_path: Path) -> None:
    """Given a terminal, then numbers and faults are redrawn in place, and the summary stays."""
    screen, terminal = pty.openpty()
    command = [sys.executable, "-c", TASKQ, "chaos", "--seconds", "3", "--jobs", "100", "--faults", "scripts"]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=terminal, stdin=terminal)
    os.close(terminal)
    shown = _read_to_end(screen)
    assert process.wait(30) == 0
    assert "SCRIPT FLUSH" in shown
    assert "\x1b[2K" in shown
    assert "Nothing was lost" in shown.rpartition("\x1b")[2]
    assert list(scratch.iterdir()) == []


def _read_to_end(screen: int) -> str:
    data = b""
    try:
        while part := os.read(screen, 65536):
            data += part
    except OSError:  # Linux tells so that nobody has the terminal any more
        pass
    os.close(screen)
    return data.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_nothing_is_left(environment: Mapping[str, str], scratch: Path, tmp_path: Path, number: int) -> None:
    """Given chaos under way, if it gets SIGTERM, then it ends within seconds, and server, processes and files are gone."""
    command = [sys.executable, "-u", "-c", TASKQ, "chaos", "--seconds", "60", "--faults", "child,freeze-short"]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as lines:
        wait_until(lambda: "runs" in lines.readline(), timeout=30)
        process.send_signal(number)
        rest = lines.read()
    assert process.wait(20) == 128 + number
    assert "Stopped. Server and data of the chaos are removed." in rest
    assert "\nlost      0; not run: " in rest
    assert list(scratch.iterdir()) == []
