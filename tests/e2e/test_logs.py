"""The worker's log: text, JSON, and hints for newcomers."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest

from taskq import Queue
from tests.conftest import OwnServer
from tests.e2e.apps import basic, outcomes
from tests.e2e.conftest import StartWorker

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (DEBUG|INFO|WARNING|ERROR) +\[\d+\] .+")


def test_the_start_is_logged(start_worker: StartWorker) -> None:
    """Given a worker that starts, then its log names the server, the channels with their processes, and the jobs."""
    worker = start_worker("shops", "--burst", ready=0)
    assert worker.wait() == 0
    assert re.search(r"taskq worker on Valkey 9\.\d+\.\d+ at unix://", worker.log)
    assert "channel bulk: 2 processes, keys {bulk-prefix}, 2 attempts, retry after 0.05 s" in worker.log
    assert "channel default: 1 process, keys {queue}, 3 attempts, retry after 0.02 s" in worker.log
    assert "3 jobs: tests.e2e.apps.shops:bulk, tests.e2e.apps.shops:elsewhere, tests.e2e.apps.shops:work" in worker.log


def test_text_has_one_line_per_record(start_worker: StartWorker) -> None:
    """Given the default format, then each line has time, level and process, and no line is for a single job."""
    basic.add.push_many([(number,) for number in range(20)])
    worker = start_worker("basic", "--burst", ready=0)
    assert worker.wait() == 0
    lines = worker.log.splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    assert len(lines) < 20


def test_debug_logs_every_job(start_worker: StartWorker) -> None:
    """Given DEBUG, then each job has a line with its id, its outcome and its duration."""
    handles = basic.add.push_many([(number,) for number in range(3)])
    worker = start_worker("basic", "--burst", "--log-level", "debug", ready=0)
    assert worker.wait() == 0
    for handle in handles:
        assert re.search(rf"DEBUG .*{handle.id}.*: ack in \d+\.\d ms", worker.log)


def test_only_errors(start_worker: StartWorker) -> None:
    """Given ERROR, then only a failure is logged."""
    outcomes.fail.options(max_attempts=1).push("no")
    worker = start_worker("outcomes", "--burst", "--log-level", "ERROR", ready=0)
    assert worker.wait() == 1
    assert "ValueError: no" in worker.log
    assert "INFO" not in worker.log


def test_json_has_one_object_per_line(start_worker: StartWorker) -> None:
    """Given the format json, then every line is an object with time, level, logger, process and message, tracebacks inside."""
    outcomes.fail.options(max_attempts=1).push("no")
    outcomes.broken_twice.push()
    worker = start_worker("outcomes", "--burst", "--log-format", "json", ready=0)
    assert worker.wait() == 1
    records = [json.loads(line) for line in worker.log.splitlines()]
    assert all({"time", "level", "logger", "process", "message"} <= set(record) for record in records)
    assert {record["level"] for record in records} >= {"info", "error"}
    (broken,) = [record for record in records if "broken_twice" in record["message"] and "on_fail" in record["message"]]
    assert "RuntimeError: on_fail is broken too" in broken["traceback"]


def test_threads_at_the_import_cause_a_warning(start_worker: StartWorker, tmp_path: Path) -> None:
    """Given an app that starts a thread while it is imported, then the log warns of the effect of a fork."""
    code = "import threading, taskq\nqueue = taskq.Queue()\n"
    code += "threading.Thread(target=threading.Event().wait, daemon=True, name='audit').start()\n"
    (tmp_path / "threaded.py").write_text(code)
    worker = start_worker("threaded", "--burst", cwd=tmp_path, ready=0)
    assert worker.wait() == 0
    assert re.search(r"WARNING .*started 1 thread \(audit\)\. Forked", worker.log)


APP = """
import logging, logging.config, taskq
logging.config.dictConfig({"version": 1, "root": {"level": "INFO"}})
logging.basicConfig(filename="app.log")
queue = taskq.Queue()

@queue.job(max_attempts=1)
def fail():
    logging.config.dictConfig({"version": 1})
    logging.getLogger("shop").info("paid", extra={"order": 42})
    raise ValueError("no")
"""


def push_to(url: str) -> None:
    with contextlib.closing(Queue(url)) as queue:

        @queue.job(name="configuring:fail")
        def fail() -> None: ...

        fail.push()


@pytest.mark.one_python
def test_no_configuration_of_the_app_mutes_a_failure(start_worker: StartWorker, url: str, tmp_path: Path) -> None:
    """Given an app that configures logging at its import, and again in a job, then the failure is logged, with a replaced handler named."""
    (tmp_path / "configuring.py").write_text(APP)
    push_to(url)
    worker = start_worker("configuring", "--burst", "--log-format", "json", cwd=tmp_path, ready=0)
    assert worker.wait() == 1
    records = [json.loads(line) for line in worker.log.splitlines()]
    (failure,) = [record for record in records if "failed in attempt" in record["message"]]
    assert failure["traceback"].endswith("ValueError: no")
    (replaced,) = [record["message"] for record in records if "were replaced" in record["message"]]
    assert "app.log" in replaced
    assert [record["order"] for record in records if record["logger"] == "shop"] == [42]


@pytest.mark.one_python
def test_an_app_keeps_its_handlers(start_worker: StartWorker, url: str, tmp_path: Path) -> None:
    """Given --keep-logging, then the lines of the worker processes are in the file of the app, and those of the supervisor in the log."""
    (tmp_path / "configuring.py").write_text(APP.replace('    logging.config.dictConfig({"version": 1})\n', ""))
    push_to(url)
    worker = start_worker("configuring", "--burst", "--keep-logging", cwd=tmp_path, ready=0)
    assert worker.wait() == 1
    text = (tmp_path / "app.log").read_text()
    assert text.startswith("INFO:shop:paid\nERROR:taskq.worker:configuring:fail ")
    assert text.endswith("ValueError: no\n")
    assert "failed in attempt" not in worker.log
    assert "taskq worker on" in worker.log


def test_a_password_is_never_shown(own_server: OwnServer, start_worker: StartWorker) -> None:
    """Given a server URL with a password, then the log shows the server without it."""
    url = own_server(requirepass="open-sesame").url
    worker = start_worker("basic", "--burst", "--url", url, ready=0)
    assert worker.wait() == 0
    assert "taskq worker on Valkey" in worker.log
    assert "open-sesame" not in worker.log
