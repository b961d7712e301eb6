"""The pump of a worker that runs several jobs at once: a thread that reserves messages for free lanes, and settles finished ones.

It talks to the server while jobs run in other threads, so a job that blocks the event loop doesn't delay the settling of others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from taskq.clock import monotonic
from taskq.config import ChannelSettings
from taskq.driver.contract import Command, Driver, Link
from taskq.scoreboard.slot import Slot
from taskq.scoreboard.state import SLOW_SECONDS, Phase
from taskq.wire.message import Message
from taskq.worker.concurrent.blocking_reserve import TROUBLE, BlockingReserve
from taskq.worker.concurrent.completions import Completions
from taskq.worker.concurrent.lane import Lane
from taskq.worker.concurrent.lane_pool import LanePool
from taskq.worker.concurrent.wakeup import WakeableWait
from taskq.worker.execute.unpacker import Opened
from taskq.worker.intake import UNCERTAIN_SECONDS, Intake
from taskq.worker.settler import ACK_SECONDS, Settler, StoppedUnsettled

__all__ = ["LaneControl", "Pump", "PumpSetup"]

_log = logging.getLogger("taskq.worker")


class PumpSetup(NamedTuple):
    """The worker that the pump serves, and its connections."""

    driver: Driver
    link: Link
    slot: Slot
    worker: str
    channel: ChannelSettings
    wakeup: WakeableWait
    #: Makes the supervisor look at the slot.
    poke: Callable[[], None]


class LaneControl(NamedTuple):
    """How lanes are started and stopped: those of coroutine jobs together, on the event loop."""

    #: Opens a message; None: it can't be read, and its run will report that.
    open: Callable[[Message], Opened | None]
    on_loop: Callable[[list[Lane]], None]
    #: Cancels the tasks of lanes.
    break_off: Callable[[list[Lane]], None]
    #: Interrupts the job of a lane, because of a cancel request.
    cancel: Callable[[Lane, str], None]


class Pump:
    """Runs until the worker is asked to stop or this process has reached its limits, and all jobs have finished or are stuck."""

    def __init__(self, setup: PumpSetup, control: LaneControl, settler: Settler, intake: Intake, completions: Completions) -> None:
        self._setup, self._control = setup, control
        self._settler, self._intake, self._completions = settler, intake, completions
        self._lanes: LanePool = completions.lanes
        self._blocking = BlockingReserve(setup.driver, setup.driver.link(5.0, fenced=True), setup.worker, setup.channel.lease)
        self._command: Command = self._blocking.command
        self._leaving = False
        self._break_off_at = 0.0
        self._phase = Phase.STARTING

    def run(self) -> None:
        """Pump until there is nothing left to do."""
        try:
            while not self._is_over():
                self._turn()
            self._completions.flush()
        except StoppedUnsettled:
            _log.warning("stopped while the server was unreachable; unsettled messages will be rescued")
            self._completions.write_off()
            while not self._completions.is_empty():
                self._sleep(1.0)
                self._completions.write_off()

    def _turn(self) -> None:
        slot = self._setup.slot
        self._completions.settle()
        if self._completions.is_broken and not self._leaving:
            self._leave()
        self._set_phase(Phase.IDLE if self._lanes.is_idle() else Phase.RUNNING)
        self._cancel()
        if self._setup.wakeup.stopping or self._leaving:
            self._shut_down()
            return
        if slot.take_reconcile():
            self._settler.uncertain = True
        try:
            if self._settler.uncertain:
                self._reconcile()
            elif not self._intake.may_reserve():
                self._completions.flush()
                self._sleep(0.2)
            elif self._blocking.is_open or not self._is_time_to_reserve() or not self._reserve():
                self._rest()
        except TROUBLE as error:
            self._intake.trouble(error, self._command, self._setup.wakeup.pause)
            if self._setup.link.is_stale():  # both connections were closed for the same reason
                self._setup.link.close()

    def _cancel(self) -> None:
        """Interrupt the run that the supervisor's cancel notice names. The supervisor's signal has ended the sleep."""
        slot, lanes = self._setup.slot, self._lanes
        if (notice := slot.notice.take()) is None:
            return
        if any((one.id, one.started) == (notice.id, notice.started) for one in slot.running()):
            for lane in lanes.busy:
                # While its listeners are called, the message is settled: on_fail must not be interrupted.
                if lane.message.id == notice.id and not lanes.is_announcing(lane):
                    self._control.cancel(lane, notice.by)

    def _is_over(self) -> bool:
        """Return True if there is nothing left to do or to wait for."""
        if not (self._setup.wakeup.stopping or self._leaving):
            if not self._intake.is_spent(self._completions.ended):
                return False
            self._leave()
        self._completions.settle()
        return not self._blocking.is_open and self._completions.is_empty()

    def _leave(self) -> None:
        """Stop reserving, and let another process take this one's place at once."""
        self._leaving = True
        self._set_phase(Phase.LEAVING)
        self._setup.poke()

    def _set_phase(self, phase: Phase) -> None:
        if self._phase is not phase and self._phase is not Phase.LEAVING:
            self._phase = phase
            self._setup.slot.set_phase(phase)

    # ---- reserve

    def _room(self) -> int:
        limit, lanes, completions = self._setup.channel.max_messages, self._lanes, self._completions
        if completions.is_broken or completions.awaits_refusals:  # the event loop hasn't even refused its messages
            return 0
        return min(lanes.room, limit - completions.ended - lanes.busy_count) if limit else lanes.room

    def _is_time_to_reserve(self) -> bool:
        """Return True if there is room. If only acks make it, they wait for those of the messages that are about to begin."""
        completions = self._completions
        return self._room() > 0 and (self._lanes.free > 0 or not (completions.are_beginning or completions.has_news()))

    def _reserve(self) -> bool:
        """Send the pending acks and reserve the next messages. Return False if the queue is empty; a blocking reserve may be open then."""
        setup, settler = self._setup, self._settler
        self._completions.order_acks()
        self._command = command = settler.reserve(self._room())
        settled, known, batch = setup.link.call(command)
        settler.outage.answered(command)
        settler.acks_sent(settled)
        self._completions.acks_sent()
        if batch:
            self._open(batch)
            return True
        if not known:
            # Declared lost, or unknown after a flush: the next heartbeat registers this worker again.
            self._sleep(0.2)
        elif self._room() > 0:
            self._command = self._blocking.command
            self._blocking.open()
        return False

    def _receive(self) -> None:
        self._command = command = self._blocking.command
        batch = self._blocking.receive()
        self._settler.outage.answered(command)
        self._settler.outage.has_room()
        self._open(batch)

    def _open(self, batch: list[bytes]) -> None:
        messages = self._intake.open(batch, self._lanes.known)
        # Other programs may push copies of a message.
        self._lanes.expect(ordered=len({message.id for message in messages}) == len(batch))
        self._begin(messages)

    def _reconcile(self) -> None:
        """Compare with the reserved list in the server.

        A message that the blocking reserve has just returned isn't begun before: it may have been reassigned in the meantime.
        """
        self._command = self._blocking.command
        self._lanes.expect(ordered=False)
        received = self._blocking.close()
        self._completions.flush()
        self._blocking.ensure_ended()
        if received:
            self._settler.restore(received)
        # After the flush, which takes the lock that the supervisor holds while it moves messages of this process.
        if self._setup.slot.uncertain:
            self._sleep(UNCERTAIN_SECONDS)
            return
        self._begin(self._intake.reconcile(self._lanes.known))

    def _begin(self, messages: list[Message]) -> None:
        """Put messages into lanes and start them. Other programs may push copies of a message: only one copy is started.

        A job may have got stuck while this thread waited for the server's reply: then nothing is started.
        """
        if not messages:
            return
        messages = list({message.id: message for message in messages}.values())
        pool, control = self._lanes, self._control
        if len(messages) > pool.free:
            self._completions.flush()
        free = 0 if self._completions.is_broken else pool.free
        messages, beyond = messages[:free], messages[free:]
        self._settler.release("front", [message.id for message in beyond])
        on_loop: list[Lane] = []
        in_threads: list[Lane] = []
        for message in messages:
            opened = control.open(message)
            is_async = opened is not None and opened.spec.is_async
            (on_loop if is_async else in_threads).append(pool.take(message, opened))
        self._setup.slot.lanes.reserve([(lane.number, lane.message.id) for lane in (*on_loop, *in_threads)], monotonic())
        if on_loop:
            control.on_loop(on_loop)
        for lane in in_threads:
            lane.begin_in_thread()

    # ---- sleep

    def _rest(self) -> None:
        """Sleep until there is something to do."""
        blocking, slot = self._blocking, self._setup.slot
        if self._settler.endings and (blocking.is_open or not self._completions.are_beginning):  # callers wait for results
            self._completions.flush()
        timeout = blocking.remaining() if blocking.is_open else 1.0
        if self._settler.done:
            timeout = ACK_SECONDS
        if slot.unstarted():
            timeout = min(timeout, SLOW_SECONDS / 2)
        if self._sleep(timeout, blocking.fileno()):
            self._receive()
        elif blocking.is_open and blocking.remaining() < 0:
            self._command = blocking.command
            self._setup.link.close()  # idle for as long as the other
            blocking.give_up()
        now = monotonic()
        if self._settler.is_due(now):
            self._completions.flush()
        if slot.unstarted() and now - slot.began(now) > SLOW_SECONDS:
            self._release()

    def _sleep(self, timeout: float, fileno: int | None = None) -> bool:
        """Sleep until a lane reports an event, the worker must stop, or the timeout.

        Return True if the descriptor is readable. It is the blocking reserve's, but only where its reply is received next: one that
        stays unread would end each sleep at once.
        """
        wakeup, completions = self._setup.wakeup, self._completions
        wakeup.prepare()
        if completions.has_news():
            timeout = 0.0
        elif completions.are_beginning:  # acks don't end the sleep
            timeout = min(timeout, ACK_SECONDS / 2)
        return wakeup.wait(fileno, timeout)

    def _release(self) -> None:
        """Release unstarted messages. No blocking reserve is open meanwhile: the server would return the same messages at once."""
        self._command = self._blocking.command
        batch = self._blocking.close()
        self._settler.release("front", [message.id for message in self._intake.open(batch, self._lanes.known)])
        self._completions.release_unstarted()

    # ---- the end

    def _shut_down(self) -> None:
        """Release unstarted messages, and wait for the running jobs. Stuck jobs are left to the supervisor."""
        setup, completions = self._setup, self._completions
        try:
            self._release()
        except TROUBLE as error:  # messages whose reply was lost are rescued
            self._settler.uncertain = True
            self._settler.outage.failed(error, self._command)
        completions.flush()
        now, wait = monotonic(), 1.0
        if setup.wakeup.stopping:
            patience = setup.channel.stop_timeout
            if not self._break_off_at:
                self._break_off_at = now + patience - min(1.0, patience / 10)
            wait = self._break_off_at - now
            if wait <= 0:
                self._break_off_at, wait = float("inf"), 1.0
                self._control.break_off(self._lanes.busy)
        if not completions.is_empty():
            self._sleep(min(1.0, wait))
