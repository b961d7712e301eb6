"""The pump's bookkeeping: which lanes are free, which are busy, and which only wait for their message to be settled."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice

from taskq.wire.message import Message
from taskq.worker.concurrent.lane import Lane
from taskq.worker.execute.unpacker import Opened

__all__ = ["LanePool"]


class LanePool:
    """The lanes of one worker process, as its pump sees them."""

    def __init__(self) -> None:
        self._free: list[Lane] = []
        self._busy: dict[int, Lane] = {}
        #: Lanes whose messages the server may still have reserved for this worker, by message id, in the order of the reserved list.
        self._known: dict[bytes, Lane] = {}
        self._is_ordered = True
        #: Lanes whose run is done and whose ack is pending.
        self._done: dict[int, Lane] = {}
        #: Lanes whose listeners are running.
        self._announcing: set[int] = set()
        #: How many lanes are both: with a pending ack, and announcing.
        self._both = 0

    def add(self, lanes: Iterable[Lane]) -> None:
        """Add free lanes."""
        # The last freed lane is used first: this starts the fewest threads, and its data is still in the caches.
        self._free += reversed(list(lanes))

    @property
    def known(self) -> Collection[bytes]:
        """The ids of the unsettled messages in lanes."""
        return self._known.keys()

    @property
    def busy(self) -> list[Lane]:
        """The lanes whose jobs or listeners are running."""
        return [lane for lane in self._busy.values() if lane.number not in self._done or lane.number in self._announcing]

    @property
    def busy_count(self) -> int:
        """The number of lanes whose jobs or listeners are running."""
        return len(self._busy) - len(self._done) + self._both

    @property
    def room(self) -> int:
        """The number of messages to reserve, if the pending acks are sent with the reserve."""
        return len(self._free) + len(self._done) - self._both

    @property
    def free(self) -> int:
        """The number of free lanes."""
        return len(self._free)

    def is_idle(self) -> bool:
        """Return True if every lane is empty."""
        return not self._busy

    def is_running(self, lane: Lane, run: int) -> bool:
        """Return True while that run of the lane is not over."""
        return lane.run == run and self._busy.get(lane.number) is lane and lane.number not in self._done

    def is_announcing(self, lane: Lane) -> bool:
        """Return True while the lane's listeners are running."""
        return lane.number in self._announcing

    def take(self, message: Message, opened: Opened | None) -> Lane:
        """Put a message into a free lane."""
        lane = self._free.pop()
        lane.take(message, opened)
        self._busy[lane.number] = self._known[message.id] = lane
        return lane

    def expect(self, *, ordered: bool) -> None:
        """Note whether the next messages follow the known ones in the reserved list, in this order and without copies."""
        self._is_ordered = ordered and (self._is_ordered or not self._known)

    def in_order(self, ids: list[bytes]) -> list[bytes] | None:
        """Return these ids in the order of the reserved list, if they are its first, as far as known; otherwise None.

        Then it is enough to compare both ends: messages that have left the list since can't have been between them.
        """
        first = list(islice(self._known, len(ids)))
        return first if self._is_ordered and set(first) == set(ids) else None

    def holding(self, ids: Iterable[bytes]) -> set[Lane]:
        """Return the lanes of these messages, except for settled ones."""
        return {self._known[identity] for identity in ids if identity in self._known}

    def done(self, lane: Lane) -> None:
        """Note that the run is done and its ack is pending."""
        self._done[lane.number] = lane
        self._both += lane.number in self._announcing

    def announcing(self, lane: Lane) -> None:
        """Note that the lane's listeners are running."""
        self._announcing.add(lane.number)
        self._both += lane.number in self._done

    def mark_settled(self, lane: Lane) -> None:
        """Note that the message is settled. It may be reserved again, for another lane, while this lane's listeners still run."""
        if self._known.get(lane.message.id) is lane:
            del self._known[lane.message.id]

    def announced(self, lane: Lane) -> list[Lane]:
        """Note that the lane's listeners have returned. Return the lane if it is free now."""
        self._announcing.discard(lane.number)
        if lane.number not in self._done:
            return [lane]
        self._both -= 1
        return []

    def settled(self) -> list[Lane]:
        """Note that the pending acks were sent. Return the lanes that are free now."""
        lanes = list(self._done.values())
        self._done.clear()
        self._both = 0
        for lane in lanes:
            self.mark_settled(lane)
        if not self._announcing:
            return lanes
        return [lane for lane in lanes if lane.number not in self._announcing]

    def release(self, lanes: Iterable[Lane]) -> None:
        """Note that these lanes are free."""
        for lane in lanes:
            self.mark_settled(lane)
            del self._busy[lane.number]
            self._free.append(lane)

    def forget(self, lane: Lane) -> None:
        """Stop waiting for this lane. It is not used again."""
        self.mark_settled(lane)
        self._busy.pop(lane.number, None)
