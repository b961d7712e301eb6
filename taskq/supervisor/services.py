"""The duties of a supervisor for one channel. Each has `due`, and `tick(now)` does it and sets the next `due`.

Several supervisors on many machines run the same duties: each step is an atomic script that is harmless when another was first.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from taskq.clock import monotonic
from taskq.driver.contract import Word
from taskq.errors import QueueFull, ServerError, ServerRefused
from taskq.scoreboard.state import Phase
from taskq.supervisor.burial import lost
from taskq.supervisor.child import Child
from taskq.supervisor.rules import beat_seconds
from taskq.supervisor.strays import return_strays
from taskq.supervisor.team import Team
from taskq.worker_id import lease_of, machine_name, machine_tag, new_worker_id

__all__ = ["Heartbeat", "Promote", "Rescuer", "Service"]

_log = logging.getLogger("taskq.supervisor")
_IDLE_POLL = 1.0
#: How long to wait for a token before asking anew: a connection that leads nowhere is noticed by then.
_WAKE_SECONDS = 8.0


class Service(Protocol):
    """One duty."""

    due: float

    def tick(self, now: float) -> None: ...


class Heartbeat:
    """Says that the children live, and what they do. Finds messages that a child was given without its hearing of it."""

    def __init__(self, team: Team, machine: str) -> None:
        self.due = 0.0
        self.server_ms = 0
        self._team = team
        self._machine = machine
        #: Workers whose last heartbeat was refused: something is wrong with their keys, and the others' go on.
        self._refused: set[str] = set()

    def tick(self, now: float) -> None:
        self._team.send_pending()
        for child in list(self._team.children.values()):
            if not self.beat(child, now):
                break
        self.due = now + (0.2 if self._team.is_down else beat_seconds(self._team.settings.lease))

    def beat(self, child: Child, now: float) -> bool:
        """One child's heartbeat. False: the server doesn't answer."""
        team = self._team
        lease_ms = int(team.settings.lease * 1000)
        fields = self._fields(child)
        command = team.driver.heartbeat(child.worker, fields, lease_ms=lease_ms, register=not child.registered)
        reply = team.ask(command, lambda error: self._note_refusal(child.worker, error))
        if reply is None:
            return child.worker in self._refused
        self._refused.discard(child.worker)
        standing, held, self.server_ms = reply
        if standing != 1 and child.registered:
            self._forgotten(child, given_up=standing == -1)
            # The lease of what it holds begins anew; `fate` tells the child whose its messages are.
            fields["fate"] = "given up" if standing == -1 else "lost"
            if team.ask(team.driver.heartbeat(child.worker, fields, lease_ms=lease_ms, register=True)) is None:
                return False
            # Once more: one that has looked before it was registered again has left its fate where it was.
            child.record.ask_reconcile()
        child.registered = True
        child.record.set_beat(now)
        # A worker that is just reserving has more for a moment; only what stays is a loss of its hearing.
        child.mismatches = child.mismatches + 1 if held > child.record.held else 0
        if child.mismatches >= 2:
            child.record.ask_reconcile()
            return_strays(team, child, child.last_beat)
        child.last_beat = now
        return True

    def _note_refusal(self, worker: str, error: ServerRefused) -> None:
        if worker not in self._refused:
            self._refused.add(worker)
            _log.error("worker %s: %s; trying again with every heartbeat", worker, error)

    @staticmethod
    def _forgotten(child: Child, *, given_up: bool) -> None:
        """The server doesn't know the worker any more: say why, and tell the worker."""
        if given_up:
            _log.warning("worker %s was given up for dead: its messages are others' now. It goes on with new ones", child.worker)
            # What it hasn't started is run by others; only the running job can't be stopped from being run twice.
            child.record.forbid()
        else:
            _log.error(
                "the server has lost what it knew of worker %s (a flush, or a restart without its data): telling it again", child.worker
            )
        child.record.ask_reconcile()

    def _fields(self, child: Child) -> dict[str, Word]:
        running = child.record.running()
        first = running[0] if running else None
        done, failed = child.record.counts
        return {
            "host": self._machine,
            "pid": child.pid or 0,
            "supervisor": os.getpid(),
            "channel": self._team.name,
            "state": "running" if running else _state(child.record.phase),
            "job": first.job if first else "",
            "message": first.id.hex() if first else "",
            "since_ms": first.since_ms if first else 0,
            "running": len(running),
            "concurrency": self._team.settings.concurrency,
            "started_ms": child.started_ms,
            "done": done,
            "failed": failed,
            "memory": _memory_of(child.pid),
        }


