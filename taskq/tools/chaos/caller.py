"""The process that waits for answers: it pushes jobs whose results are kept, and reads what generator jobs yield, through every fault."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from taskq.clock import monotonic
from taskq.errors import PushError, PushOutcomeUnknown, ServerUnavailable, StreamRestarted, TaskqError
from taskq.handle.handle import Handle
from taskq.supervisor.processes.fork import die_with_parent, fork
from taskq.tools.chaos.app import App
from taskq.tools.chaos.ledger import FIRST_ASKED, note

__all__ = ["Caller"]

_THREADS = 4
_PARTS = 8


class Caller:
    """The process as seen by who started it."""

    def __init__(self, apps: Sequence[App], ledger: Path, seed: int) -> None:
        self._process: Any = fork(_live, apps, ledger, seed, os.getpid())

    def stop(self) -> None:
        """Stop pushing."""
        self._process.terminate()

    def join(self, seconds: float) -> int | None:
        """Wait until nothing is awaited any more. Returns its exit code; None when it still waits, and has been killed for that."""
        deadline = monotonic() + seconds
        while (code := self._process.exitcode) is None and monotonic() < deadline:
            time.sleep(0.02)
        if code is None:
            self._process.kill()
            self._process.join()
            return None
        return int(code)


def _live(apps: Sequence[App], ledger: Path, seed: int, parent: int) -> None:
    os.setsid()
    die_with_parent(parent)
    log = os.open(ledger.with_name("caller.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 2)
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    threads = [
        threading.Thread(target=_Caller(apps[index % len(apps)], str(ledger), seed, index).run, args=(stopping,), daemon=True)
        for index in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class _Caller:
    """One thread: pushes a job, waits for its answer, and notes whether it was right."""

    def __init__(self, app: App, ledger: str, seed: int, index: int) -> None:
        self._app = app
        self._ledger = ledger
        self._number = FIRST_ASKED + index
        self._random = random.Random(f"{seed} asker {index}")

    def run(self, stopping: threading.Event) -> None:
        while not stopping.wait(self._random.uniform(0.02, 0.2)):
            number, self._number = self._number, self._number + _THREADS
            failures = self._random.choice([0, 0, 0, 1])
            is_stream = self._random.random() < 0.4
            job = self._app.parts if is_stream else self._app.answer
            try:
                handle = job.push(self._ledger, number, self._random.uniform(0, 0.05), failures)
            except (PushError, PushOutcomeUnknown, ServerUnavailable):
                continue  # the pushers record the outcome of a push
            note(self._ledger, "asked", number)
            note(self._ledger, "told", number, self._read(handle) if is_stream else self._wait(handle, number))

    def _wait(self, handle: Handle[Any], number: int) -> str:
        while True:
            try:
                found = handle.result()
            except ServerUnavailable:
                continue
            except TaskqError as error:
                return type(error).__name__
            return "right" if found == number else "wrong"

    @staticmethod
    def _read(handle: Handle[Any]) -> str:
        found: list[int] = []
        stream = handle.stream()
        while True:
            try:
                found.extend(stream)
            except StreamRestarted:
                found.clear()
            except ServerUnavailable:
                continue
            except TaskqError as error:
                return type(error).__name__
            else:
                return "right" if found == list(range(_PARTS)) else "wrong"
