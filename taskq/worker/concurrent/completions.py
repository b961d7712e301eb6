"""Where lanes say how their runs ended, and where the pump then settles them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import msgspec

from taskq.clock import monotonic
from taskq.scoreboard.slot import Record
from taskq.scoreboard.state import Phase
from taskq.worker.concurrent.lane import ANNOUNCED, REFUSED, Lane, Said
from taskq.worker.concurrent.lane_pool import Roster
from taskq.worker.concurrent.wakeup import Sleeper
from taskq.worker.execute.async_runner import BROKEN_OFF
from taskq.worker.execute.verdict import ACKED, Action, Verdict
from taskq.worker.process.restore import Surroundings
from taskq.worker.settler import Gone, Settler

__all__ = ["Till"]

_log = logging.getLogger("taskq.worker")


class Till:
    """Takes in what lanes say in any thread, and settles it in the pump's."""

    def __init__(self, settler: Settler, record: Record, sleeper: Sleeper, poke: Callable[[], None]) -> None:
        """`poke` tells the supervisor to look at the record."""
        self.roster = Roster()
        #: Jobs that have ended.
        self.ended = 0
        #: True when this process must be replaced: a job is stuck in it, or has broken it.
        self.is_broken = False
        self._settler = settler
        self._record = record
        self._sleeper = sleeper
        self._poke = poke
        self._surroundings = Surroundings(sleeper.descriptors())
        self._said: deque[tuple[Lane, Verdict | Said]] = deque()
        self._late: deque[tuple[Lane, int]] = deque()
        self._stuck: set[tuple[Lane, int]] = set()
        self._taken_back: set[Lane] = set()

    # ---- said by the lanes

    def say(self, lane: Lane, said: Verdict | Said) -> None:
        """A lane says how its run ended."""
        self._said.append((lane, said))
        self._sleeper.wake()

    def stuck(self, lane: Lane, run: int) -> None:
        """A run has ignored its limit for the grace."""
        self._late.append((lane, run))
        if self.roster.is_running(lane, run):
            # Not left to the pump, which may be waiting for the server: the supervisor would take this process for helpless, and kill it
            # together with the other jobs.
            self.is_broken = True
            self._record.set_phase(Phase.LEAVING)
            self._poke()
        self._sleeper.wake()

    # ---- the pump's side

    def has_news(self) -> bool:
        """True when lanes have said something that isn't settled."""
        return bool(self._said or self._late)

    @property
    def awaits_refusals(self) -> bool:
        """True while lanes haven't noticed yet that their messages were taken back: they can't be used before."""
        return bool(self._taken_back)

    def is_empty(self) -> bool:
        """True when no job runs, but for those that are stuck."""
        return all((lane, lane.run) in self._stuck for lane in self.roster.busy)

    def settle(self) -> None:
        """Settle what lanes have said: acks are kept for the next trip, everything else is told at once."""
        refused = []
        ended = self.ended
        while self._said:
            lane, said = self._said.popleft()
            if said is ACKED:
                self._settler.keep(lane.message.id, monotonic())
                self.roster.done(lane)
                self._count(failed=False)
            elif said is ANNOUNCED:
                self._free(self.roster.told(lane))
            elif said is REFUSED:
                refused.append(lane)
            elif isinstance(said, Verdict):
                self._carry_out(lane, said)
        if refused:
            self._on_refused(refused)
        while self._late:
            self._note_stuck(*self._late.popleft())
        if self.ended > ended and not self._surroundings.restore():
            self.is_broken = True

    def flush(self) -> None:
        """Tell the server what is done."""
        self._settler.flush()
        self.told()

    def told(self) -> None:
        """The kept acks have been told: their lanes are free."""
        self._free(self.roster.settled())

    def give_back_unstarted(self) -> None:
        """Return what lanes haven't started yet: something keeps them, or the worker ends."""
        with self._record.taken_back() as ids:
            if ids:
                self._taken_back |= self.roster.holding(ids)
                self._settler.give_back("front", ids)

    def write_off(self) -> None:
        """Forget what lanes say: the server can't be told. The supervisor settles or rescues it."""
        while self._said:
            lane, _ = self._said.popleft()
            self.roster.forget(lane)
        while self._late:
            self._note_stuck(*self._late.popleft())

    # ---- one by one

    def _count(self, *, failed: bool) -> None:
        self.ended += 1
        self._record.count_job(failed=failed)

    def _free(self, lanes: list[Lane]) -> None:
        self.roster.release(lanes)
        self._record.lanes.free([lane.number for lane in lanes])

    def _carry_out(self, lane: Lane, verdict: Verdict) -> None:
        identity, kept = lane.message.id, len(self._settler.done)
        try:
            if verdict is BROKEN_OFF:
                self._settler.give_back("front", [identity])
                self._free([lane])
                return
            self._count(failed=verdict.action is Action.FAIL)
            self._settler.settle(identity, self._told_by_lane(lane, verdict), lane.message.raw)
        except Gone:
            self.roster.forget(lane)
            raise
        if len(self._settler.done) > kept:
            self.roster.done(lane)
        elif self.roster.is_telling(lane):
            self.roster.gone(lane)
        else:
            self._free([lane])

    def _told_by_lane(self, lane: Lane, verdict: Verdict) -> Verdict:
        """The same verdict, announced in the lane: listeners and on_fail are the application's code, and may take their time."""
        announce = verdict.announce
        if announce is None:
            return verdict
        tell: Callable[[], None] = announce

        def hand_over() -> None:
            self.roster.tell(lane)
            lane.announce(tell)

        return msgspec.structs.replace(verdict, announce=hand_over)

    def _on_refused(self, lanes: list[Lane]) -> None:
        """Messages that could not be claimed: they were taken back, or may be others' by now, or lost to the server."""
        record, settler = self._record, self._settler
        unknown = [lane.message.raw for lane in lanes if lane not in self._taken_back]
        if unknown and (record.take_reconcile() or monotonic() - record.beat > record.lease):
            settler.doubt = True
            settler.restore(unknown)
        self.give_back_unstarted()
        self._taken_back -= set(lanes)
        self._free(lanes)

    def _note_stuck(self, lane: Lane, run: int) -> None:
        if not self.roster.is_running(lane, run):
            return
        if not self._stuck:
            text = "this process is replaced when its other jobs have ended: message %s ignores its handle_timeout, and can't be stopped"
            _log.error(text, lane.message.hex_id)
        self._stuck.add((lane, run))
        self.is_broken = True
