"""Reports the state of a worker to its service manager, with the protocol of systemd (`sd_notify`): datagrams to a Unix socket."""

from __future__ import annotations

import logging
import os
import socket
from enum import Enum, auto
from typing import Protocol

from taskq.clock import monotonic
from taskq.config import NotifySocket
from taskq.logs import count_of

__all__ = ["Notifier", "Reported"]

_log = logging.getLogger("taskq.supervisor")
#: Seconds between two checks while processes start, and between two status texts.
_CHECK, _STATUS = 0.1, 5.0
#: The most characters of an error in a status text: a datagram has a limit, too.
_LONGEST = 500


class Reported(Protocol):
    """Protocol: the processes of a worker, whose state is reported."""

    @property
    def is_ready(self) -> bool:
        """True if all wanted processes can run jobs, and no rolling restart is under way."""
        ...

    @property
    def can_start(self) -> bool:
        """True if processes can be started."""
        ...

    @property
    def reload_error(self) -> str:
        """Why the last rolling restart has failed; "" if it has not."""
        ...

    def occupancy(self) -> tuple[int, int]:
        """Return the numbers of running jobs and of processes."""
        ...


class _State(Enum):
    STARTING = auto()
    RUNNING = auto()
    RELOADING = auto()
    STOPPING = auto()


class Notifier:
    """The connection to the service manager. Without one, it does nothing."""

    def __init__(self, target: NotifySocket | None) -> None:
        address = os.fsencode(target.address) if target is not None else b""
        self._address = b"\0" + address[1:] if address.startswith(b"@") else address
        #: Half of the watchdog interval.
        self._pause = (target.watchdog_seconds or 0.0) / 2 if target is not None else 0.0
        self._state = _State.STARTING
        self._ping_due = self._status_due = 0.0
        self._status = ""
        #: Changes of the state that the service manager could not take yet.
        self._unsent: list[str] = []
        self._has_failed = False
        #: When to call `tick` again.
        self.due = 0.0 if self._address else float("inf")

    def starting(self) -> None:
        """Report that the app is being imported."""
        self._send("STATUS=importing the app")

    def reloading(self) -> None:
        """Report a rolling restart; `tick` reports its end."""
        if self._state in (_State.RUNNING, _State.RELOADING):  # before that, the manager waits for the first READY
            self._enter(_State.RELOADING, f"RELOADING=1\nMONOTONIC_USEC={int(monotonic() * 1e6)}\nSTATUS=rolling restart")

    def stopping(self, why: str) -> None:
        """Report the shutdown."""
        if self._state is not _State.STOPPING:
            self._enter(_State.STOPPING, f"STOPPING=1\nSTATUS=stopping: {why}")

    def tick(self, now: float, worker: Reported) -> None:
        """Report what has changed, and the watchdog report that is due. The loop calls this, so a stuck loop sends none."""
        if now < self.due:
            return
        if self._state in (_State.STARTING, _State.RELOADING) and worker.is_ready:
            self._status, self._status_due = self._text(worker), now + _STATUS
            self._enter(_State.RUNNING, f"READY=1\nSTATUS={self._status}")
        self._send_unsent()
        if self._pause and now >= self._ping_due and (self._state is _State.STOPPING or worker.can_start):
            self._send("WATCHDOG=1")
            self._ping_due = now + self._pause
        if self._state is _State.RUNNING and now >= self._status_due:
            self._status_due = now + _STATUS
            if (text := self._text(worker)) != self._status:
                self._status = text
                self._send(f"STATUS={text}")
        self._set_due(now)

    def _set_due(self, now: float) -> None:
        if self._unsent or self._state in (_State.STARTING, _State.RELOADING):
            self.due = now + (_STATUS if self._has_failed else _CHECK)
        else:
            self.due = self._status_due if self._state is _State.RUNNING else float("inf")
        if self._pause:
            self.due = min(self.due, max(self._ping_due, now + min(_CHECK, self._pause)))

    @staticmethod
    def _text(worker: Reported) -> str:
        running, processes = worker.occupancy()
        text = f"{count_of(running, 'job')} running, {count_of(processes, 'process')}"
        error = worker.reload_error.replace("\n", " ")[:_LONGEST]  # the text of any exception
        return f"{text}; the last reload failed: {error}" if error else text

    def _enter(self, state: _State, message: str) -> None:
        if not self._address:
            return
        self._state = state
        self._unsent.append(message)
        self._send_unsent()
        self.due = 0.0

    def _send_unsent(self) -> None:
        while self._unsent and self._send(self._unsent[0]):
            del self._unsent[0]

    def _send(self, message: str) -> bool:
        if not self._address:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
                connection.setblocking(False)
                connection.sendto(message.encode("utf-8", "backslashreplace"), self._address)
        except BlockingIOError:  # the service manager is busy
            return False
        except OSError as error:
            if not self._has_failed:
                _log.warning("the service manager can't be notified (NOTIFY_SOCKET=%s): %s", os.fsdecode(self._address), error)
            self._has_failed = True
            return False
        self._has_failed = False
        return True
