"""Doubles for a supervisor: its signals and pipes, and the zygote that forks worker processes."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from taskq.scoreboard.slot import Slot
from taskq.supervisor.processes.zygote import Exited, Spawn, Started
from taskq.tools.simulation import here
from taskq.tools.simulation.party import Source

__all__ = ["End", "Inbox", "LogThread", "Pokes", "Zygote", "make_pipe", "wait_for"]


class Pokes(Source):
    """The pipe through which worker processes wake their supervisor."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def poke(self) -> None:
        self.count += 1
        self.changed()

    def is_readable(self) -> bool:
        return self.count > 0


class Inbox(Source):
    """For `SignalInbox`: the signals of a supervisor."""

    def __init__(self) -> None:
        super().__init__()
        self._noted: deque[signal.Signals] = deque()
        here.system().supervisor().inbox = self

    def is_readable(self) -> bool:
        return bool(self._noted)

    def put(self, number: signal.Signals) -> None:
        self._noted.append(number)
        self.changed()

    def take(self) -> list[signal.Signals]:
        taken = list(self._noted)
        self._noted.clear()
        return taken

    def has_lost_terminal(self) -> bool:
        return False

    def close(self) -> None:
        pass


class End(Source):
    """One end of a pipe between a supervisor and its zygote."""

    def __init__(self) -> None:
        super().__init__()
        self.number: int = here.system().new_end(self)
        self.peer: End = self
        self.is_closed = False
        self._queue: deque[Any] = deque()
        #: Called for what arrives, instead of keeping it.
        self.on_arrival: Callable[[Any], object] | None = None

    def send(self, obj: Any, /) -> None:
        if self.peer.is_closed:
            raise BrokenPipeError
        world = here.system().world
        world.later(world.random.uniform(0.0001, 0.005), lambda: self.peer.arrive(obj))

    def arrive(self, obj: Any) -> None:
        if not self.is_closed:
            (self.on_arrival or self._queue.append)(obj)
            self.changed()

    def recv(self) -> Any:
        if not self._queue:
            raise EOFError
        return self._queue.popleft()

    def fileno(self) -> int:
        return self.number

    def is_readable(self) -> bool:
        return bool(self._queue) or self.peer.is_closed

    def close(self) -> None:
        self.is_closed = True
        self.peer.changed()
        if self.peer.on_arrival is not None:  # the zygote exits when its supervisor closes the pipe
            self.peer.on_arrival(None)


def make_pipe() -> tuple[End, End]:
    """For `fork.make_pipe`."""
    one, other = End(), End()
    one.peer, other.peer = other, one
    return one, other


class Zygote:
    """For the process that `Generation` forks: it forks worker processes, and they die with it."""

    def __init__(self, _target: object, there: End, _source: object, _options: object, inheritance: Any) -> None:
        self._system = here.system()
        self._host = self._system.supervisor()
        self._scoreboard = inheritance.scoreboard
        #: The slots of the worker processes, by process id.
        self._children: dict[int, int] = {}
        self.pid: int = self._system.new_pid()
        self.exitcode: int | None = None
        # The real one gets its end by the fork, and the supervisor closes its copy.
        self._end = End()
        self._end.peer, there.peer.peer = there.peer, self._end
        self._end.on_arrival = self._receive
        self._host.zygotes.append(self)
        world = self._system.world
        world.later(world.random.uniform(0.05, 0.2), lambda: self._report(self._system.app_info()))

    def kill(self) -> None:
        """SIGKILL."""
        if self.exitcode is not None:
            return
        self.exitcode = -signal.SIGKILL
        self._end.is_closed = True
        self._end.peer.changed()
        for pid in sorted(self._children):
            self._system.kill(pid)

    def join(self, timeout: float) -> None:
        """It has exited by now, or it was killed."""

    def close(self) -> None:
        pass

    def _receive(self, request: Any) -> None:
        if request is None:
            self.kill()
        elif isinstance(request, Spawn):
            world = self._system.world
            world.later(world.random.uniform(0.001, 0.02), lambda: self._fork(request))

    def _fork(self, request: Spawn) -> None:
        if self.exitcode is not None:
            return
        slot = self._scoreboard[request.slot_index]
        own = Slot(slot._memory, request.slot_index, slot.lock)
        pid = self._system.fork(request.worker, request.channel, own, self._host, self._exited)
        self._children[pid] = request.slot_index
        self._report(Started(request.slot_index, pid))

    def _exited(self, pid: int, status: int) -> None:
        self._report(Exited(self._children.pop(pid), pid, status, 0))

    def _report(self, report: Any) -> None:
        if self.exitcode is None and not self._end.peer.is_closed:
            self._end.send(report)


class LogThread:
    """For `LogThread`: nothing is logged."""

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


def wait_for(watched: Iterable[Any], timeout: float | None = None, *, full: Iterable[Any] = ()) -> list[Any]:
    """For `polling.wait_for`: what is watched is a double, has the number of one, or is such a number. Nothing is ever full."""
    system = here.system()
    ends = [(one, one if hasattr(one, "is_readable") else system.end(one if isinstance(one, int) else one.fileno())) for one in watched]

    def ready() -> bool:
        return any(end.is_readable() for _, end in ends)

    system.world.wait(ready, 1e9 if timeout is None else timeout, [end for _, end in ends])
    return [one for one, end in ends if end.is_readable()]
