"""Settles messages: batches acks, and sends them again after a broken connection.

Every settling move is fenced by the worker's own reserved list, so it is safe to repeat. But if the first try succeeded, the message may
be reserved by this worker again before the repeat, after its delay or a reload. Therefore a repeat looks at that list first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from taskq.clock import monotonic
from taskq.driver.backoff import Backoff
from taskq.driver.contract import Command, Driver, Ended, Link, StoredEnding, Where
from taskq.errors import QueueFull, ServerRefused, ServerUnavailable
from taskq.worker.execute.verdict import Action, Verdict
from taskq.worker.outage import Outage

__all__ = ["ACK_SECONDS", "Settler", "StoppedUnsettled"]

#: The longest time that an ack stays pending.
ACK_SECONDS = 0.010
_LONGEST_PAUSE = 5.0
_LAST_PAUSE = 0.05
_REASSIGNED = "message %s not settled: this worker was declared lost and the message was reassigned"
_log = logging.getLogger("taskq.worker")


class StoppedUnsettled(Exception):
    """The worker was asked to stop while the server was unreachable. Unsettled messages stay reserved and are rescued."""


class Settler:
    """The worker's side of the settling moves."""

    def __init__(
        self,
        driver: Driver,
        link: Link,
        worker: str,
        *,
        stopping: Callable[[], bool],
        pause: Callable[[float], None],
        patience: float = 1.0,
    ) -> None:
        """`patience` is how many seconds a stopping worker keeps trying. Messages that it can't settle run again."""
        self._driver = driver
        self._link = link
        self._worker = worker
        self._stopping = stopping
        self._pause = pause
        self._patience = patience
        self.outage = Outage(worker)
        self.done: list[bytes] = []
        #: The results of some of them, and these messages as they were reserved.
        self.endings: list[Ended] = []
        self._ended: list[bytes] = []
        #: True if the pending acks are of different messages, in the order of the reserved list. While `uncertain`, it isn't relied on.
        self.is_ordered = False
        self._oldest = 0.0
        #: Set by every broken connection: the server may have moved messages here whose reply was lost.
        self.uncertain = False

    def insist(self, command: Command, is_done: Callable[[], bool] = lambda: False, again: Callable[[], Command] | None = None) -> Any:
        """Send a command until the server answers. Before each repeat, `is_done` may end this: then return 1.

        `again` makes the command that is sent as a repeat.

        Raises:
            StoppedUnsettled: the worker was asked to stop, and its patience is over.
        """
        backoff: Backoff | None = None
        give_up_at: float | None = None
        while True:
            try:
                if backoff is not None and is_done():
                    return 1
                reply = self._link.call(command)
            except (ServerUnavailable, QueueFull, ServerRefused) as error:
                self.uncertain = True
                self.outage.failed(error, command)
                command = again() if again is not None else command
                backoff = backoff or Backoff(0.01, _LONGEST_PAUSE, least=0.005)
                if isinstance(error, ServerRefused):
                    backoff.slow_down()
                if self._stopping():
                    give_up_at = give_up_at or monotonic() + self._patience
                    if monotonic() > give_up_at:
                        raise StoppedUnsettled(str(error)) from error
                    time.sleep(_LAST_PAUSE)  # `pause` returns at once while stopping
            else:
                self.outage.answered(command)
                return reply
            self._pause(backoff.pause())

    def settle(self, message_id: bytes, verdict: Verdict, message: bytes) -> None:
        """Carry out a verdict: an ack without a result stays pending until the next round trip, other verdicts are sent at once.

        Args:
            message_id: the message.
            verdict: the decision.
            message: its bytes as they were reserved.
        """
        if verdict.action is Action.ACK and verdict.ending is None:
            self.keep(message_id, monotonic())
            if verdict.announce is not None:
                verdict.announce()
            return
        command = self._command(message_id, verdict)
        mine = self.insist(command, lambda: self._is_reserved_again(message_id, message))
        standing = 1 if mine else self.insist(self._driver.standing(self._worker))
        if standing == 0:
            self.put_back([message])
            mine = self.insist(command)
        # After a broken connection, the first try may have succeeded: then 0 means nothing, unless the messages were reassigned.
        if standing == -1 or not (mine or self.uncertain):
            _log.warning(_REASSIGNED, message_id.hex())
        elif verdict.announce is not None:
            verdict.announce()

    def _is_reserved_again(self, message_id: bytes, message: bytes) -> bool:
        """Return True if a settled message is reserved again: its bytes have changed. A requeue keeps them, and may be repeated."""
        found = [held for held in self._link.call(self._driver.holdings(self._worker)) if held[2:18] == message_id]
        return bool(found) and message not in found

    def put_back(self, messages: list[bytes]) -> None:
        """Store reserved messages again that the server has lost. They may be in another order there."""
        self.uncertain = True
        count = self.insist(self._driver.adopt(self._worker, messages))
        if count:
            _log.warning("restored %d messages that the server had lost", count)

    def restore(self, messages: list[bytes]) -> None:
        """Store these reserved messages again if the server has lost them."""
        if self.insist(self._driver.standing(self._worker)) == 0:
            self.put_back(messages)

    def keep(self, message_id: bytes, now: float) -> None:
        """Add a pending ack, for the next round trip."""
        if not self.done:
            self._oldest = now
        self.done.append(message_id)

    def is_due(self, now: float) -> bool:
        """Return True if the oldest pending ack has waited long enough."""
        return now - self._oldest > ACK_SECONDS and bool(self.done)

    def keep_ending(self, message_id: bytes, ending: StoredEnding, message: bytes, now: float) -> None:
        """Add a pending ack with a result. `message` as in `settle`."""
        self.keep(message_id, now)
        self.endings.append((message_id, ending))
        self._ended.append(message)

    def reserve(self, count: int) -> Command:
        """Return the command that settles the pending acks and reserves the next messages. Then call `acks_sent`."""
        return self._driver.reserve(self._worker, count, self.done, ordered=self._is_known, endings=self.endings)

    def flush(self) -> None:
        """Send the pending acks."""
        if self.done:
            self.acks_sent(self.insist(self._ack(), again=self._ack))

    def acks_sent(self, settled: int) -> None:
        """Note that the pending acks were sent, and how many of their messages were still reserved by this worker."""
        done, endings, messages = self.done, self.endings, self._ended
        self.done = []
        if endings:
            self.endings, self._ended = [], []
            if settled < len(done):
                self._check_unsettled(endings, messages)

    @property
    def _is_known(self) -> bool:
        return self.is_ordered and not self.uncertain

    def _ack(self) -> Command:
        return self._driver.ack(self._worker, self.done, ordered=self._is_known, endings=self.endings)

    def _check_unsettled(self, endings: list[Ended], messages: list[bytes]) -> None:
        """Find out why some of these messages were not reserved by this worker: usually, the supervisor has stored their results."""
        standing = self.insist(self._driver.standing(self._worker))
        if standing == 0:
            self.put_back(messages)
            self.insist(self._driver.ack(self._worker, [identity for identity, _ in endings], endings=endings))
        elif standing == -1:
            for identity, _ in endings:
                _log.warning(_REASSIGNED, identity.hex())

    def release(self, where: Where, ids: list[bytes]) -> None:
        """Return unstarted messages."""
        if ids:
            self.insist(self._driver.requeue(self._worker, where, ids))

    def _command(self, message_id: bytes, verdict: Verdict) -> Command:
        driver, worker = self._driver, self._worker
        if verdict.action is Action.RETRY:
            return driver.retry(worker, message_id, verdict.delay_ms, verdict.message)
        if verdict.action is Action.REQUEUE:
            return driver.requeue(worker, "later" if verdict.delay_ms else "back", [message_id], verdict.delay_ms)
        if verdict.action is Action.PARK:
            return driver.park(worker, message_id, verdict.message)
        if verdict.action is Action.ACK and verdict.ending is not None:
            return driver.finish(worker, message_id, verdict.ending)
        return driver.fail(worker, verdict.state, message_id, verdict.message, verdict.ending)
