"""The slots that zygotes give to their worker processes."""

from __future__ import annotations

from collections import deque

from taskq.scoreboard.slot import Scoreboard, Slot
from taskq.supervisor.processes.fork import make_lock

__all__ = ["Slots"]

#: Slots for children beyond the settings (for SIGTTIN). Twice as many are created: a rolling restart has old and new children at once.
_SPARE = 16


class Slots:
    """A scoreboard for a number of children, and its free slots. Zygotes inherit it, so it can't grow."""

    def __init__(self, processes: int) -> None:
        self.scoreboard = Scoreboard([make_lock() for _ in range(2 * (processes + _SPARE))])
        self._free = deque(range(len(self.scoreboard)))

    def __len__(self) -> int:
        return len(self.scoreboard)

    def __getitem__(self, index: int) -> Slot:
        return self.scoreboard[index]

    def has_room(self, processes: int) -> bool:
        """Return True if there are enough slots for this number of children, with some to spare."""
        return processes <= len(self) // 2 - _SPARE

    def take(self) -> int | None:
        """Return the index of a free slot, which now is in use; None if there is none."""
        return self._free.popleft() if self._free else None

    def free(self, index: int) -> None:
        """Mark a slot as free."""
        self._free.append(index)
