"""Real workers: `taskq worker` as a process of its own, with its log, its children, and a way to end it for sure."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.support.processes import is_alive
from tests.support.wait import wait_until

__all__ = ["ROOT", "WorkerProcess", "WorkerSpec", "clean_environment", "is_worker", "setting_variables"]

ROOT = Path(__file__).resolve().parents[2]
_TASKQ = [sys.executable, "-c", "from taskq.cli import main; main()"]


def clean_environment() -> dict[str, str]:
    """Return this process's environment without settings of taskq, and with taskq and the tests on the import path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TASKQ_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def setting_variables(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as variables: {"lease": 1} is of the channel default, {"bulk.lease": 1} of the channel bulk."""
    variables = {}
    for name, value in settings.items():
        channel, _, key = name.rpartition(".")
        text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        variables[f"TASKQ_CHANNELS__{(channel or 'default').upper()}__{key.upper()}"] = text
    return variables


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """What a worker is started with."""

    app: str
    url: str
    log: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    args: Sequence[str] = ()
    cwd: Path = ROOT
    #: The beginning of its command: it must end in an exec.
    prefix: Sequence[str] = ()
    #: The descriptors of its standard output and error; None: the log.
    stdout: int | None = None
    stderr: int | None = None


class WorkerProcess:
    """One worker. Use it through the fixture `start_worker`, which ends it."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        #: A killed supervisor leaves its keys to the next one.
        self.was_killed = False
        env = {**clean_environment(), "TASKQ_URL": spec.url, **setting_variables(spec.settings), **spec.env}
        if spec.cwd != ROOT:  # a module that the test rewrites within a second would be taken from its old bytecode
            env["PYTHONDONTWRITEBYTECODE"] = "1"
        with spec.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*spec.prefix, *_TASKQ, "worker", *filter(None, [spec.app]), *spec.args],
                cwd=spec.cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log if spec.stdout is None else spec.stdout,
                stderr=log if spec.stderr is None else spec.stderr,
            )

    @property
    def pid(self) -> int:
        """The supervisor."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    @property
    def log(self) -> str:
        """Everything it has written so far."""
        return self.spec.log.read_text(encoding="utf-8", errors="replace")

    def wait_for_log(self, pattern: str, *, count: int = 1, timeout: float = 30.0) -> None:
        """Wait until the log has so many places that fit a regular expression."""
        try:
            wait_until(lambda: len(re.findall(pattern, self.log)) >= count, timeout=timeout, what=f"{pattern!r} in the log")
        except AssertionError as error:
            raise AssertionError(f"{error}; the log:\n{self.log}") from None

    def zygote(self) -> psutil.Process:
        """Return the process that imports the app."""
        return wait_until(lambda: psutil.Process(self.pid).children())[-1]

    def family(self) -> list[psutil.Process]:
        """Return all processes of the worker but the supervisor."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def children(self, title: str = "taskq: default") -> list[int]:
        """Return the ids of the processes that run jobs of a channel."""
        return [process.pid for process in self.family() if _title(process.pid) == title]

    def workers(self) -> list[int]:
        """Return the ids of all processes that run jobs and have their title."""
        return [process.pid for process in self.family() if is_worker(process.pid)]

    def signal(self, number: int) -> None:
        """Send a signal to the supervisor."""
        self._process.send_signal(number)

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for its end, and return the exit code."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker still runs after {timeout:g} s; its log:\n{self.log}") from None

    def stop(self, timeout: float = 30.0) -> int:
        """End it in good order with SIGTERM, and return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def hurry(self, number: int) -> None:
        """Send a second stop signal, once it no longer counts as the same request, unless the worker has exited by then."""
        began = time.monotonic()
        wait_until(lambda: self.code is not None or time.monotonic() - began > 0.5)
        self.signal(number)

    def kill(self) -> None:
        """Kill the supervisor, and wait until all its processes are gone."""
        self.was_killed = True
        family = [process.pid for process in self.family()]
        self.signal(signal.SIGKILL)
        self.wait()
        wait_until(lambda: not any(map(is_alive, family)), what="the children of a killed supervisor to end")

    def close(self) -> None:
        """End it in whatever way it takes."""
        if self.code is None:
            self.signal(signal.SIGTERM)
            self.hurry(signal.SIGINT)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()


def is_worker(pid: int) -> bool:
    """Return whether a process has the title of one that runs jobs."""
    title = _title(pid)
    return title.startswith("taskq: ") and not title.startswith(("taskq: zygote", "taskq: listeners", "taskq: supervisor"))


def _title(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline()).strip()
    except psutil.Error:
        return ""
