"""Which fault explains that a message ran once more. What none explains is a fault of taskq."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from taskq.tools.chaos.app import LEASE, STOP_TIMEOUT
from taskq.tools.chaos.ledger import FIRST_ASKED, Birth, Run
from taskq.tools.chaos.stage import Fault

__all__ = ["DEADLY", "SETTLING", "TROUBLE", "Facts"]

DEADLY = frozenset({"child", "zygote", "supervisor", "machine"})
#: The server doesn't answer for longer than a moment.
_AWAY = frozenset({"server", "hang", "pause", "silence", "full"})
#: The server doesn't answer, or its replies don't arrive.
TROUBLE = frozenset({"server", "hang", "connections", "pause", "full", "replies", "late", "silence"})
#: Faults that delay settling. A process logs a failed attempt before it settles it, and that line waits while the log is not read.
_DELAYING = TROUBLE | {"log"}
_SILENT = frozenset({"freeze-long", "freeze-machine"})
_ORDERLY = frozenset({"stop", "restart"})
#: An ack is kept for 10 ms at most, and a failed attempt is logged first; the rest is for processes that wait for a processor.
SETTLING = 0.45
#: A killed supervisor takes its zygote with it, and that its children: until then they may start one more.
_DYING = 0.25
#: How long connections may take to come back after trouble: the longest pause between two tries.
_AFTER_TROUBLE = 5.5


class Facts:
    """The faults: kind, target and time."""

    def __init__(self, faults: Sequence[Fault], births: Sequence[Birth], until: float) -> None:
        """`until` is the end of what hasn't been undone."""
        self._until = until
        self._births: dict[int, list[Birth]] = {}
        for birth in births:
            self._births.setdefault(birth.pid, []).append(birth)
        self.faults = sorted(faults, key=lambda fault: fault.begin)
        self._begins = [fault.begin for fault in self.faults]
        self._trouble = [fault for fault in self.faults if fault.kind in _DELAYING]

    def birth(self, run: Run) -> Birth | None:
        """Return the birth of the process of a run. Process ids are reused: the latest birth before the run counts."""
        found = [one for one in self._births.get(run.pid, ()) if one.at <= run.start]
        return found[-1] if found else None

    def hits(self, fault: Fault, birth: Birth) -> bool:
        """Return True if a fault hit this process."""
        if fault.child:
            return fault.child == birth.pid
        return fault.zygote == birth.zygote if fault.zygote else fault.supervisor == birth.supervisor

    def explain(self, before: Run, after: Run) -> str | None:
        """Return why a message ran again after a run that should have been its last; None when nothing explains it."""
        birth = self.birth(before)
        if birth is None:
            return None
        near = [fault for fault in self._during(before.start - 2 * LEASE - _AFTER_TROUBLE, after.start) if self.hits(fault, birth)]
        # Certain explanations come before possible ones.
        for explain in (self._killed, self._silent, self._expected_ends):
            for fault in near:
                reason = explain(fault, birth, before, after)
                if reason is not None:
                    return f"{fault.kind}: {reason}"
        return None

    def _killed(self, fault: Fault, birth: Birth, before: Run, after: Run) -> str | None:
        if fault.kind not in DEADLY or not before.start - _DYING <= fault.begin <= after.start:
            return None
        if before.end is None or before.end >= fault.begin:
            return "killed while it ran"
        return "killed before it was settled" if self._unsettled(before.end, fault.begin) else None

    def _silent(self, fault: Fault, birth: Birth, before: Run, after: Run) -> str | None:
        if fault.kind not in _SILENT or before.start > self._end(fault):
            return None
        return "given up for dead" if before.end is None or self._unsettled(before.end, fault.begin) else None

    def _expected_ends(self, fault: Fault, birth: Birth, before: Run, after: Run) -> str | None:
        """A process that can't end in time is killed. It can't settle its finished jobs while the server is unreachable."""
        until = fault.begin + STOP_TIMEOUT + SETTLING
        if fault.kind not in _ORDERLY or birth.at > fault.begin or before.start > until:
            return None
        ended = fault.begin if before.end is None else max(before.end, fault.begin)
        is_away = any(one.kind in _AWAY for one in self._troubles(ended - SETTLING, until))
        # Some jobs with a waiting caller yield items. They wait for the server in the middle of their run, and can't end without it.
        if is_away and (before.number >= FIRST_ASKED if before.end is None else self._unsettled(before.end, fault.begin)):
            return "stopped while the server was unreachable"
        if before.end is not None:
            return None
        frozen = (one for one in self._during(fault.begin - 2 * LEASE, until) if one.kind == "freeze-child" and one.child == birth.pid)
        return "stopped while it was frozen" if any(True for _ in frozen) else None

    def _unsettled(self, end: float, fault: float) -> bool:
        """Return True if a run that ended at one moment may not have been settled at another."""
        return fault - end <= SETTLING or any(True for _ in self._troubles(end - SETTLING, fault))

    def _troubles(self, begin: float, end: float) -> Iterator[Fault]:
        return (one for one in self._trouble if one.begin <= end and self._end(one) + _AFTER_TROUBLE >= begin)

    def _during(self, begin: float, end: float) -> Sequence[Fault]:
        return self.faults[bisect_left(self._begins, begin) : bisect_right(self._begins, end)]

    def _end(self, fault: Fault) -> float:
        return self._until if fault.end is None else fault.end
