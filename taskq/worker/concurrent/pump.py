"""The pump of a worker that runs several jobs at once: a thread that reserves what there is room for, and settles what has ended.

It talks to the server while jobs run beside it, so one that blocks the event loop keeps no other from being settled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Context
from typing import NamedTuple

from taskq.clock import monotonic
from taskq.config import ChannelSettings
from taskq.driver.contract import Command, Driver, Link
from taskq.scoreboard.slot import Record
from taskq.scoreboard.state import SLOW_SECONDS, Phase
from taskq.wire.message import Message
from taskq.worker.concurrent.blocking_reserve import TROUBLE, Ear
from taskq.worker.concurrent.completions import Till
from taskq.worker.concurrent.lane import Lane
from taskq.worker.concurrent.lane_pool import Roster
from taskq.worker.concurrent.wakeup import Sleeper
from taskq.worker.intake import Intake
from taskq.worker.settler import ACK_SECONDS, Gone, Settler

__all__ = ["Crew", "Post", "Pump"]

_log = logging.getLogger("taskq.worker")


class Post(NamedTuple):
    """Where the pump stands: what it works for, and with what."""

    driver: Driver
    link: Link
    record: Record
    worker: str
    channel: ChannelSettings
    sleeper: Sleeper
    #: Tells the supervisor to look at the record.
    poke: Callable[[], None]


class Crew(NamedTuple):
    """How lanes are told to begin: those of coroutine jobs together, on the event loop."""

    #: The context variables that jobs begin with.
    context: Context
    is_async: Callable[[Message], bool]
    on_loop: Callable[[list[Lane]], None]
    #: Cancels the tasks of lanes.
    break_off: Callable[[list[Lane]], None]
    #: Ends a lane's job, which somebody has cancelled.
    cancel: Callable[[Lane, str], None]


class Pump:
    """Runs until told to stop, or until this process has done its share, and all jobs have ended or are stuck."""

    def __init__(self, post: Post, crew: Crew, settler: Settler, intake: Intake, till: Till) -> None:
        self._post, self._crew = post, crew
        self._settler, self._intake, self._till = settler, intake, till
        self._roster: Roster = till.roster
        self._ear = Ear(post.driver, post.driver.link(5.0), post.worker, post.channel.lease)
        self._command: Command = self._ear.command
        self._leaving = False
        self._break_off_at = 0.0
        self._phase = Phase.STARTING

    def run(self) -> None:
        """Pump, until it is over."""
        try:
            while not self._is_over():
                self._turn()
            self._till.flush()
        except Gone:
            _log.warning("stopped while the server didn't answer; what is unsettled will be rescued")
            while not self._till.is_empty():
                self._sleep(1.0)
                self._till.write_off()

    def _turn(self) -> None:
        record = self._post.record
        self._till.settle()
        if self._till.is_broken and not self._leaving:
            self._leave()
        self._set_phase(Phase.IDLE if self._roster.is_idle() else Phase.RUNNING)
        if self._post.sleeper.stopping or self._leaving:
            self._see_out()
            return
        if record.take_reconcile():
            self._settler.doubt = True
        self._cancel()
        try:
            if self._settler.doubt:
                self._reconcile()
            elif not self._intake.may_reserve():
                self._till.flush()
                self._sleep(0.2)
            elif self._ear.is_open or self._room() <= 0 or not self._reserve():
                self._rest()
        except TROUBLE as error:
            self._intake.trouble(error, self._command, self._post.sleeper.pause)

    def _cancel(self) -> None:
        """Tell a lane that its job is cancelled, when the supervisor says so: its signal has ended the sleep."""
        if (order := self._post.record.notice.take()) is not None:
            for lane in self._roster.busy:
                if lane.message.id == order[0]:
                    self._crew.cancel(lane, order[1])

    def _is_over(self) -> bool:
        """True when nothing is to be done, or waited for, any more."""
        if not (self._post.sleeper.stopping or self._leaving):
            if not self._intake.is_spent(self._till.ended):
                return False
            self._leave()
        self._till.settle()
        return not self._ear.is_open and self._till.is_empty()

    def _leave(self) -> None:
        """Reserve no more, and let another process take this one's place at once."""
        self._leaving = True
        self._set_phase(Phase.LEAVING)
        self._post.poke()

    def _set_phase(self, phase: Phase) -> None:
        if self._phase is not phase and self._phase is not Phase.LEAVING:
            self._phase = phase
            self._post.record.set_phase(phase)

    # ---- reserve

    def _room(self) -> int:
        if self._till.awaits_refusals:  # the event loop doesn't even refuse what it was given
            return 0
        limit, roster = self._post.channel.max_messages, self._roster
        return min(roster.room, limit - self._till.ended - len(roster.busy)) if limit else roster.room

    def _reserve(self) -> bool:
        """Tell the kept acks and take the next messages. False: there are none, and the server is asked to wake us."""
        post = self._post
        self._command = command = post.driver.reserve(post.worker, self._room(), self._settler.done)
        _, known, batch = post.link.call(command)
        self._settler.outage.answered(command)
        self._settler.told()
        self._till.told()
        if batch:
            self._begin(self._intake.open(batch, self._roster.known))
            return True
        if not known:
            # Given up for dead, or the server has forgotten everything: the next heartbeat registers this worker again.
            self._sleep(0.2)
        elif self._room() > 0:
            self._command = self._ear.command
            self._ear.open()
        return False

    def _hear(self) -> None:
        self._command = command = self._ear.command
        batch = self._ear.hear()
        self._settler.outage.answered(command)
        self._settler.outage.has_room()
        self._begin(self._intake.open(batch, self._roster.known))

    def _reconcile(self) -> None:
        """Ask what the reserved list really holds.

        A message that the ear has just brought isn't begun before: in the meantime it may have been given to others.
        """
        self._command = self._ear.command
        heard = self._ear.close()
        self._till.flush()
        if heard:
            self._settler.restore(heard)
        self._begin(self._intake.reconcile(self._roster.known))

    def _begin(self, messages: list[Message]) -> None:
        """Put messages into lanes, and start those. Of copies of one message, which only other programs make, one is started."""
        if not messages:
            return
        messages = list({message.id: message for message in messages}.values())
        roster, crew = self._roster, self._crew
        if len(messages) > roster.free:
            self._till.flush()
        messages, beyond = messages[: roster.free], messages[roster.free :]
        self._settler.give_back("front", [message.id for message in beyond])
        lanes = [roster.take(message, crew.context) for message in messages]
        self._post.record.lanes.reserve([(lane.number, lane.message.id) for lane in lanes], monotonic())
        on_loop = [lane for lane in lanes if crew.is_async(lane.message)]
        if on_loop:
            crew.on_loop(on_loop)
        chosen = {lane.number for lane in on_loop}
        for lane in lanes:
            if lane.number not in chosen:
                lane.begin_in_thread()

    # ---- sleep

    def _rest(self) -> None:
        """Sleep until there is something to do."""
        ear, record = self._ear, self._post.record
        timeout = ear.remaining() if ear.is_open else 1.0
        if self._settler.done:
            timeout = ACK_SECONDS
        if record.unstarted():
            timeout = min(timeout, SLOW_SECONDS / 2)
        if self._sleep(timeout):
            self._hear()
        elif ear.is_open and ear.remaining() < 0:
            self._command = ear.command
            ear.give_up()
        now = monotonic()
        if self._settler.is_due(now):
            self._till.flush()
        if record.unstarted() and now - record.began(now) > SLOW_SECONDS:
            self._give_back()

    def _sleep(self, timeout: float) -> bool:
        """Sleep until a lane says something, the worker is told to stop, or time is over. True: the server has said something."""
        sleeper = self._post.sleeper
        sleeper.lie_down()
        return sleeper.sleep(self._ear.fileno(), 0.0 if self._till.has_news() else timeout)

    def _give_back(self) -> None:
        """Return what isn't started. The server must not give us the same again at once: it is asked for nothing meanwhile."""
        self._command = self._ear.command
        batch = self._ear.close()
        self._settler.give_back("front", [message.id for message in self._intake.open(batch, self._roster.known)])
        self._till.give_back_unstarted()

    # ---- the end

    def _see_out(self) -> None:
        """Give back what isn't started, and wait for the rest; what is stuck is left to the supervisor."""
        post, till = self._post, self._till
        try:
            self._give_back()
        except TROUBLE as error:  # what the server has moved here without our hearing of it is rescued
            self._settler.doubt = True
            self._settler.outage.failed(error, self._command)
        till.flush()
        now, wait = monotonic(), 1.0
        if post.sleeper.stopping:
            patience = post.channel.stop_timeout
            if not self._break_off_at:
                self._break_off_at = now + patience - min(1.0, patience / 10)
            wait = self._break_off_at - now
            if wait <= 0:
                self._break_off_at, wait = float("inf"), 1.0
                self._crew.break_off(self._roster.busy)
        if not till.is_empty():
            self._sleep(min(1.0, wait))
