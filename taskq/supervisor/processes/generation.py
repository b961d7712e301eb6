"""One zygote, as the supervisor sees it. A rolling restart forks another, and the old one exits with its last child."""

from __future__ import annotations

from collections import deque
from typing import Any

from taskq.clock import monotonic
from taskq.polling import can_take
from taskq.queue import Queue
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.processes.child import Child
from taskq.supervisor.processes.fork import fork, make_pipe
from taskq.supervisor.processes.slots import Slots
from taskq.supervisor.processes.zygote import AppInfo, Emit, Inheritance, Listen, Spawn, zygote
from taskq.supervisor.rules import ZYGOTE_LIMIT, ZYGOTE_WINDOW, respawn_pause

__all__ = ["Generation", "RespawnPolicy"]

#: Seconds that a zygote gets to exit, and those that a killed one gets.
_LAST_SECONDS, _KILLED_SECONDS = 5.0, 5.0
#: The maximum number of events that wait for the zygote; further ones are dropped.
_EVENTS = 100


class Generation:
    """A zygote, its children, and the connection to it.

    A request waits here until the zygote can take it: the supervisor never blocks, and no request is lost.
    """

    def __init__(self, number: int, source: str | Queue, options: WorkerOptions, slots: Slots, inheritance: Inheritance) -> None:
        self.number = number
        self.slots = slots
        #: The children whose exit has not been reported, by the index of their slot.
        self.children: dict[int, Child] = {}
        #: Set when the application is loaded.
        self.app: AppInfo | None = None
        #: Unanswered spawn requests, and the seconds since it last answered one or took a request.
        self.unanswered = 0
        self.silent = 0.0
        #: The requests that it can't take yet, in their order.
        self._unsent: deque[Any] = deque()
        #: True if it did not report an exit: it hangs, and must be killed.
        self.is_mute = False
        #: When to kill it (monotonic); None: it was not asked to exit.
        self._kill_at: float | None = None
        self._has_ended = False
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
        """Return the next report of the zygote; None if it has exited."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    @property
    def has_unsent(self) -> bool:
        """True while requests wait for room in the pipe."""
        return bool(self._unsent)

    def spawn(self, request: Spawn) -> None:
        """Request a worker process."""
        self.unanswered += 1
        self._send(request)

    def withdraw(self) -> list[Spawn]:
        """Return the spawn requests that the zygote has not received; it won't get them."""
        spawns = [one for one in self._unsent if isinstance(one, Spawn)]
        self._unsent = deque(one for one in self._unsent if not isinstance(one, Spawn))
        self.unanswered -= len(spawns)
        return spawns

    def answered(self) -> None:
        """Note the reply to a spawn request, whether it succeeded or not."""
        self.unanswered -= 1
        self.silent = 0.0

    def listen(self) -> None:
        """Request the listener process, if the app has worker-wide listeners."""
        if self.app is not None and self.app.listened:
            self._send(Listen())

    def emit(self, signal: str, event: Any) -> None:
        """Emit an event to the listener process, if it has listeners."""
        if self.app is None or signal not in self.app.listened:
            return
        if sum(isinstance(one, Emit) for one in self._unsent) < _EVENTS:
            self._send(Emit(signal, event))

    def begin_end(self) -> None:
        """Close the connection: the zygote and all its children exit."""
        self.flush()
        self.connection.close()
        # A zygote that is still importing the app doesn't read the connection, and has nothing to clean up.
        self._kill_at = monotonic() + (0.1 if self.app is None or self.is_mute else _LAST_SECONDS)

    def has_ended(self) -> bool:
        """Return True once the zygote has exited, after `begin_end`. Kill it when its time is over."""
        if self._has_ended:
            return True
        assert self._kill_at is not None
        if self._process.exitcode is None and monotonic() > self._kill_at:
            self._process.kill()
            self._process.join(_KILLED_SECONDS)
        if self._process.exitcode is None:
            return False
        self._process.close()
        self._has_ended = True
        return True

    def end(self) -> None:
        """Close the connection, and wait until the zygote and all its children have exited."""
        if self._kill_at is None:
            self.begin_end()
        if not self.has_ended():
            assert self._kill_at is not None
            self._process.join(max(0.0, self._kill_at - monotonic()))
            self._kill_at = 0.0
            self.has_ended()

    def kill(self) -> None:
        """Kill the zygote, and with it all its children."""
        self.is_mute = True
        self._process.kill()
        self._process.join(_KILLED_SECONDS)

    def _send(self, request: Any) -> None:
        self._unsent.append(request)
        self.flush()

    def flush(self) -> None:
        """Send the waiting requests, as far as the zygote can take them."""
        try:
            # It may hang, or be busy with earlier requests: writing would block.
            while self._unsent and can_take(self.connection):
                self.connection.send(self._unsent[0])
                self._unsent.popleft()
                self.silent = 0.0
        except OSError:  # it has exited, which ends its reports, too
            self._unsent.clear()


class RespawnPolicy:
    """Restarts a dead zygote at once, with backoff after repeated deaths."""

    def __init__(self) -> None:
        self._number = -1
        self._deaths: list[float] = []
        #: When to fork the next zygote; None: not needed.
        self._at: float | None = None

    def begin(self) -> int:
        """Note a fork and return the zygote's number."""
        self._at = None
        self._number += 1
        return self._number

    def died(self, now: float) -> float:
        """Note that the newest zygote died; return the seconds until the next fork."""
        self._deaths = [at for at in self._deaths if now - at < ZYGOTE_WINDOW] + [now]
        pause = respawn_pause(self._deaths, now, limit=ZYGOTE_LIMIT, window=ZYGOTE_WINDOW)
        self._at = now + pause
        return pause

    def is_due(self, now: float) -> bool:
        """Return True if a zygote must be forked now."""
        return self._at is not None and now >= self._at
