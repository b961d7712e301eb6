"""Finished runs, added by lanes from any thread and settled by the pump."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Collection

import msgspec

from taskq.clock import monotonic
from taskq.scoreboard.slot import Slot
from taskq.scoreboard.state import Phase
from taskq.worker.concurrent.lane import Announced, Event, Finished, Lane, Refused, Stuck
from taskq.worker.concurrent.lane_pool import LanePool
from taskq.worker.concurrent.wakeup import WakeableWait
from taskq.worker.execute.frames import free_frames
from taskq.worker.execute.places import REPLACED_AFTER_IMPORT
from taskq.worker.execute.verdict import ACKED, Action, Verdict, can_wait
from taskq.worker.process.restore import ProcessState
from taskq.worker.settler import Settler, StoppedUnsettled

__all__ = ["Completions"]

_log = logging.getLogger("taskq.worker")


class Completions:
    """Receives the events of lanes in any thread, and settles their messages in the pump's thread."""

    def __init__(self, settler: Settler, slot: Slot, wakeup: WakeableWait, poke: Callable[[], None]) -> None:
        """`poke` makes the supervisor look at the slot."""
        self.lanes = LanePool()
        #: Number of finished jobs.
        self.ended = 0
        #: True if this process must be replaced: a job is stuck in it, or has broken it.
        self.is_broken = False
        self._has_broken_import = False
        self._settler = settler
        self._slot = slot
        self._wakeup = wakeup
        self._poke = poke
        self._process_state = ProcessState(wakeup.descriptors())
        self._events: deque[Event] = deque()
        #: True if an event has come that must not wait.
        self._is_urgent = False
        #: Runs that are about to begin: on the event loop, and in threads.
        self.beginning: tuple[Collection[object], Collection[object]] = ((), ())
        self._stuck: set[tuple[Lane, int]] = set()
        self._released: set[Lane] = set()

    # ---- called by lanes, in any thread

    @property
    def are_beginning(self) -> bool:
        """True while reserved messages are about to begin. `all_begin` is called after that."""
        on_loop, in_threads = self.beginning
        return bool(on_loop) or bool(in_threads)

    def add(self, event: Event) -> None:
        """Add an event, and wake the pump. Acks don't wake it while other runs are about to begin: one round trip takes the acks of all."""
        self._events.append(event)
        if type(event) is Finished and (event.verdict is ACKED or can_wait(event.verdict)) and self.are_beginning:
            return
        self._is_urgent = True
        if type(event) is Stuck and self.lanes.is_running(event.lane, event.run):
            # Not left to the pump, which may be waiting for the server: the supervisor would consider this process helpless, and kill
            # it together with its other jobs.
            self.is_broken = True
            self._slot.set_phase(Phase.LEAVING)
            self._poke()
        self._wakeup.wake()

    def all_begin(self) -> None:
        """Wake the pump if acks wait: the last of the reserved messages begins, and may take its time."""
        if self._events:
            self._is_urgent = True
            self._wakeup.wake()

    def on_import(self) -> None:
        """Have this process replaced: a job was interrupted in an import."""
        self._has_broken_import = self.is_broken = True
        self._wakeup.wake()

    # ---- the pump's side

    def has_news(self) -> bool:
        """Return True if there are events to settle now."""
        return self._is_urgent

    @property
    def awaits_refusals(self) -> bool:
        """True while lanes haven't noticed that their messages were released: they can't be used before."""
        return bool(self._released)

    def is_empty(self) -> bool:
        """Return True if no job is running, except for stuck ones."""
        return all((lane, lane.run) in self._stuck for lane in self.lanes.busy)

    def settle(self) -> None:
        """Settle the events: acks stay pending until the next round trip, other verdicts are carried out at once."""
        if self._has_broken_import:
            self._has_broken_import = False
            _log.warning(REPLACED_AFTER_IMPORT, os.getpid())
        self._is_urgent = False
        refused = []
        ended = self.ended
        now = monotonic()
        while self._events:
            event = self._events.popleft()
            match event:
                case Finished():
                    self._finish(event.lane, event.verdict, now)
                case Announced():
                    self._free(self.lanes.announced(event.lane))
                case Refused():
                    refused.append(event.lane)
                case Stuck():
                    self._note_stuck(event.lane, event.run)
        if refused:
            self._on_refused(refused)
        if self.ended > ended and not self._process_state.restore():
            self.is_broken = True

    def flush(self) -> None:
        """Send the pending acks."""
        self.order_acks()
        self._settler.flush()
        self.acks_sent()

    def order_acks(self) -> None:
        """Put the pending acks into the order of the reserved list, if they are of its first messages: the server then only cuts."""
        settler = self._settler
        ordered = self.lanes.in_order(settler.done)
        settler.is_ordered = ordered is not None
        settler.done = ordered or settler.done

    def acks_sent(self) -> None:
        """The pending acks were sent: free their lanes."""
        self._free(self.lanes.settled())

    def release_unstarted(self) -> None:
        """Release the messages that lanes haven't started yet: a slow job holds them up, or the worker is stopping."""
        with self._slot.taken_back() as ids:
            if ids:
                self._released |= self.lanes.holding(ids)
                self._settler.release("front", ids)

    def write_off(self) -> None:
        """Discard the events: the server is unreachable. The supervisor settles or rescues their messages."""
        self._is_urgent = False
        while self._events:
            event = self._events.popleft()
            if type(event) is Stuck:
                self._note_stuck(event.lane, event.run)
            else:
                self.lanes.forget(event.lane)

    # ---- one by one

    def _finish(self, lane: Lane, verdict: Verdict, now: float) -> None:
        if verdict is ACKED:  # nearly every run
            self._settler.keep(lane.message.id, now)
            self.lanes.done(lane)
            self._count(failed=False)
        elif can_wait(verdict) and self._slot.lanes.is_done(lane.number):  # otherwise its result doesn't fit into the shared memory
            assert verdict.ending is not None
            self._settler.keep_ending(lane.message.id, verdict.ending, lane.message.raw, now)
            self.lanes.done(lane)
            self._count(failed=False)
        else:
            self._carry_out(lane, verdict)

    def _count(self, *, failed: bool) -> None:
        self.ended += 1
        self._slot.count_job(failed=failed)

    def _free(self, lanes: list[Lane]) -> None:
        self.lanes.release(lanes)
        self._slot.lanes.free([lane.number for lane in lanes])

    def _carry_out(self, lane: Lane, verdict: Verdict) -> None:
        identity, pending = lane.message.id, len(self._settler.done)
        try:
            if verdict.action is Action.RELEASE:
                self._settler.release("front", [identity])
                if (announce := self._announced_by_lane(lane, verdict).announce) is not None:
                    announce()
            else:
                self._count(failed=verdict.action is Action.FAIL)
                self._settler.settle(identity, self._announced_by_lane(lane, verdict), lane.message.raw)
        except StoppedUnsettled:
            self.lanes.forget(lane)
            raise
        if len(self._settler.done) > pending:
            self.lanes.done(lane)
        elif self.lanes.is_announcing(lane):
            self.lanes.mark_settled(lane)
        else:
            self._free([lane])
        if not self.lanes.is_announcing(lane):
            _free_frames(verdict)

    def _announced_by_lane(self, lane: Lane, verdict: Verdict) -> Verdict:
        """Return the same verdict, announced in the lane: listeners and on_fail are the application's code, and may take their time."""
        announce = verdict.announce
        if announce is None:
            return verdict
        call: Callable[[], None] = announce

        def call_and_free() -> None:
            try:
                call()
            finally:
                _free_frames(verdict)

        def hand_over() -> None:
            self.lanes.announcing(lane)
            lane.announce(call_and_free)

        return msgspec.structs.replace(verdict, announce=hand_over)

    def _on_refused(self, lanes: list[Lane]) -> None:
        """Handle messages that could not be claimed: they were released or reassigned, or the server has lost them."""
        slot, settler = self._slot, self._settler
        unknown = [lane.message.raw for lane in lanes if lane not in self._released]
        if unknown and (slot.take_reconcile() or monotonic() - slot.beat > slot.lease):
            settler.uncertain = True
            settler.restore(unknown)
        self.release_unstarted()
        self._released -= set(lanes)
        self._free(lanes)

    def _note_stuck(self, lane: Lane, run: int) -> None:
        if not self.lanes.is_running(lane, run):
            return
        if not self._stuck:
            text = "message %s did not stop at its handle_timeout; replacing this process once its other jobs finish"
            _log.error(text, lane.message.hex_id)
        self._stuck.add((lane, run))
        self.is_broken = True


def _free_frames(verdict: Verdict) -> None:
    if verdict.error is not None:
        free_frames(verdict.error)
