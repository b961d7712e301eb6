"""A simulated connection: it passes each command to the network, and waits in virtual time for the reply."""

from __future__ import annotations

from collections import deque
from typing import Any

from taskq.tools.simulation.party import Party, Source

__all__ = ["Connection"]


class Connection(Source):
    """A double of redis-py's connection, and of its socket, for RedisLink."""

    def __init__(self, network: Any, timeout: float) -> None:
        super().__init__()
        self._network = network
        self._timeout = timeout
        self.number = 0
        self.machine = ""
        #: As CLIENT SETNAME has named it.
        self.name = ""
        #: The party that has opened it.
        self.owner: Party | None = None
        #: True once the client can't use it any more.
        self.is_broken = False
        #: True once the server has closed it: a command in transit is never executed then.
        self.is_cut = False
        #: Nothing on it arrives before this moment, in either direction.
        self.silent_until = 0.0
        self._arrives = 0.0
        self.replies: deque[Any] = deque()
        self._sock: Connection | None = None

    # ---- as a connection

    def connect(self) -> None:
        if self._sock is None:
            self._network.connect(self)
            self._sock = self

    def disconnect(self) -> None:
        if self._sock is not None:
            self._sock = None
            self._network.closed(self)

    def pack_command(self, *words: Any) -> list[bytes]:
        return [self._network.pack(words)]

    def read_response(self) -> Any:
        world = self._network.world
        if not world.wait(self.is_readable, self._timeout, (self,)):
            raise TimeoutError("Timeout reading from socket")
        if not self.replies:
            raise ConnectionError("Connection closed by server.")
        reply = self.replies.popleft()
        if isinstance(reply, Exception):
            raise reply
        return reply

    def can_read(self, timeout: float = 0) -> bool:
        return self.is_readable()

    # ---- as a socket

    def sendall(self, data: bytes) -> None:
        for words in self._network.unpack(data):
            if self.is_broken:
                raise ConnectionError("Error 32 while writing to socket. Broken pipe.")
            self._network.submit(self, words)

    def fileno(self) -> int:
        return self.number

    def is_readable(self) -> bool:
        return bool(self.replies) or self.is_broken

    # ---- for the network

    def arrival(self, latency: float, held: float) -> float:
        """Return when what is sent now arrives: never before what was sent earlier."""
        now = self._network.world.now
        self._arrives = max(self._arrives, self.silent_until, now + latency) + held
        return self._arrives

    def reply(self, reply: Any) -> None:
        """Let a reply arrive."""
        self.replies.append(reply)
        self.changed()

    def break_off(self) -> None:
        """Let the client see that the connection is closed."""
        self.is_broken = True
        self.changed()
