"""A process between the workers and the server that can fail like a network: lose a reply, deliver a request late, or fall silent.

A lost reply is the fault that costs other queues a job: the server has moved the message, and the worker never receives it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
from pathlib import Path
from typing import Any

from taskq.clock import monotonic
from taskq.supervisor.processes.fork import Connection, die_with_parent, fork, make_pipe

__all__ = ["Relay"]

_CHUNK = 1 << 16


class Relay:
    """The relay as seen by who uses it. Its process ends with its parent."""

    def __init__(self, path: Path, server: Path) -> None:
        self.path = path
        self._orders, there = make_pipe()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(512)
        self._process: Any = fork(_serve, listener, server, there, os.getpid())
        there.close()
        listener.close()

    def lose(self, replies: int) -> None:
        """Throw away the next `count` replies, and cut the connection of each."""
        self._orders.send(("lose", replies))

    def lose_each(self) -> None:
        """Throw away the next reply of every connection, and cut it."""
        self._orders.send(("each", 0))

    def hold_back(self, requests: int, seconds: float, mark: bytes = b"") -> None:
        """Cut the connections of the next requests that contain `mark`, and deliver those to the server `seconds` later."""
        self._orders.send(("late", (requests, seconds, mark)))

    def deliver(self) -> None:
        """Deliver the requests that are held back, and pass on later ones at once."""
        self._orders.send(("deliver", 0))

    def silence(self, seconds: float) -> None:
        """Swallow everything on the connections that are open now, for so long; then cut them."""
        self._orders.send(("silence", seconds))

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self._orders.close()
        self.path.unlink(missing_ok=True)


def _serve(listener: socket.socket, server: Path, orders: Connection, parent: int) -> None:
    os.setsid()
    die_with_parent(parent)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # its parent ends it
    _Switchboard(listener, server, orders).run()


class _Wire:
    """One connection and its continuation to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.pending = {client: bytearray(), server: bytearray()}
        self.cut_at: float | None = None
        self.is_lossy = False
        #: A request whose client is gone, and when the server gets it.
        self.late = b""
        self.late_at: float | None = None

    def other(self, end: socket.socket) -> socket.socket:
        return self.server if end is self.client else self.client


class _Switchboard:
    """Passes bytes on, or not."""

    def __init__(self, listener: socket.socket, server: Path, orders: Connection) -> None:
        self._listener = listener
        self._server = str(server)
        self._orders = orders
        self._wires: set[_Wire] = set()
        self._to_lose = self._to_hold = 0
        self._hold_seconds, self._hold_mark = 0.0, b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(orders, selectors.EVENT_READ)

    def run(self) -> None:
        while True:
            for key, events in self._selector.select(0.05):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._orders:
                    self._obey(*self._orders.recv())
                elif key.data in self._wires:  # it may have been cut since the look
                    self._serve(key.data, key.fileobj, events)
            now = monotonic()
            for wire in [one for one in self._wires if one.cut_at is not None and one.cut_at < now]:
                self._cut(wire)
            for wire in [one for one in self._wires if one.late and one.late_at is not None and one.late_at < now]:
                self._deliver(wire)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._server)
        except OSError:  # the server is down: the client finds its connection closed
            client.close()
            server.close()
            return
        wire = _Wire(client, server)
        self._wires.add(wire)
        for end in (client, server):
            end.setblocking(False)
            self._selector.register(end, selectors.EVENT_READ, wire)

    def _obey(self, order: str, number: Any) -> None:
        if order == "lose":
            self._to_lose = int(number)
        elif order == "late":
            self._to_hold, self._hold_seconds, self._hold_mark = number
        elif order == "deliver":
            self._to_hold = 0
            for wire in self._wires:
                if wire.late_at is not None:
                    wire.late_at = 0.0
        elif order == "each":
            for wire in self._wires:
                wire.is_lossy = True
        else:
            for wire in self._wires:
                wire.cut_at = monotonic() + number

    def _serve(self, wire: _Wire, end: Any, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                if wire.cut_at is not None:
                    wire.pending[end].clear()
                self._write(wire, end)
            if events & selectors.EVENT_READ:
                self._read(wire, end)
        except BlockingIOError:
            return
        except OSError:
            self._cut(wire)

    def _read(self, wire: _Wire, end: socket.socket) -> None:
        data = end.recv(_CHUNK)
        if not data:
            # Replies of a server that has closed a silenced connection must not arrive either.
            if wire.cut_at is None:
                self._cut(wire)
            else:
                self._selector.unregister(end)
            return
        if wire.cut_at is not None:
            return
        if wire.late_at is not None:  # the reply to a late request: nobody waits for it
            self._cut(wire)
            return
        if end is wire.client and self._to_hold and self._hold_mark in data:
            self._to_hold -= 1
            self._keep(wire, data)
            return
        if end is wire.server and (self._to_lose or wire.is_lossy):
            self._to_lose -= not wire.is_lossy
            self._cut(wire)
            return
        target = wire.other(end)
        wire.pending[target] += data
        self._write(wire, target)

    def _write(self, wire: _Wire, end: socket.socket) -> None:
        pending = wire.pending[end]
        with contextlib.suppress(BlockingIOError):
            while pending:
                del pending[: end.send(pending)]
        self._selector.modify(end, selectors.EVENT_READ | (selectors.EVENT_WRITE if pending else 0), wire)

    def _keep(self, wire: _Wire, request: bytes) -> None:
        self._selector.unregister(wire.client)
        wire.client.close()
        wire.late, wire.late_at = request, monotonic() + self._hold_seconds

    def _deliver(self, wire: _Wire) -> None:
        wire.pending[wire.server] += wire.late
        wire.late = b""
        try:
            self._write(wire, wire.server)
        except OSError:  # the server has closed the connection
            self._cut(wire)

    def _cut(self, wire: _Wire) -> None:
        self._wires.discard(wire)
        for end in (wire.client, wire.server):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(end)
            end.close()
