"""The results of the inspector's methods: plain, frozen objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from taskq.channel import State
from taskq.handle.cancel import Cancelled
from taskq.handle.status import Status
from taskq.inspector.entry import Entry

__all__ = ["Cancellation", "Entries", "MessageStatus"]


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
