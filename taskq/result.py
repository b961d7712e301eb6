"""What push returns."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Handle", "Withdrawer"]


class Withdrawer(Protocol):
    """Who can take a message back: the queue."""

    def withdraw(self, channel: str, payload: bytes) -> bool: ...


class Handle:
    """Names one pushed message."""

    __slots__ = ("_payload", "_queue", "channel", "id")

    def __init__(self, queue: Withdrawer, channel: str, message_id: str, payload: bytes) -> None:
        self.id = message_id
        self.channel = channel
        self._queue = queue
        self._payload = payload

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
