"""The process that runs the listeners of worker-wide events."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable
from typing import Any

import msgspec

from taskq import events
from taskq.polling import write_within
from taskq.supervisor.processes.child import Death
from taskq.supervisor.processes.fork import fork

__all__ = ["Listeners"]

_log = logging.getLogger("taskq.zygote")
#: Seconds that the listeners get for the last event.
_LAST_SECONDS = 1.0
_KINDS: dict[str, Any] = {"crashed": events.CrashEvent, "queue_length": events.QueueLength}


class Listeners:
    """The listener process, as its zygote sees it. If it has died, the next event starts another."""

    def __init__(self, detach: Callable[[int, str], None]) -> None:
        """`detach` makes a forked process independent of the zygote. It gets the zygote's process id, and the title of the process."""
        self._detach = detach
        self._process: Any = None
        self._pipe = -1
        #: The bytes of an event that the pipe had no room for.
        self._rest = b""

    def start(self) -> None:
        """Fork the process. If that fails, the next event tries again."""
        pipe: tuple[int, ...] = ()
        try:
            pipe = read, self._pipe = os.pipe()
            os.set_blocking(self._pipe, False)
            self._process = fork(self._run, read, os.getpid())
        except OSError as error:
            _log.error("can't fork the process of the event listeners: %s; retrying with the next event", error)
        for fd in pipe[: 1 if self._process is not None else 2]:
            os.close(fd)

    def emit(self, name: str, event: Any) -> None:
        """Pass an event to the process; drop it if the process is too slow."""
        if self._process is not None and self._process.exitcode is not None:
            _log.error("the process of the event listeners (pid %d) %s; starting another", self._process.pid, Death(self._process.exitcode))
            self._clear()
        if self._process is None:
            self.start()
        if self._process is None:
            return
        data = msgspec.msgpack.encode([name, event])
        if self._write():
            self._rest = len(data).to_bytes(4, "big") + data
            self._write()
        else:
            _log.warning("the listeners of %s are too slow: an event was dropped", name)

    def end(self) -> None:
        """Let the process handle the last event, then end it."""
        if self._process is not None:
            with contextlib.suppress(BrokenPipeError):
                write_within(_LAST_SECONDS, self._pipe, self._rest)
            os.close(self._pipe)
            self._process.join(_LAST_SECONDS)

    def close_copy(self) -> None:
        """Close the pipe in another forked process."""
        if self._process is not None:
            os.close(self._pipe)

    def _clear(self) -> None:
        os.close(self._pipe)
        self._process.close()
        self._process, self._rest = None, b""

    def _write(self) -> bool:
        """Write the rest of the last event. Return False if the pipe has no room for all of it."""
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._pipe, self._rest) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:  # it has just died: the next event starts another
            self._rest = b""
        return True

    # ---- in the forked process

    def _run(self, read: int, parent: int) -> None:
        os.close(self._pipe)
        self._detach(parent, "taskq: listeners")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        with os.fdopen(read, "rb") as stream:
            while head := stream.read(4):
                name, fields = msgspec.msgpack.decode(stream.read(int.from_bytes(head, "big")))
                events.emit(events.WORKER_SIGNALS[name], msgspec.convert(fields, _KINDS.get(name, events.ProcessEvent)))
