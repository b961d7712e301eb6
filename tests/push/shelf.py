"""What was pushed into a channel, decoded."""

from __future__ import annotations

from typing import Any, NamedTuple

from taskq.channel import Keys
from taskq.wire.codec import load_arguments, serializer_of_code
from taskq.wire.message import Message
from taskq.wire.signing import Signer
from tests.support.servers import ServerProcess

__all__ = ["Seen", "Shelf"]


class Seen(NamedTuple):
    """One message in the server."""

    id: str
    job: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    flags: int


class Shelf:
    """Reads the states that a push can reach."""

    def __init__(self, server: ServerProcess, prefix: str, signer: Signer | None = None) -> None:
        self.client: Any = server.admin
        self.keys = Keys(prefix)
        self._signer = signer

    def waiting(self) -> list[Seen]:
        """What waits, the oldest first."""
        return [self._seen(raw) for raw in reversed(self.client.lrange(self.keys.waiting, 0, -1))]

    def delayed(self) -> list[Seen]:
        """What is delayed, the first due first."""
        return [self._seen(raw) for raw in self.client.zrange(self.keys.delayed, 0, -1)]

    def only(self) -> Seen:
        """The one message that waits."""
        (found,) = self.waiting()
        return found

    def dues(self) -> list[int]:
        """When the delayed messages are due, in milliseconds of the server's clock."""
        return [int(score) for _, score in self.client.zrange(self.keys.delayed, 0, -1, withscores=True)]

    def now(self) -> int:
        """The server's time in milliseconds."""
        seconds, micro = self.client.time()
        return int(seconds) * 1000 + int(micro) // 1000

    def run(self) -> list[Any]:
        """Call what waits, as a worker would by its built-in jobs: an object's handle(), or a callable."""
        results = []
        for seen in self.waiting():
            first, *rest = seen.args
            results.append(first.handle() if seen.job == "taskq:object" else first(*rest, **seen.kwargs))
        return results

    def _seen(self, raw: bytes) -> Seen:
        message = Message(raw)
        body = message.body(self._signer)
        args, kwargs = load_arguments(serializer_of_code(body.serializer), body.arguments)
        return Seen(message.hex_id, body.job, args, kwargs, body.options or {}, int(message.flags))
