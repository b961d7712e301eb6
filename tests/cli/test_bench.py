"""`taskq bench`: small runs with every measure, what it refuses, and that nothing stays behind however it ends."""

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

from taskq.tools.bench.cases import ALL
from tests.cli.conftest import Type
from tests.support.processes import offspring
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker import clean_environment

TASKQ = "from taskq.cli import main; main()"
Bench = Callable[..., subprocess.CompletedProcess[str]]
#: Every line of a whole run.
LINES = {"push", "push_many", "drain", "latency", "lateness", "memory_waiting", "memory_delayed", "cpu_worker", "cpu_server"}


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where the bench makes its scratch directory. pytest's own is too long for a Unix socket."""
    place = Path(tempfile.mkdtemp(prefix="tq-"))
    yield place
    shutil.rmtree(place)


@pytest.fixture
def environment(scratch: Path) -> dict[str, str]:
    """What the bench is started with. Settings of the user's channels must change nothing."""
    settings = {"TASKQ_CHANNELS__DEFAULT__PROCESSES": "7", "TASKQ_SERIALIZER": "json", "TASKQ_SECRET": "hush"}
    return {**clean_environment(), **settings, "TMPDIR": str(scratch), "COLUMNS": "160"}


@pytest.fixture
def bench(environment: Mapping[str, str], tmp_path: Path) -> Bench:
    """Runs `taskq bench` without a terminal. `code` is Python that is run before."""

    def run(*args: str, code: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", f"{code}\n{TASKQ}", "bench", *args]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    return run


def test_every_measure_is_taken_and_nothing_is_left(bench: Bench, server: ServerProcess, scratch: Path) -> None:
    """Given a server of somebody's, then one document has every figure, each plausible, and no key but theirs is left."""
    server.admin.set("mine", "1")
    done = bench("--jobs", "200", "--processes", "1", "--rounds", "2", "--url", server.url, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    next_report = json.loads(done.stdout)
    assert next_report["server"].startswith("Valkey ")
    assert (next_report["url"], next_report["serializer"], next_report["signed"]) == (server.url, "json", True)
    assert [next_report[name] for name in ("jobs", "rounds", "processes", "payload")] == [200, 2, 1, 10]
    measures = next_report["measures"]
    assert set(measures) == LINES
    for name, one in measures.items():
        # The server counts in milliseconds: what is due may start within the one before.
        assert one["median"] > (-1 if name == "lateness" else 0), name
        assert one["low"] <= one["median"] <= one["high"], name
    assert {name: measures[name]["samples"] for name in ("push", "push_many", "drain", "latency", "lateness")} == {
        **dict.fromkeys(("push", "push_many", "drain"), 2),
        **dict.fromkeys(("latency", "lateness"), 5),
    }
    cases = next_report["cases"]
    assert list(cases) == list(ALL)
    for name, both in cases.items():
        for who, cost in both.items():
            # So little work may take less than a tick of the clock that the server counts its processor time by.
            found = [(cost[part]["samples"], cost[part]["median"] > 0 or part == "server") for part in ("rate", "cpu", "server")]
            assert found == [(2, True)] * 3, (name, who)
    assert server.admin.keys("*") == [b"mine"]
    assert list(scratch.iterdir()) == []


def test_a_payload_weighs_what_it_is(type_here: Type, url: str) -> None:
    """Given a payload of 1,000 bytes, then a message takes about so much more than with 10."""
    small, large = (
        json.loads(type_here("bench", "--jobs", "100", "--payload", size, "--only", "memory", "--url", url, "--json").out)["measures"]
        for size in ("10", "1000")
    )
    assert set(small) == {"memory_waiting", "memory_delayed"}
    for state in small:
        assert large[state]["median"] - small[state]["median"] >= 900  # what else the server keeps weighs in, too


def test_without_a_server_it_brings_its_own(bench: Bench, scratch: Path, tmp_path: Path) -> None:
    """Given no URL, then the bench starts a server for itself, says so in words and a table, and leaves neither process nor file."""
    before = offspring()
    done = bench("--jobs", "50", "--rounds", "1", "--processes", "1", "--only", "drain, latency")
    assert (done.returncode, done.stderr) == (0, "")
    assert "(embedded, for this benchmark only)\n50 jobs a round, 1 round, 10 bytes of payload, 1 process\n" in done.stdout
    assert re.search(r"^MEASURE +MEDIAN +P99 +LOWEST +HIGHEST +UNIT +SAMPLES +DESCRIPTION", done.stdout, re.MULTILINE)
    assert re.findall(r"^(\w+) +[\d.,]+ .* (jobs/s|ms) +(\d+)  ", done.stdout, re.MULTILINE) == [
        ("drain", "jobs/s", "1"),
        ("latency", "ms", "5"),
    ]
    assert "\x1b" not in done.stdout
    assert (list(scratch.iterdir()), list(tmp_path.iterdir())) == ([], [])
    assert offspring() <= before


def test_missing_figures_of_a_server_are_left_out(bench: Bench, server: ServerProcess) -> None:
    """Given a user who may not ask for sizes and processor time, then those figures say why they are missing, and the rest is there."""
    server.admin.execute_command(
        "ACL", "SETUSER", "worker", "on", ">pass", "~taskq-bench-*", "~{taskq-bench-*", "&*", "+@all", "-memory", "-info"
    )
    try:
        url = f"unix://worker:pass@{server.socket}"
        done = bench("--jobs", "20", "--rounds", "1", "--processes", "1", "--only", "memory,cpu,bulk", "--url", url)
    finally:
        server.admin.execute_command("ACL", "DELUSER", "worker")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "pass" not in done.stdout
    assert "a server of unknown version" in done.stdout
    assert re.search(r"^memory_waiting is missing: .*rejected the MEMORY command: .*no permissions", done.stdout, re.MULTILINE)
    assert "\ncpu_server is missing: not reported here\n" in done.stdout
    assert re.search(r"^cpu_worker +[\d.]+ .*µs/job", done.stdout, re.MULTILINE)
    assert re.search(r"^bulk +[\d.,]+ +[\d.]+ +- +[\d.,]+ +[\d.]+ +-  push_many", done.stdout, re.MULTILINE)


# ---- what it refuses


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--jobs", "9"], "9 is not in the range"),
        (["--processes", "0"], "0 is not in the range"),
        (["--payload", "-1"], "-1 is not in the range"),
        (["--rounds", "x"], "'x' is not a valid integer"),
        (["--only", "drian"], "no measure 'drian'; did you mean \"drain\"?"),
        (["--only", ","], "must have at least one of push, push_many"),
        (
            ["--jobs", "10000000", "--payload", "1000"],
            "would use about 54.2 GiB of the server's memory; the maximum is 2.0 GiB",
        ),
        (["--url", "http://localhost"], "unknown scheme 'http'"),
        (["--url", "redis://127.0.0.1:1/0"], "127.0.0.1:1"),
    ],
)
def test_what_cant_be_done_is_reported(type_here: Type, scratch: Path, args: list[str], text: str) -> None:
    """Given a number, a measure or a server that can't be, then a line says so, the exit code is 2, and nothing is left."""
    done = type_here("bench", *args)
    assert (done.code, text in done.err) == (2, True), done.err
    assert (done.out, "Traceback" in done.err) == ("", False)
    assert list(scratch.iterdir()) == []


