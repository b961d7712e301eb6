"""Fixtures of the tests with real workers: every one is ended, and leaves no key behind when it ended in good order."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from taskq import Queue
from tests.support.ledger import LEDGER, Ledger
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until
from tests.support.worker import ROOT, WorkerProcess, WorkerSpec, is_worker

APPS = "tests.e2e.apps."


class StartWorker(Protocol):
    """Starts a worker of an app in tests/e2e/apps (or of any, with `cwd`), and waits until its children are there."""

    def __call__(
        self,
        app: str,
        *args: str,
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        ready: int = 1,
        stdout: int | None = None,
        stderr: int | None = None,
        prefix: Sequence[str] = (),
    ) -> WorkerProcess: ...


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The file that jobs write into."""
    path = tmp_path / "ledger"
    monkeypatch.setenv(LEDGER, str(path))
    return Ledger(path)


@pytest.fixture
def store(server: ServerProcess) -> Store:
    """The keys of the channel `default`."""
    return Store(server)


@pytest.fixture(autouse=True)
def app_queues(url: str) -> Iterator[list[Queue]]:
    """Let the apps' own queues push to the test's server."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith(APPS)]
    queues = [value for module in modules for value in vars(module).values() if isinstance(value, Queue)]
    for queue in queues:
        queue.use_url(url, "the test")
    yield queues
    for queue in queues:
        queue.close()


@pytest.fixture
def start_worker(store: Store, url: str, ledger: Ledger, tmp_path: Path) -> Iterator[StartWorker]:
    """A factory of workers. `ready` children are waited for, 0 for none."""
    workers: list[WorkerProcess] = []

    def start(
        app: str,
        *args: str,
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        ready: int = 1,
        stdout: int | None = None,
        stderr: int | None = None,
        prefix: Sequence[str] = (),
    ) -> WorkerProcess:
        name = APPS + app if cwd == ROOT else app  # "": the one of the settings
        log = tmp_path / f"worker{len(workers)}.log"
        spec = WorkerSpec(
            app=name,
            url=url,
            log=log,
            settings=settings or {},
            env=env or {},
            args=args,
            cwd=cwd,
            prefix=prefix,
            stdout=stdout,
            stderr=stderr,
        )
        worker = WorkerProcess(spec)
        workers.append(worker)
        if ready:
            wait_until(lambda: _living(store, worker) >= ready, timeout=60.0, what=f"{ready} children")
        return worker

    yield start
    for worker in workers:
        worker.close()
    if not any(worker.was_killed for worker in workers):
        assert store.leaks() == []


def _living(store: Store, worker: WorkerProcess) -> int:
    assert worker.code is None, f"the worker ended with {worker.code}; its log:\n{worker.log}"
    known = [int(reported["pid"]) for reported in store.workers().values() if reported.get("supervisor") == str(worker.pid)]
    return sum(is_worker(pid) for pid in known if pid)


def run_burst(
    start: StartWorker, app: str, *args: str, settings: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None
) -> int:
    """Work off what there is, and return the exit code."""
    return start(app, "--burst", *args, settings=settings, env=env, ready=0).wait()
