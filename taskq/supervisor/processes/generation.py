"""One zygote as the supervisor sees it. A restart makes another, and the old one ends with its last worker."""

from __future__ import annotations

from typing import Any

from taskq.queue import Queue
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.polling import can_take
from taskq.supervisor.processes.fork import fork, make_pipe
from taskq.supervisor.processes.zygote import AppInfo, Emit, Inheritance, Listen, Spawn, zygote
from taskq.supervisor.rules import ZYGOTE_LIMIT, ZYGOTE_WINDOW, respawn_pause

__all__ = ["Generation", "RespawnPolicy"]


class Generation:
    """A zygote, and the connection to it."""

    def __init__(self, number: int, source: str | Queue, options: WorkerOptions, inheritance: Inheritance) -> None:
        self.number = number
        #: Set when the application is loaded.
        self.app: AppInfo | None = None
        #: Orders for children that it hasn't answered yet, and for how many seconds none was.
        self.unanswered = 0
        self.silent = 0.0
        #: True when it didn't report a death: it stands still, and won't hear that it shall end.
        self.is_mute = False
        self.connection, there = make_pipe()

        def close_here() -> None:
            self.connection.close()
            inheritance.forget()

        self._process: Any = fork(zygote, there, source, options, inheritance._replace(forget=close_here))
        there.close()

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def fileno(self) -> int:
        return self.connection.fileno()

    def receive(self) -> Any:
        """Return what the zygote says, or None when it is gone."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def spawn(self, order: Spawn) -> bool:
        """Order a worker. False: the zygote is gone, or stands still."""
        self.unanswered += 1
        return self._send(order)

    def answered(self) -> None:
        """It has obeyed an order for a worker, or has told that it can't."""
        self.unanswered -= 1
        self.silent = 0.0

    def listen(self) -> None:
        """Order the process of the listeners, when anybody listens."""
        if self.app is not None and self.app.listened:
            self._send(Listen())

    def emit(self, signal: str, event: Any) -> None:
        """Pass an event to the listeners, when there are any for it."""
        if self.app is not None and signal in self.app.listened:
            self._send(Emit(signal, event))

    def end(self) -> None:
        """Hang up: the zygote ends, and all that it forked with it."""
        self.connection.close()
        # One that is still loading the app doesn't hear of it, and has nothing to put in order.
        self._process.join(0.1 if self.app is None or self.is_mute else 5.0)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join(5.0)
        self._process.close()

    def kill(self) -> None:
        """End it by force, and with it all that it forked."""
        self.is_mute = True
        self._process.kill()
        self._process.join(5.0)

    def _send(self, order: Any) -> bool:
        try:
            if not can_take(self.connection):  # nobody reads there: who writes on would stand still, too
                return False
            self.connection.send(order)
        except OSError:
            return False
        return True


class RespawnPolicy:
    """When a zygote that died is followed by the next: at once, and after a pause when many die."""

    def __init__(self) -> None:
        self._number = -1
        self._deaths: list[float] = []
        #: When the next is forked; None: none is missing.
        self._at: float | None = None

    def begin(self) -> int:
        """One is forked; returns its number."""
        self._at = None
        self._number += 1
        return self._number

    def died(self, now: float) -> float:
        """The newest is no more; returns in how many seconds the next is due."""
        self._deaths = [at for at in self._deaths if now - at < ZYGOTE_WINDOW] + [now]
        pause = respawn_pause(self._deaths, now, limit=ZYGOTE_LIMIT, window=ZYGOTE_WINDOW)
        self._at = now + pause
        return pause

    def is_due(self, now: float) -> bool:
        """True when one is missing, and its time has come."""
        return self._at is not None and now >= self._at