def test_a_worker_that_cant_start_is_reported(bench: Bench, server: ServerProcess, scratch: Path) -> None:
    """Given a worker that ends at once, then its log is shown, the exit code is 2, and nothing is left."""
    code = "import taskq.tools.scratch.worker as worker\nworker.set_up_logging = None"
    done = bench("--jobs", "20", "--url", server.url, code=code)
    assert done.returncode == 2
    assert "the benchmark's worker has ended. Worker log:" in done.stderr
    assert "'NoneType' object is not callable" in done.stderr
    assert (server.admin.keys("*"), list(scratch.iterdir())) == ([], [])


@pytest.mark.parametrize("measure", ["drain", "noop"])
def test_jobs_that_fail_are_reported(bench: Bench, server: ServerProcess, measure: str) -> None:
    """Given jobs that fail, then no figure is made of them, and none of their messages is left."""
    code = "import taskq.tools.bench.app as app\ndef nothing(payload): raise ValueError(payload)\napp.nothing.__code__ = nothing.__code__"
    code += "\nimport taskq.tools.bench.compare as compare\ncompare.bare.bare_drain = print"  # the bare loop would end at the first
    done = bench("--jobs", "10", "--rounds", "1", "--processes", "1", "--only", measure, "--url", server.url, code=code)
    assert done.returncode == 2, done.stdout
    wanted = {"drain": "10 no-op benchmark jobs failed. Worker log:", "noop": "10 of 10 jobs of the case noop failed. Worker log:"}
    assert wanted[measure] in done.stderr
    assert server.admin.keys("*") == []


# ---- how it ends early


@pytest.mark.parametrize(("number", "measure"), [(signal.SIGINT, "drain"), (signal.SIGTERM, "noop"), (signal.SIGHUP, "drain")])
def test_a_stop_removes_everything(
    environment: Mapping[str, str], server: ServerProcess, scratch: Path, tmp_path: Path, number: signal.Signals, measure: str
) -> None:
    """Given a bench at work, when it is told to stop, then it says so, ends with the signal's code, and leaves no process, key and file."""
    before = offspring()
    # Slow jobs, so that it doesn't end before: their messages are on shelves, in waiting and reserved.
    slow = "import taskq.tools.bench.app as app\ndef nothing(payload): __import__('time').sleep(0.2)"
    code = f"{slow}\napp.nothing.__code__ = nothing.__code__\n{TASKQ}"
    options = ["--only", measure, "--jobs", "1000", "--rounds", "2", "--processes", "1"]
    command = [sys.executable, "-c", code, "bench", *options, "--url", server.url]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: any(b":reserved:" in key for key in server.admin.keys("*")), timeout=30, what="a worker that has messages")
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (128 + number, "")
    assert "Stopped. The bench's worker and messages are removed." in out
    assert (server.admin.keys("*"), list(scratch.iterdir())) == ([], [])
    assert offspring() <= before


# ---- on a terminal


def test_on_a_terminal_there_is_a_bar(environment: Mapping[str, str], server: ServerProcess, tmp_path: Path) -> None:
    """Given a terminal, then a bar shows each measure and how far it is, and the table stays."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        args = ["bench", "--jobs", "2000", "--rounds", "1", "--only", "push,memory", "--url", server.url]
        os.execve(sys.executable, [sys.executable, "-c", TASKQ, *args], {**environment, "TERM": "xterm-256color"})
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
    assert re.search(r"push +[━╸╺ ]+ \d+/200", seen)
    assert re.search(r"memory_waiting +[\d.]+ .*bytes/job +1  memory of the server", seen)
