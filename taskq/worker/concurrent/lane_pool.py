"""Which lanes are free, which are at work, and which wait only for their message to be settled: the pump's bookkeeping."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextvars import Context

from taskq.wire.message import Message
from taskq.worker.concurrent.lane import Lane

__all__ = ["LanePool"]


class LanePool:
    """The lanes of one worker, as its pump sees them."""

    def __init__(self) -> None:
        self._free: list[Lane] = []
        self._busy: dict[int, Lane] = {}
        #: Whose messages the server may still hold for this worker, by their ids.
        self._known: dict[bytes, Lane] = {}
        #: Whose message is done, and whose ack isn't told yet.
        self._done: dict[int, Lane] = {}
        #: Whose listeners are being told.
        self._announcing: set[int] = set()

    def add(self, lanes: Iterable[Lane]) -> None:
        """Add free lanes."""
        # The last freed is used first: the fewest threads are started, and what they touched is still warm.
        self._free += reversed(list(lanes))

    @property
    def known(self) -> Collection[bytes]:
        """The ids of the messages in lanes that aren't settled."""
        return self._known.keys()

    @property
    def busy(self) -> list[Lane]:
        """The lanes whose jobs, or their listeners, run."""
        return [lane for lane in self._busy.values() if lane.number not in self._done or lane.number in self._announcing]

    @property
    def room(self) -> int:
        """How many messages can be taken, when the acks are told with them."""
        return len(self._free) + len(self._done) - len(self._announcing & self._done.keys())

    @property
    def free(self) -> int:
        """How many messages can be taken at once."""
        return len(self._free)

    def is_idle(self) -> bool:
        """True when nothing is in any lane."""
        return not self._busy

    def is_running(self, lane: Lane, run: int) -> bool:
        """True while that run of the lane isn't over."""
        return lane.run == run and self._busy.get(lane.number) is lane and lane.number not in self._done

    def is_announcing(self, lane: Lane) -> bool:
        """True while the lane's listeners are being told."""
        return lane.number in self._announcing

    def take(self, message: Message, context: Context) -> Lane:
        """Put a message into a free lane."""
        lane = self._free.pop()
        lane.take(message, context)
        self._busy[lane.number] = self._known[message.id] = lane
        return lane

    def holding(self, ids: Iterable[bytes]) -> set[Lane]:
        """The lanes of these messages, as far as they aren't settled."""
        return {self._known[identity] for identity in ids if identity in self._known}

    def done(self, lane: Lane) -> None:
        """Its message is done, and its ack is kept for the next trip."""
        self._done[lane.number] = lane

    def announcing(self, lane: Lane) -> None:
        """Its listeners are being told."""
        self._announcing.add(lane.number)

    def mark_settled(self, lane: Lane) -> None:
        """Its message is settled. It may come back at once, for another lane, while the listeners of this one are still being told."""
        if self._known.get(lane.message.id) is lane:
            del self._known[lane.message.id]

    def announced(self, lane: Lane) -> list[Lane]:
        """Its listeners have been told. Returns it, when nothing else keeps it."""
        self._announcing.discard(lane.number)
        return [] if lane.number in self._done else [lane]

    def settled(self) -> list[Lane]:
        """The acks are told. Returns the lanes that nothing else keeps."""
        lanes = list(self._done.values())
        self._done.clear()
        for lane in lanes:
            self.mark_settled(lane)
        return [lane for lane in lanes if lane.number not in self._announcing]

    def release(self, lanes: Iterable[Lane]) -> None:
        """These lanes are free."""
        for lane in lanes:
            self.mark_settled(lane)
            del self._busy[lane.number]
            self._free.append(lane)

    def forget(self, lane: Lane) -> None:
        """Wait for this lane no more. It isn't used again."""
        self.mark_settled(lane)
        self._busy.pop(lane.number, None)
