"""The loop of a worker process: reserve, run, settle, until it is asked to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable

from taskq.clock import monotonic, now_ms
from taskq.config import ChannelSettings
from taskq.driver.block_timeout import BlockTimeout
from taskq.driver.contract import Command, Driver, Link
from taskq.errors import QueueFull, ServerRefused, ServerUnavailable
from taskq.scoreboard.slot import BATCH_LIMIT, Slot
from taskq.scoreboard.state import Phase, block_seconds
from taskq.wire.message import Message
from taskq.worker.execute.frames import free_frames
from taskq.worker.execute.runner import Runner
from taskq.worker.execute.verdict import ACKED, Action, Verdict, can_wait
from taskq.worker.intake import UNCERTAIN_SECONDS, Intake
from taskq.worker.prefetch import Prefetch
from taskq.worker.process.restore import ProcessState
from taskq.worker.process.signals import SignalWait
from taskq.worker.settler import Settler, StoppedUnsettled
from taskq.worker.variables import context_maker

__all__ = ["Loop"]

_log = logging.getLogger("taskq.worker")
#: The longest wait of a stopping worker for an unreachable server, in seconds.
_LAST_SECONDS = 5.0


class Loop:
    """One process that runs the jobs of one channel."""

    def __init__(
        self,
        driver: Driver,
        link: Link,
        runner: Runner,
        slot: Slot,
        *,
        worker: str,
        channel: ChannelSettings,
        signals: SignalWait,
        poke: Callable[[], None],
    ) -> None:
        self._driver = driver
        self._link = link
        self._runner = runner
        self._slot = slot
        self._worker = worker
        self._channel = channel
        self._signals = signals
        self._poke = poke
        # Within stop_timeout, with time left for the supervisor to settle the messages that this worker process can't.
        patience = min(_LAST_SECONDS, channel.stop_timeout / 2)
        self._settler = Settler(driver, link, worker, stopping=lambda: signals.stopping, pause=signals.pause, patience=patience)
        self._intake = Intake(driver, self._settler, runner, slot, worker=worker, channel=channel)
        self._prefetch = Prefetch()
        self._block_timeout = BlockTimeout(block_seconds(channel.lease))
        self._process_state = ProcessState(signals.descriptors())
        self._new_context = context_maker()
        self._is_sound = True
        self._ended = 0
        slot.lease = channel.lease

    def run(self) -> None:
        """Run jobs until the worker is asked to stop, or until `max_messages` or `max_memory` is reached."""
        self._new_context = context_maker()  # again: the startup hooks may have set variables
        try:
            while self._is_sound and not self._signals.stopping and not self._intake.is_spent(self._ended):
                batch = self._reserve()
                if batch:
                    self._run_batch(batch)
            self._settler.flush()
        except StoppedUnsettled:
            _log.warning("stopped while the server was unreachable; unsettled messages will be rescued")

    # ---- reserve

    def _reserve(self) -> list[Message]:
        """Send the pending acks and reserve the next messages. Return an empty list if none is waiting."""
        settler = self._settler
        if not self._intake.may_reserve():
            settler.flush()
            self._slot.end_batch()
            self._signals.pause(0.2)
            return []
        if self._slot.take_reconcile():
            settler.uncertain = True
        if settler.uncertain:
            return self._reconcile()
        had_done = bool(settler.done)
        command = settler.reserve(self._room())
        try:
            settled, known, batch = self._link.call(command)
            settler.outage.answered(command)
            settler.acks_sent(settled)
            if had_done:
                self._slot.end_batch()
            if batch:
                return self._intake.open(batch)
            if not known:
                # Declared lost, or unknown after a flush: the next heartbeat registers this worker again.
                self._signals.pause(0.2)
                return []
            command = self._driver.reserve_one(self._worker, self._block_timeout.seconds)
            return self._sleep(command)
        except (ServerUnavailable, QueueFull, ServerRefused) as error:
            self._intake.trouble(error, command, self._signals.pause)
            return []

    def _sleep(self, command: Command) -> list[Message]:
        """Block in the server until a message arrives. The message is in the reserved list, even if the reply is lost."""
        self._slot.set_phase(Phase.IDLE)
        self._signals.install()
        self._link.send(command)
        self._block_timeout.begin()
        is_given_up = False
        try:
            # The server's own timeouts end some 100 ms late.
            if not self._signals.wait(self._link.fileno(), self._block_timeout.seconds + 2.0):
                if not self._signals.stopping:
                    self._link.close()
                    is_given_up = True
                    raise ServerUnavailable("the server did not end a blocking command in time", sent=True)
                self._link.unblock()
            raw = self._link.receive()
        except ServerUnavailable:
            self._block_timeout.broke(is_given_up=is_given_up)
            raise
        self._block_timeout.ended()
        self._settler.outage.answered(command)
        self._settler.outage.has_room()
        return [] if raw is None else self._intake.open([raw])

    def _reconcile(self) -> list[Message]:
        """Compare with the reserved list in the server, and take over messages whose reply was lost."""
        self._settler.flush()
        self._slot.end_batch()
        # After the line above, which takes the lock that the supervisor holds while it moves messages of this process.
        if self._slot.uncertain:
            self._signals.pause(UNCERTAIN_SECONDS)
            return []
        found = self._intake.reconcile()
        self._settler.release("front", [message.id for message in found[BATCH_LIMIT:]])
        return found[:BATCH_LIMIT]

    def _room(self) -> int:
        limit = self._channel.max_messages
        return min(self._prefetch.size, limit - self._ended) if limit else self._prefetch.size

    # ---- run and settle

    def _run_batch(self, messages: list[Message]) -> None:
        slot, signals = self._slot, self._signals
        ids = [message.id for message in messages]
        slot.begin_batch(ids)
        # Other programs may push copies of a message: the script must then compare all.
        self._settler.is_ordered = len(set(ids)) == len(ids)
        slot.set_phase(Phase.RUNNING)
        if len(messages) > 1 and not slot.watched:
            self._poke()
        began = monotonic()
        ran = self._run_all(messages, began)
        self._ended += ran
        self._prefetch.learn(ran, monotonic() - began)
        self._is_sound = self._process_state.restore()
        if ran < len(messages):
            if not signals.stopping:
                self._reconsider(messages[ran:])
            self._settler.flush()
            with slot.taken_back() as ids:  # empty if the supervisor released them first
                self._settler.release("front", ids)
        if not self._settler.done:
            slot.end_batch()

    def _run_all(self, messages: list[Message], now: float) -> int:
        """Run the messages one after the other, as far as they may start. Return the number of runs."""
        slot, signals, runner, settler = self._slot, self._signals, self._runner, self._settler
        start, run, check, settle, new_context = slot.start_next, runner.run, signals.check, settler.settle, self._new_context
        is_debug = _log.isEnabledFor(logging.DEBUG)
        # Computed once: a step of the wall clock during a batch of milliseconds doesn't matter.
        epoch = now_ms() / 1000 - now
        for index, message in enumerate(messages):
            if signals.stopping or not start(now, message.attempts + 1):
                return index
            verdict = new_context().run(run, message, now, int((epoch + now) * 1000))
            check()
            started, now = now, monotonic()
            if verdict is ACKED:
                settler.keep(message.id, now)
                slot.end_job(index, acked=True, failed=False)
            elif can_wait(verdict):
                self._keep_ending(index, message, verdict, now)
            else:
                settle(message.id, verdict, message.raw)
                slot.end_job(index, acked=verdict.action is Action.ACK, failed=verdict.action is Action.FAIL)
                if verdict.error is not None:
                    free_frames(verdict.error)
                now = monotonic()
            if runner.cancelled:  # too late for this run; the next one may be of the same message
                runner.cancelled = {}
            if settler.is_due(now):
                self._flush()
                now = monotonic()
            if is_debug:
                _log.debug("%s: %s in %.1f ms", message.hex_id, verdict.action.value, (now - started) * 1000)
            del verdict  # it must not outlive this job
        return len(messages)

    def _keep_ending(self, index: int, message: Message, verdict: Verdict, now: float) -> None:
        """Let a result travel with the acks. If this process is killed before, the supervisor stores it."""
        slot, ending = self._slot, verdict.ending
        assert ending is not None
        self._settler.keep_ending(message.id, ending, message.raw, now)
        has_ending = slot.endings.put(index, ending.data, ending.ttl_ms)
        if not has_ending:
            self._flush()
        slot.end_job(index, acked=True, failed=False, has_ending=has_ending)

    def _flush(self) -> None:
        """Send the pending acks during a batch."""
        has_endings = bool(self._settler.endings)
        self._settler.flush()
        if has_endings:
            self._slot.mark_settled()

    def _reconsider(self, unstarted: list[Message]) -> None:
        """Reconcile: unstarted messages may have been reassigned, or lost by the server. Release the ones that are still reserved.

        After a lease without a heartbeat they are reassigned, and must not run twice. The supervisor asks to reconcile when it notices.
        """
        if self._slot.take_reconcile() or monotonic() - self._slot.beat > self._channel.lease:
            self._settler.uncertain = True
            self._settler.restore([message.raw for message in unstarted])
