"""What push returns."""

from __future__ import annotations

from typing import Protocol

import msgspec

__all__ = ["Handle", "Withdrawer"]


class Withdrawer(Protocol):
    """Who can take a message back: the queue."""

    def withdraw(self, channel: str, payload: bytes) -> bool: ...


class Handle(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Names one pushed message."""

    # Nothing refers back to a handle, so the garbage collector need not look at it: of a large push there are very many.
    _queue: Withdrawer
    channel: str
    id: str
    _payload: bytes

    def delete(self) -> bool:
        """Withdraw the message. Returns True when it was still pending (delayed or waiting), False when it was too late.

        Raises:
            ServerUnavailable: the server doesn't answer.
        """
        return self._queue.withdraw(self.channel, self._payload)

    def __repr__(self) -> str:
        return f"<Handle {self.id} in {self.channel}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)
