"""A service manager's end of the notify socket."""

from __future__ import annotations

import os
import socket
import struct
import time

__all__ = ["NotifyInbox"]


class NotifyInbox:
    """Receives the datagrams that a service sends to NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(b"\0" + os.fsencode(address[1:]) if address.startswith("@") else address)
        #: The process ids of the senders.
        self.senders: set[int] = set()
        self.received: list[str] = []

    def take(self) -> list[str]:
        """Return what has arrived since the last call."""
        before = len(self.received)
        while self._receive(socket.MSG_DONTWAIT):
            pass
        return self.received[before:]

    def wait_for(self, beginning: str, timeout: float = 30.0) -> str:
        """Wait for another message that begins so, and return it."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            if self._receive(0) and self.received[-1].startswith(beginning):
                return self.received[-1]
        raise AssertionError(f"no {beginning} came, but {self.received}")

    def _receive(self, flags: int) -> bool:
        try:
            data, [(_, _, credentials)], _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(12), flags)
        except (BlockingIOError, TimeoutError):
            return False
        self.senders.add(struct.unpack("3i", credentials)[0])
        self.received.append(data.decode())
        return True

    def close(self) -> None:
        self._socket.close()
