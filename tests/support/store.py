"""What lies in the server: the messages of a channel by state, and keys that nobody should have left there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from taskq.channel import Keys, State
from taskq.wire.history import Record, records
from taskq.wire.message import Message
from tests.support.groups import Place

if TYPE_CHECKING:
    from tests.support.servers import RedisClient

__all__ = ["Store"]

#: What may be there when no worker runs: messages, and the token that wakes supervisors.
_ALLOWED = re.compile(r"\{[^}]+\}:(waiting|delayed|failed|timeout|parked|wake)")
#: What must end by itself.
_PASSING = re.compile(r"\{[^}]+\}:((once|result|parts|reading|progress|calls):.+|cancels|scanned)")


class Store:
    """A channel's keys, read directly, wherever they lie at the moment."""

    def __init__(self, place: Place, prefix: str = "queue") -> None:
        self._place = place
        self.keys = Keys(prefix)

    @property
    def client(self) -> RedisClient:
        """A client of the server that holds the channel now."""
        return self._place.admin_of(self.keys.waiting)

    def raw(self, state: State) -> list[bytes]:
        """Return the messages of a state, the next (or oldest) first."""
        key = self.keys.of(state)
        if state is State.WAITING:
            return list(reversed(self.client.lrange(key, 0, -1)))
        return list(self.client.zrange(key, 0, -1))

    def count(self, state: State) -> int:
        """Return how many messages are in a state."""
        return len(self.raw(state))

    def messages(self, state: State) -> list[Message]:
        """Return the messages of a state, read."""
        return [Message(raw) for raw in self.raw(state)]

    def history(self, state: State) -> list[Record]:
        """Return the history of the only message of a state."""
        (message,) = self.messages(state)
        return self.records(message)

    @staticmethod
    def records(message: Message) -> list[Record]:
        """Return the history of a message."""
        return records(message.history_bytes())

    def workers(self) -> dict[str, dict[str, str]]:
        """Return what each registered worker tells of itself."""
        names = [name.decode() for name in self.client.zrange(self.keys.workers, 0, -1)]
        return {name: self._reported(name) for name in names}

    def reserved(self) -> list[bytes]:
        """Return what the registered workers have reserved."""
        return [raw for name in self.workers() for raw in self.client.lrange(self.keys.reserved(name), 0, -1)]

    def leaks(self) -> list[str]:
        """Return the keys, of all channels, that are no messages and that nobody should leave behind."""
        keys = sorted(key.decode() for key in self.client.scan_iter(count=1000))
        unknown = [key for key in keys if not _ALLOWED.fullmatch(key)]
        return [key for key in unknown if not (_PASSING.fullmatch(key) and self.client.pttl(key) > 0)]

    def _reported(self, name: str) -> dict[str, str]:
        return {key.decode(): value.decode() for key, value in self.client.hgetall(self.keys.worker(name)).items()}
