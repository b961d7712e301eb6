"""Where lanes say how their runs ended, and where the pump then settles them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import msgspec

from taskq.clock import monotonic
from taskq.scoreboard.slot import Slot
from taskq.scoreboard.state import Phase
from taskq.worker.concurrent.lane import ANNOUNCED, REFUSED, Lane, Said
from taskq.worker.concurrent.lane_pool import LanePool
from taskq.worker.concurrent.wakeup import WakeableWait
from taskq.worker.execute.async_runner import BROKEN_OFF
from taskq.worker.execute.verdict import ACKED, Action, Verdict
from taskq.worker.process.restore import ProcessState
from taskq.worker.settler import Reassigned, Settler

__all__ = ["Completions"]

_log = logging.getLogger("taskq.worker")


class Completions:
    """Takes in what lanes say in any thread, and settles it in the pump's."""

    def __init__(self, settler: Settler, slot: Slot, wakeup: WakeableWait, poke: Callable[[], None]) -> None:
        """`poke` tells the supervisor to look at the record."""
        self.lanes = LanePool()
        #: Jobs that have ended.
        self.ended = 0
        #: True when this process must be replaced: a job is stuck in it, or has broken it.
        self.is_broken = False
        self._settler = settler
        self._slot = slot
        self._wakeup = wakeup
        self._poke = poke
        self._process_state = ProcessState(wakeup.descriptors())
        self._events: deque[tuple[Lane, Verdict | Said]] = deque()
        self._late: deque[tuple[Lane, int]] = deque()
        self._stuck: set[tuple[Lane, int]] = set()
        self._taken_back: set[Lane] = set()

    # ---- said by the lanes

    def add(self, lane: Lane, event: Verdict | Said) -> None:
        """A lane says how its run ended."""
        self._events.append((lane, event))
        self._wakeup.wake()

    def stuck(self, lane: Lane, run: int) -> None:
        """A run has ignored its limit for the grace."""
        self._late.append((lane, run))
        if self.lanes.is_running(lane, run):
            # Not left to the pump, which may be waiting for the server: the supervisor would take this process for helpless, and kill it
            # together with the other jobs.
            self.is_broken = True
            self._slot.set_phase(Phase.LEAVING)
            self._poke()
        self._wakeup.wake()

    # ---- the pump's side

    def has_news(self) -> bool:
        """True when lanes have said something that isn't settled."""
        return bool(self._events or self._late)

    @property
    def awaits_refusals(self) -> bool:
        """True while lanes haven't noticed yet that their messages were taken back: they can't be used before."""
        return bool(self._taken_back)

    def is_empty(self) -> bool:
        """True when no job runs, but for those that are stuck."""
        return all((lane, lane.run) in self._stuck for lane in self.lanes.busy)

    def settle(self) -> None:
        """Settle what lanes have said: acks are kept for the next trip, everything else is told at once."""
        refused = []
        ended = self.ended
        while self._events:
            lane, event = self._events.popleft()
            if event is ACKED:
                self._settler.keep(lane.message.id, monotonic())
                self.lanes.done(lane)
                self._count(failed=False)
            elif event is ANNOUNCED:
                self._free(self.lanes.announced(lane))
            elif event is REFUSED:
                refused.append(lane)
            elif isinstance(event, Verdict):
                self._carry_out(lane, event)
        if refused:
            self._on_refused(refused)
        while self._late:
            self._note_stuck(*self._late.popleft())
        if self.ended > ended and not self._process_state.restore():
            self.is_broken = True

    def flush(self) -> None:
        """Tell the server what is done."""
        self._settler.flush()
        self.acks_sent()

    def acks_sent(self) -> None:
        """The kept acks have been told: their lanes are free."""
        self._free(self.lanes.settled())

    def release_unstarted(self) -> None:
        """Return what lanes haven't started yet: something keeps them, or the worker ends."""
        with self._slot.taken_back() as ids:
            if ids:
                self._taken_back |= self.lanes.holding(ids)
                self._settler.release("front", ids)

    def write_off(self) -> None:
        """Forget what lanes say: the server can't be told. The supervisor settles or rescues it."""
        while self._events:
            lane, _ = self._events.popleft()
            self.lanes.forget(lane)
        while self._late:
            self._note_stuck(*self._late.popleft())

    # ---- one by one

    def _count(self, *, failed: bool) -> None:
        self.ended += 1
        self._slot.count_job(failed=failed)

    def _free(self, lanes: list[Lane]) -> None:
        self.lanes.release(lanes)
        self._slot.lanes.free([lane.number for lane in lanes])

    def _carry_out(self, lane: Lane, verdict: Verdict) -> None:
        identity, kept = lane.message.id, len(self._settler.done)
        try:
            if verdict is BROKEN_OFF:
                self._settler.release("front", [identity])
                self._free([lane])
                return
            self._count(failed=verdict.action is Action.FAIL)
            self._settler.settle(identity, self._announced_by_lane(lane, verdict), lane.message.raw)
        except Reassigned:
            self.lanes.forget(lane)
            raise
        if len(self._settler.done) > kept:
            self.lanes.done(lane)
        elif self.lanes.is_announcing(lane):
            self.lanes.mark_settled(lane)
        else:
            self._free([lane])

    def _announced_by_lane(self, lane: Lane, verdict: Verdict) -> Verdict:
        """The same verdict, announced in the lane: listeners and on_fail are the application's code, and may take their time."""
        announce = verdict.announce
        if announce is None:
            return verdict
        announcing: Callable[[], None] = announce

        def hand_over() -> None:
            self.lanes.announcing(lane)
            lane.announce(announcing)

        return msgspec.structs.replace(verdict, announce=hand_over)

    def _on_refused(self, lanes: list[Lane]) -> None:
        """Messages that could not be claimed: they were taken back, or may be others' by now, or lost to the server."""
        slot, settler = self._slot, self._settler
        unknown = [lane.message.raw for lane in lanes if lane not in self._taken_back]
        if unknown and (slot.take_reconcile() or monotonic() - slot.beat > slot.lease):
            settler.uncertain = True
            settler.restore(unknown)
        self.release_unstarted()
        self._taken_back -= set(lanes)
        self._free(lanes)

    def _note_stuck(self, lane: Lane, run: int) -> None:
        if not self.lanes.is_running(lane, run):
            return
        if not self._stuck:
            text = "this process is replaced when its other jobs have ended: message %s ignores its handle_timeout, and can't be stopped"
            _log.error(text, lane.message.hex_id)
        self._stuck.add((lane, run))
        self.is_broken = True
