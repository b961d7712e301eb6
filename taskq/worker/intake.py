"""Prepares reserved messages to run: adds heads to plain JSON messages, and recovers messages after a broken connection."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from typing import Protocol

from taskq.clock import monotonic
from taskq.config import ChannelSettings
from taskq.driver.contract import Command, Driver
from taskq.errors import MalformedMessage, QueueFull, ServerRefused
from taskq.scoreboard.memory import resident_bytes
from taskq.scoreboard.slot import Slot
from taskq.wire.message import Message, wrap_foreign
from taskq.worker.settler import Settler

__all__ = ["UNCERTAIN_SECONDS", "Intake"]

_log = logging.getLogger("taskq.worker")
#: Resident memory is checked after this many jobs: the check takes longer than a short job.
_MEMORY_EVERY = 64
#: How often a process looks whether the outcome of its supervisor's last command is known by now.
UNCERTAIN_SECONDS = 0.05


class Judge(Protocol):
    """Protocol: knows the `on_lost` policy of a plain JSON message's job."""

    def loss_flag(self, raw: bytes) -> int: ...


class Intake:
    """Prepares the reserved messages of one worker process."""

    def __init__(self, driver: Driver, settler: Settler, judge: Judge, slot: Slot, *, worker: str, channel: ChannelSettings) -> None:
        self._driver = driver
        self._settler = settler
        self._judge = judge
        self._slot = slot
        self._worker = worker
        self._channel = channel
        self._look_at_memory = _MEMORY_EVERY
        self._parent = os.getppid()

    def may_reserve(self) -> bool:
        """Return False while heartbeats don't reach the server: a message reserved now might be rescued while it runs."""
        if monotonic() - self._slot.beat <= self._channel.lease / 2:
            return True
        if os.getppid() != self._parent:
            # The kernel ends this process with its parent, except after a job has changed the user.
            _log.error("worker process %s (pid %d) exits: its supervisor has died", self._worker, os.getpid())
            os._exit(1)
        return False

    def open(self, batch: list[bytes], known: Collection[bytes] = ()) -> list[Message]:
        """Read the heads, and add missing ones: a message without a head can't start. Ids in `known` are left out."""
        try:
            return [message for raw in batch if (message := Message(raw)).id not in known]
        except MalformedMessage:
            foreign = [(raw, wrap_foreign(raw, self._judge.loss_flag(raw))) for raw in batch if not _has_head(raw)]
        self._settler.insist(self._driver.stamp(self._worker, foreign))
        # Read again: after a broken connection, either of two heads may have been written.
        held = self._settler.insist(self._driver.holdings(self._worker))
        return [message for raw in held if _has_head(raw) and (message := Message(raw)).id not in known]

    def reconcile(self, known: Collection[bytes] = ()) -> list[Message]:
        """Compare with the reserved list in the server, and take over messages whose reply was lost."""
        settler = self._settler
        # The recorded fate applies to messages held so far, not to the ones reserved from here on.
        settler.insist(self._driver.forget_fate(self._worker))
        batch = settler.insist(self._driver.holdings(self._worker))
        settler.uncertain = False
        found = self.open(batch, known)
        if found:
            _log.info("recovered %d messages reserved before the connection broke", len(found))
        return found

    def trouble(self, error: Exception, command: Command, pause: Callable[[float], None]) -> None:
        """Note that a command failed: reconcile before the next reserve, and wait if it would only fail again."""
        self._settler.uncertain = True
        self._settler.outage.failed(error, command)
        if isinstance(error, ServerRefused):
            pause(5.0)
        elif isinstance(error, QueueFull):
            # A full server rejects the blocking reserve, but not the script. Without a wake-up, try again soon.
            pause(0.2)

    def is_spent(self, ended: int) -> bool:
        """Return True if this process has reached `max_messages` or `max_memory`, and must be replaced."""
        limit, most = self._channel.max_messages, self._channel.max_memory
        if limit and ended >= limit:
            _log.info("replacing worker process %s (pid %d) after %d jobs (max_messages)", self._worker, os.getpid(), ended)
            return True
        if most and ended >= self._look_at_memory:
            self._look_at_memory = ended + _MEMORY_EVERY
            used = resident_bytes()
            if used > most:
                _log.info("replacing worker process %s (pid %d): it uses %d MiB (max_memory)", self._worker, os.getpid(), used >> 20)
                return True
        return False


def _has_head(raw: bytes) -> bool:
    try:
        Message(raw)
    except MalformedMessage:
        return False
    return True
