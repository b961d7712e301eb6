"""The results of the inspector's methods: plain, frozen objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from taskq.channel import State
from taskq.handle.cancel import Cancelled
from taskq.handle.status import Status
from taskq.inspector.entry import Entry, Place, is_job
from taskq.inspector.store import Store
from taskq.inspector.walk import Item

__all__ = ["Cancellation", "Entries", "Listing", "MessageStatus"]


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of one state that `Inspector.entries` has read. Iterate over it, or use `entries`."""

    channel: str
    state: State
    #: Oldest first; in `delayed`, first due.
    entries: tuple[Entry, ...]
    #: The number of messages in the state, of all jobs.
    total: int
    #: True if these are all; False if there may be more, because `limit` or `search` was reached.
    is_complete: bool

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]


class Listing(Iterator[Entry]):
    """An iterator over the messages of one state, returned by `Inspector.iter_entries`.

    It keeps one page of messages in memory. Messages that arrive meanwhile are not included.

    Attributes:
        channel: the channel.
        state: the state.
        total: the number of messages in the state, of all jobs, when the listing began.
        is_complete: True after the last message, unless `limit` or `search` was reached.
    """

    def __init__(
        self,
        place: Place,
        store: Store,
        entry: Callable[[Item, Place], Entry],
        *,
        job: str | None,
        limit: int | None,
        search: int | None,
    ) -> None:
        self.channel = place.channel
        self.state: State = place.state
        self.total = store.count(place.state)
        self.is_complete = False
        self._place = place
        self._store = store
        self._entry = entry
        self._job = job
        self._limit = limit
        self._search = search
        self._found = self._read()

    def __next__(self) -> Entry:
        return next(self._found)

    def _read(self) -> Iterator[Entry]:
        job, place, limit = self._job, self._place, self._limit
        left = self.total if self._search is None else min(self.total, self._search)
        found = 0
        for worker, page in self._store.pages(place.state) if left else ():
            for item in page[:left]:
                if job is not None and not is_job(item.raw, job):
                    continue
                if limit is not None and found >= limit:
                    return
                found += 1
                own = Place(place.channel, place.state, place.now_ms, worker, item.score) if worker or item.score else place
                yield self._entry(item, own)
            left -= len(page)
            if left <= 0:
                break
        self.is_complete = self._search is None or self.total <= self._search


class MessageStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a message, or how it finished if its result is stored."""

    #: The full id: 32 hexadecimal digits.
    id: str
    channel: str
    status: Status

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data, as `taskq show --json` prints it for a finished message."""
        return {"id": self.id, "channel": self.channel, **msgspec.to_builtins(self.status)}


class Cancellation(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of `Inspector.cancel`."""

    #: The full id; the given text if no id begins with it.
    id: str
    #: The channel of the message, or "" if it is in none.
    channel: str
    #: `Cancelled.NOW`, `REQUESTED` or `TOO_LATE`.
    effect: Cancelled

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data