class Promote:
    """Moves delayed messages to waiting when they are due, to the millisecond: sleeps until the next one is.

    The server wakes it with a token when an earlier one arrives; looking once a second is only the safety net.
    """

    def __init__(self, team: Team) -> None:
        self.due = 0.0
        self._team = team
        self._wake = team.driver.link(1.0)
        self._asked: float | None = None
        self._listen_after = 0.0
        self._worker = new_worker_id(machine_name(), machine_tag())
        #: Called when one of this supervisor's jobs is cancelled.
        self.on_call: Callable[[], None] = lambda: None

    def tick(self, now: float) -> None:
        self._listen(now)
        reply = self._team.ask(self._team.driver.promote())
        if reply is None:
            self.due = now + 0.1
            return
        _, wait_ms = reply
        self.due = now + (_IDLE_POLL if wait_ms < 0 else min(_IDLE_POLL, wait_ms / 1000))

    def fileno(self) -> int | None:
        """The socket on which the token arrives, while it is awaited."""
        return None if self._asked is None else self._wake.fileno()

    def woken(self) -> None:
        """The token, the end of the wait, or a broken connection is there."""
        self._asked = None
        try:
            reply = self._wake.receive()
            if reply and reply[0] != self._team.driver.keys.wake.encode():
                self.on_call()
        except (ServerError, QueueFull):
            self._give_up_listening()
            return
        self.due = 0.0

    def close(self) -> None:
        self._asked = None
        self._wake.close()

    def _listen(self, now: float) -> None:
        if self._asked is not None:
            if now - self._asked < _WAKE_SECONDS + 2.0:
                return
            self.close()  # the server should have answered by now: the connection leads nowhere
        if now < self._listen_after or self._team.is_down:
            return
        try:
            self._wake.send(self._team.driver.wait_for_wake(_WAKE_SECONDS, self._worker))
            self._asked = now
        except (ServerError, QueueFull):
            self._give_up_listening()

    def _give_up_listening(self) -> None:
        """Look once a second for a while: a server that refuses at once must not be asked at once again."""
        self._wake.close()
        self._listen_after = monotonic() + random.uniform(0.5, 1.5)


class Rescuer:
    """Brings back what dead workers had reserved.

    A heartbeat that is missing says something only when others could have arrived. So whoever hasn't looked for half a lease
    (it has just started, it was stopped, the server was away) first gives the others a lease to make themselves heard.

    Supervisors may have different leases. Nobody is given up before its own is over, which its id tells, nor before ours.
    """

    def __init__(self, team: Team, heartbeat: Heartbeat) -> None:
        self.due = 0.0
        self._team = team
        self._heartbeat = heartbeat
        self._looked = float("-inf")
        self._since = 0.0

    def tick(self, now: float) -> None:
        lease = self._team.settings.lease
        self.due = now + beat_seconds(lease)
        if not self._heartbeat.server_ms:
            self.due = now + 0.5
            return
        server_ms = self._heartbeat.server_ms
        found = self._team.ask(self._team.driver.expired(server_ms - int(lease * 1000)))
        if found is None:
            return
        seen = monotonic()
        if seen - self._looked > lease / 2:
            self._since = seen
        self._looked = seen
        for entry, beat in zip(found[::2], found[1::2], strict=True):
            worker = _name(entry)
            if not worker:
                _log.warning("%r stands among the workers of channel %s and is none: it is removed", entry, self._team.name)
                self._team.ask(self._team.driver.dismiss(entry))
                continue
            longest = max(lease, lease_of(worker))
            if seen >= self._since + longest and float(beat) <= server_ms - longest * 1000:
                self._rescue(worker, int(longest * 1000), f"no heartbeat for {longest:g} s")

    def at_start(self, is_dead: Callable[[str], bool]) -> None:
        """Rescue workers of this machine whose processes are gone, without waiting for their leases."""
        found = self._team.ask(self._team.driver.workers()) or ()
        for worker in map(_name, found[::2]):
            if worker and is_dead(worker):
                self._rescue(worker, 0, "its process is gone")
                self._team.remember(worker)

    def _rescue(self, worker: str, lease_ms: int, reason: str) -> None:
        rescue = lost(worker, lease_ms, f"the worker {worker} was lost: {reason}")
        count = self._team.ask(self._team.driver.rescue(rescue))
        if count is not None and count >= 0:
            _log.warning("worker %s was lost (%s); %d of its messages were rescued", worker, reason, count)


def _name(entry: bytes) -> str:
    """The id of a worker; "" for bytes that can't be one."""
    try:
        return entry.decode()
    except UnicodeDecodeError:
        return ""


def _state(phase: Phase) -> str:
    return (Phase.STOPPING if phase is Phase.LEAVING else phase).name.lower()


def _memory_of(pid: int | None) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
