"""One zygote as the supervisor sees it. A restart makes another, and the old one ends with its last worker."""

from __future__ import annotations

from typing import Any

from taskq.queue import Queue
from taskq.supervisor.child import fork, make_pipe
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.zygote import AppInfo, Estate, Listen, Spawn, Tell, zygote

__all__ = ["Generation"]


class Generation:
    """A zygote, and the connection to it."""

    def __init__(self, number: int, source: str | Queue, options: WorkerOptions, estate: Estate) -> None:
        self.number = number
        #: Set when the application is loaded.
        self.app: AppInfo | None = None
        self.connection, there = make_pipe()

        def close_here() -> None:
            self.connection.close()
            estate.forget()

        self._process: Any = fork(zygote, there, source, options, estate._replace(forget=close_here))
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
        """Order a worker. False: the zygote is gone."""
        return self._send(order)

    def listen(self) -> None:
        """Order the process of the listeners, when anybody listens."""
        if self.app is not None and self.app.listened:
            self._send(Listen())

    def tell(self, signal: str, event: Any) -> None:
        """Pass an event to the listeners, when there are any for it."""
        if self.app is not None and signal in self.app.listened:
            self._send(Tell(signal, event))

    def end(self) -> None:
        """Hang up: the zygote ends, and all that it forked with it."""
        self.connection.close()
        # One that is still loading the app doesn't hear of it, and has nothing to put in order.
        self._process.join(0.1 if self.app is None else 5.0)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join(5.0)
        self._process.close()

    def _send(self, order: Any) -> bool:
        try:
            self.connection.send(order)
        except OSError:
            return False
        return True
