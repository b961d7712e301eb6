"""The process that starts the worker, and reloads it when files have changed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from taskq.clock import monotonic
from taskq.logs import count_of
from taskq.polling import wait_for
from taskq.supervisor.processes.fork import Connection, die_with_parent, fork, make_pipe
from taskq.supervisor.signals import STOP_SIGNALS, SignalInbox
from taskq.tools.dev.files import SETTINGS_FILES, Files, Pending, forget_compiled
from taskq.tools.dev.watch import watch

__all__ = ["Dev"]

#: Seconds between two checks of the worker.
_LOOK = 0.1
_SHOWN = 3


class Dev:
    """A worker process group and the watcher of the files, until Ctrl-C."""

    def __init__(
        self, run: Callable[[], int], files: Files, *, poll: bool, show: Callable[[str], None], on_settings: Callable[[], object]
    ) -> None:
        """Prepare the processes; nothing is started yet.

        Args:
            run: runs the worker, and returns its exit code. Called in a process that ends with this one.
            files: the files to watch.
            poll: scan the files repeatedly instead of waiting for events of the system.
            show: shows a line to the user.
            on_settings: called when a settings file has changed.
        """
        self._run = run
        self._files = files
        self._poll = poll
        self._show = show
        self._on_settings = on_settings
        self._worker: Any = None
        self._pending = Pending()
        #: True if files have changed since the worker was started.
        self._is_outdated = False
        self._is_stopping = False

    def run(self) -> int:
        """Run until Ctrl-C, SIGTERM, or a shutdown of the worker; return its exit code."""
        self._inbox = SignalInbox()
        here, there = make_pipe()
        watcher = fork(self._watch, here, there, os.getpid())
        there.close()
        try:
            self._receive(here)  # from now on, no change is missed
            self._start()
            return self._loop(here)
        finally:
            watcher.kill()
            watcher.join(5.0)
            if self._worker is not None:
                self._worker.kill()
                self._worker.join(5.0)
            here.close()
            self._inbox.close()

    def _loop(self, changes: Connection) -> int:
        watched: list[Any] = [self._inbox, changes]
        while True:
            ready = wait_for(watched, _LOOK)
            if self._inbox in ready:
                for number in self._inbox.take():
                    self._on_signal(number)
            if changes in ready and not self._receive(changes):
                watched.remove(changes)
                self._show("the process that watches the files has exited; restart taskq dev to load changed code")
            if paths := self._pending.take(monotonic()):
                self._reload(paths)
            worker = self._worker
            if worker is None:
                if self._is_stopping:
                    return 0
            elif (code := worker.exitcode) is not None:
                worker.close()
                self._worker = None
                if code == 0 or self._is_stopping:
                    return int(code)
                self._on_failure(int(code))

    def _on_signal(self, number: signal.Signals) -> None:
        if number in STOP_SIGNALS or (number is signal.SIGHUP and self._inbox.has_lost_terminal()):
            self._is_stopping = True
            self._send(number if number in STOP_SIGNALS else signal.SIGTERM)
        else:
            self._send(number)

    def _send(self, number: signal.Signals) -> None:
        if self._worker is not None and self._worker.exitcode is None:
            os.kill(self._worker.pid, number)

    # ---- changes

    def _receive(self, changes: Connection) -> bool:
        """Note the changed files. Return False if the watcher has died."""
        try:
            received = changes.recv()
        except (EOFError, OSError):
            return False
        if isinstance(received, str):
            self._show(received)
        elif received:
            self._pending.add(received, monotonic())
        return True

    def _reload(self, paths: list[str]) -> None:
        names = sorted({os.path.basename(path) for path in paths})
        more = f" and {count_of(len(names) - _SHOWN, 'more file')}" if len(names) > _SHOWN else ""
        self._show(f"{', '.join(names[:_SHOWN])}{more} changed")
        if self._is_stopping:
            return
        if any(name in SETTINGS_FILES for name in names):
            self._on_settings()
        forget_compiled(paths)
        if self._worker is None:
            self._start()
        else:
            self._is_outdated = True
            self._send(signal.SIGHUP)

    # ---- the worker

    def _start(self) -> None:
        self._is_outdated = False
        # The signal must wait until the worker has its handler.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        try:
            self._worker = fork(self._work, os.getpid())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _on_failure(self, code: int) -> None:
        if self._is_outdated:  # the changed file may have fixed the error
            self._start()
        else:
            self._show(f"the worker has exited with code {code}; it is started again when a file changes")

    # ---- in the forked processes

    def _work(self, parent: int) -> None:
        os.setsid()  # Ctrl-C at the terminal must reach the parent only
        die_with_parent(parent)
        self._inbox.close()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        sys.exit(self._run())

    def _watch(self, here: Connection, there: Connection, parent: int) -> None:
        here.close()
        self._inbox.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        watch(there, parent, self._files, poll=self._poll)
