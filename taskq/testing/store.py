"""The messages of a recording, in memory: the same states and moves as on a server."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from taskq.channel import State
from taskq.clock import now_ms
from taskq.wire.message import message_id

__all__ = ["WORKER", "ChannelStore", "Store", "Stream"]

#: The id of the worker that runs jobs in the test's process.
WORKER = "testing"


class DelayedMessage(NamedTuple):
    """A delayed message. Ordered by due time, then by the order of the pushes."""

    due_ms: int
    number: int
    raw: bytes


class Stream:
    """The items of one generator job, as a server stores them."""

    def __init__(self) -> None:
        self.run = b""
        self.start = self.wrote = 0
        self.entries: list[tuple[int, bytes, bytes]] = []

    def add(self, kind: bytes, data: bytes = b"") -> None:
        """Append an item or a mark."""
        self.wrote += 1
        self.entries.append((self.wrote, kind, data))

    def read(self, after: int, count: int) -> list[Any]:
        """Return the next entries, in the form of a server's reply."""
        found = [entry for entry in self.entries if entry[0] > max(after, self.start)][:count]
        return [[b"%d-0" % number, [kind, data]] for number, kind, data in found]


class ChannelStore:
    """The messages of one channel, by state. In `waiting`, each has the number that orders it among all channels."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, bytes]] = []
        self.delayed: list[DelayedMessage] = []
        self.reserved: dict[bytes, bytes] = {}
        #: failed, timeout and parked: the time of the move, and the message.
        self.inactive: dict[State, list[tuple[int, bytes]]] = {State.FAILED: [], State.TIMEOUT: [], State.PARKED: []}

    def messages(self, state: State) -> list[tuple[int, bytes]]:
        """Return the messages of a state, oldest first, each with its score."""
        if state is State.WAITING:
            return list(self.waiting)
        if state is State.DELAYED:
            return [(later.due_ms, later.raw) for later in sorted(self.delayed)]
        return list(self.inactive[state])

    def remove(self, state: State, raw: bytes) -> bool:
        """Remove a message from a state. Return False if it isn't there."""
        if state is State.DELAYED:
            kept = [later for later in self.delayed if later.raw != raw]
            found, self.delayed = len(kept) < len(self.delayed), kept
            return found
        listed = self.waiting if state is State.WAITING else self.inactive[state]
        for index, (_, one) in enumerate(listed):
            if one == raw:
                del listed[index]
                return True
        return False

    def clear(self) -> None:
        """Remove all messages, except those that are running."""
        self.waiting.clear()
        self.delayed.clear()
        for listed in self.inactive.values():
            listed.clear()


class Store:
    """All channels of a recording, and the clock that decides when their messages are due."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.places: dict[Any, ChannelStore] = {}
        self.travelled_ms = 0
        self._number = 0
        self._expiring: dict[tuple[str, str], tuple[int, Any]] = {}

    def now_ms(self) -> int:
        """Return the time of the test, plus the time that it has travelled."""
        return now_ms() + self.travelled_ms

    # ---- messages

    def add(self, place: ChannelStore, raws: Any) -> None:
        """Append messages to waiting."""
        for raw in raws:
            self._number += 1
            place.waiting.append((self._number, raw))

    def add_later(self, place: ChannelStore, due_ms: int, raw: bytes) -> None:
        """Add a message that is due at a time of this clock."""
        self._number += 1
        place.delayed.append(DelayedMessage(due_ms, self._number, raw))

    def take(self) -> tuple[Any, bytes] | None:
        """Reserve the oldest message that is due, of all channels. Return the key of its place, and the message."""
        with self.lock:
            self._promote()
            keys = [key for key, place in self.places.items() if place.waiting]
            if not keys:
                return None
            key = min(keys, key=lambda one: self.places[one].waiting[0][0])
            place = self.places[key]
            _, raw = place.waiting.pop(0)
            place.reserved[message_id(raw)] = raw
            return key, raw

    def has_due(self) -> bool:
        """Return True if a message is due."""
        with self.lock:
            self._promote()
            return any(place.waiting for place in self.places.values())

    def pending(self) -> set[str]:
        """Return the ids of the messages that are waiting or delayed."""
        with self.lock:
            raws = [raw for place in self.places.values() for _, raw in (*place.waiting, *place.messages(State.DELAYED))]
            return {message_id(raw).hex() for raw in raws}

    def next_due_ms(self) -> int | None:
        """Return when the next delayed message is due, or None if nothing is delayed."""
        with self.lock:
            return min((later.due_ms for place in self.places.values() for later in place.delayed), default=None)

    def _promote(self) -> None:
        now = self.now_ms()
        due = [(later, place) for place in self.places.values() for later in place.delayed if later.due_ms <= now]
        for later, place in sorted(due, key=lambda one: one[0]):
            place.delayed.remove(later)
            self.add(place, (later.raw,))

    # ---- values that expire

    def keep(self, kind: str, name: str, value: Any, ttl_ms: int) -> None:
        """Store a value for some time of this clock."""
        self._expiring[kind, name] = (self.now_ms() + ttl_ms, value)

    def kept(self, kind: str, name: str) -> Any:
        """Return a stored value, or None if it is missing or has expired."""
        until, value = self._expiring.get((kind, name), (0, None))
        return value if until > self.now_ms() else None

    def forget(self, kind: str, name: str) -> None:
        """Remove a stored value."""
        self._expiring.pop((kind, name), None)

    def clear(self) -> None:
        """Remove all messages and values."""
        with self.lock:
            self._expiring.clear()
            for place in self.places.values():
                place.clear()
