"""dev: a worker that loads changed code."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from taskq import Queue
from taskq.cli.dev import embedded_server
from taskq.config import load_settings
from taskq.driver.embedded.server import EmbeddedServer
from tests.cli.conftest import TASKQ
from tests.support.wait import wait_until
from tests.support.worker import clean_environment

pytestmark = pytest.mark.one_python

CODE = """
import time, taskq

queue = taskq.Queue()

@queue.job
def show():
    print("version {version}")

@queue.job(max_attempts=2, retry_seconds=0.01)
def bad():
    raise ValueError("broken")

@queue.job
def hold():
    time.sleep(60)
"""


class Dev:
    """`taskq dev` in a folder."""

    def __init__(self, folder: Path, *args: str) -> None:
        self.folder = folder
        self._log = folder / "out.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*TASKQ, "dev", *args], cwd=folder, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_for(self, pattern: str, count: int = 1) -> None:
        try:
            wait_until(lambda: len(re.findall(pattern, self.log)) >= count, timeout=30, what=pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}; the log:\n{self.log}") from None

    def write(self, version: str) -> None:
        (self.folder / "shop.py").write_text(CODE.format(version=version))

    def push(self, job: str) -> None:
        queue = Queue(EmbeddedServer(self.folder / ".taskq").url)
        queue.push_name(f"shop:{job}")
        queue.close()


def test_changed_code_is_loaded_and_jobs_are_shown(tmp_path: Path) -> None:
    """Given code that is broken, fixed and changed, then it is loaded or refused; jobs are shown and interrupted; Ctrl-C leaves nothing."""
    (tmp_path / "taskq.toml").write_text('app = "shop:queue"\n')
    (tmp_path / "shop.py").write_text("def broken(:\n")
    dev = Dev(tmp_path, "--now")
    try:
        dev.wait_for(r"it is started again when a file changes")
        assert "SyntaxError" in dev.log
        dev.write("one")
        dev.wait_for(r"3 jobs: shop:bad, shop:hold, shop:show")
        dev.push("bad")
        dev.wait_for(r"failed  shop:bad \w{12} in [\d.]+ ms, attempt 2 of 2\nTraceback .*\n  File \"\S+/shop.py\", line 12, in bad\n")
        assert "\x1b" not in dev.log
        dev.write("two")
        dev.wait_for(r"rolling restart finished")
        dev.push("show")
        dev.wait_for(r"start   shop:show \w{12}\nversion two\n.*done    shop:show \w{12} in [\d.]+ ms")
        (tmp_path / "shop.py").write_text("def broken(:\n")
        dev.wait_for(r"keeping the old code: .*SyntaxError")
        dev.push("hold")
        dev.wait_for(r"start   shop:hold")
        dev.write("three")
        dev.wait_for(r"killed by a reload; shop:hold \w+ will run again")
        dev.wait_for(r"start   shop:hold", 2)
        (tmp_path / "taskq.toml").write_text('app = "other:queue"\n[channels.default]\nlease = 3\n')
        dev.wait_for(r"setting app has changed: restart taskq dev")
        dev.wait_for(r"changed lease; restart the worker")
        family = [dev.process, *psutil.Process(dev.process.pid).children(recursive=True)]
        assert len(family) >= 4
        dev.process.send_signal(signal.SIGINT)
        dev.wait_for("stopping: SIGINT")
        began = time.monotonic()  # a second one within half a second would be the same request
        wait_until(lambda: time.monotonic() - began > 0.6)
        dev.process.send_signal(signal.SIGINT)
        assert dev.process.wait(30) == 0, dev.log
        assert not any(psutil.pid_exists(one.pid) for one in family)
        assert not EmbeddedServer(tmp_path / ".taskq").status().running
    finally:
        dev.process.kill()
        dev.process.wait()
        EmbeddedServer(tmp_path / ".taskq").stop()


def test_an_import_that_hangs_is_replaced_by_the_next_change(tmp_path: Path) -> None:
    """Given code whose import never ends, at the start and later, then the next saved version is loaded."""
    (tmp_path / "taskq.toml").write_text('app = "shop:queue"\n')
    hanging = "print('the import hangs', flush=True)\nimport time\ntime.sleep(1000)\n"
    (tmp_path / "shop.py").write_text(hanging)
    dev = Dev(tmp_path)
    try:
        dev.wait_for("the import hangs")
        dev.write("one")
        dev.wait_for("ending the import that was under way")
        dev.wait_for("3 jobs: shop:bad")
        (tmp_path / "shop.py").write_text(hanging)
        dev.wait_for("the import hangs", 2)
        dev.write("two")
        dev.wait_for("rolling restart: app reloaded")
        dev.push("show")
        dev.wait_for("version two")
        family = psutil.Process(dev.process.pid).children(recursive=True)
        dev.process.send_signal(signal.SIGINT)
        assert dev.process.wait(30) == 0, dev.log
        assert not any(psutil.pid_exists(one.pid) for one in family)
    finally:
        dev.process.kill()
        dev.process.wait()
        EmbeddedServer(tmp_path / ".taskq").stop()


def test_a_server_that_ran_before_stays(tmp_path: Path, url: str) -> None:
    """Given a running embedded server, then it keeps running; one that was started meanwhile is stopped; with a URL, there is none."""
    settings = load_settings({"directory": str(tmp_path)}, environ={})
    server, said = EmbeddedServer(tmp_path / ".taskq"), list[str]()
    with embedded_server(settings, said.append):
        server.ensure()
    assert not server.status().running
    server.ensure()
    with embedded_server(settings, said.append):
        pass
    assert server.status().running
    assert server.stop()
    assert said == ["the embedded server is stopped; its data stays"]
    with embedded_server(load_settings({"directory": str(tmp_path), "url": url}, environ={}), said.append):
        server.ensure()
    assert server.stop()
