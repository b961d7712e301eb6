"""A relay between a client and a server, on a loopback port, that can lose, hold back and delay what goes through it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from taskq.polling import wait_for

__all__ = ["Relay"]

_SIZE = 1 << 20


class Relay:
    """Passes everything on until it is told otherwise. Use it with `with`; `url` is where clients connect.

    Requests and replies are told apart by their direction; what arrives in one piece is taken for one, which is right for a
    client that waits for each reply.
    """

    def __init__(self, target: Path | tuple[str, int]) -> None:
        """Relay to a Unix socket, or to a host and port."""
        self.target = target
        #: Every request that came, those that were lost included.
        self.requests: list[bytes] = []
        #: How many connections were made.
        self.connections = 0
        #: Seconds that every reply comes late.
        self.delay = 0.0
        #: True: what goes through arrives one byte at a time.
        self.splitting = False
        #: Seconds without a byte after which a connection is closed, as by a proxy; 0: never. For connections that are made later.
        self.patience = 0.0
        #: True: connections are accepted and closed at once.
        self.refusing = False
        self._lost_requests = 0
        self._lost_replies = 0
        self._swallowed = 0
        self._marks: list[bytes] = []
        self._spared: dict[bytes, int] = {}
        self._wanted: _Wanted | None = None
        self._kept: tuple[_Pair, bytes] | None = None
        self._open = threading.Event()
        self._open.set()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._pairs: list[_Pair] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"redis://127.0.0.1:{self._door.getsockname()[1]}/0"

    def lose_request(self, count: int = 1) -> None:
        """Lose the next requests: the server never sees them, and the client's connection breaks."""
        self._lost_requests = count

    def lose_reply(self, count: int = 1) -> None:
        """Lose the next replies: the server has done what it was asked, and the client's connection breaks."""
        self._lost_replies = count

    def lose_reply_to(self, mark: bytes, *, spared: int = 0) -> None:
        """Lose the reply to the next request that has this in it: a command's name, or the digest of a script. So many go through first."""
        self._marks.append(mark)
        self._spared[mark] = spared

    @property
    def is_armed(self) -> bool:
        """True while a request that `lose_reply_to` waits for hasn't come."""
        return bool(self._marks)

    def keep_request(self, mark: bytes, *, of: bytes = b"", not_of: bytes = b"", cut: bool = True) -> None:
        """Keep the next request that has this in it on its way, until `deliver`.

        Args:
            mark: a command's name, or the digest of a script.
            of: only on a connection that has carried a request with this in it.
            not_of: not on a connection that has.
            cut: break the client's connection; otherwise the client waits until its own timeout.
        """
        self._wanted = _Wanted(mark, of, not_of, cut)

    @property
    def has_kept(self) -> bool:
        """True while a request is kept on its way."""
        return self._kept is not None

    def deliver(self) -> bytes:
        """Let the server have the request that was kept, and return its reply; nothing if it has closed the connection before."""
        assert self._kept is not None, "no request was kept"
        (pair, data), self._kept = self._kept, None
        pair.send(pair.server, data)
        assert pair.is_over.wait(10), "the server neither answers nor closes the connection"
        return pair.reply

    def swallow_reply(self, count: int = 1) -> None:
        """Swallow the next replies: the connection stays, and the client waits in vain."""
        self._swallowed = count

    def hold(self) -> None:
        """Keep everything back, in both directions, until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Let go what was kept back."""
        self._open.set()

    def hush(self) -> None:
        """From now on lose whatever the connections that there are carry, also their ends: each side still believes in the other."""
        with self._lock:
            for pair in self._pairs:
                pair.is_mute = True

    def cut(self) -> None:
        """Break every connection there is."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.close(for_good=True)

    def close(self) -> None:
        """Break everything and stop."""
        self._stopped.set()
        self._open.set()
        # Closing alone doesn't wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            self.connections += 1
            if self.refusing or self._stopped.is_set():
                client.close()
                continue
            try:
                pair = _Pair(client, _connect(self.target), self.patience)
            except OSError:
                client.close()
                continue
            for end in (client, pair.server):
                if end.family == socket.AF_INET:  # pieces shall leave as pieces
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append(pair)
            for pump in (self._pump_requests, self._pump_replies):
                thread = threading.Thread(target=pump, args=(pair,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pump_requests(self, pair: _Pair) -> None:
        while data := pair.receive(pair.client):
            self.requests.append(data)
            self._open.wait()
            if self._lost_requests > 0:
                self._lost_requests -= 1
                break
            if (wanted := self._wanted) is not None and wanted.is_met(pair, data):
                self._wanted = None
                pair.is_kept = True
                self._kept = pair, data
                if wanted.cut:
                    pair.client.shutdown(socket.SHUT_RDWR)
                    pair.client.close()
                return
            pair.carried.append(data)
            for mark in [mark for mark in self._marks if mark in data]:
                if self._spared[mark]:
                    self._spared[mark] -= 1
                    continue
                self._marks.remove(mark)
                pair.loses_reply = True
            pair.send(pair.server, data, split=self.splitting)
        pair.close()

    def _pump_replies(self, pair: _Pair) -> None:
        while data := pair.receive(pair.server):
            if pair.is_kept:
                pair.reply = data
                break
            self._open.wait()
            if self.delay:
                self._stopped.wait(self.delay)
            if self._lost_replies > 0:
                self._lost_replies -= 1
                break
            if pair.loses_reply:
                break
            if self._swallowed > 0:
                self._swallowed -= 1
                continue
            pair.send(pair.client, data, split=self.splitting)
        pair.is_over.set()
        pair.close()


class _Wanted(NamedTuple):
    """Which request to keep on its way."""

    mark: bytes
    of: bytes
    not_of: bytes
    cut: bool

    def is_met(self, pair: _Pair, data: bytes) -> bool:
        before = b"".join(pair.carried)
        return self.mark in data and self.of in before and not (self.not_of and self.not_of in before)


class _Pair:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket, patience: float) -> None:
        self._patience = patience
        self._last = time.monotonic()
        self.client = client
        self.server = server
        self.loses_reply = False
        self.is_mute = False
        #: The requests that went through.
        self.carried: list[bytes] = []
        #: True: a request of this connection is on its way, and its client is gone.
        self.is_kept = False
        #: What the server replied to that request.
        self.reply = b""
        #: Set once the server has closed the connection, or has answered that request.
        self.is_over = threading.Event()

    def receive(self, source: socket.socket) -> bytes:
        try:
            while self._patience and not wait_for([source], max(0.0, left := self._last + self._patience - time.monotonic())):
                if left <= 0:
                    return b""
            data = source.recv(_SIZE)
        except (OSError, ValueError):  # the other thread has closed it
            return b""
        self._last = time.monotonic()
        return data

    def send(self, target: socket.socket, data: bytes, *, split: bool = False) -> None:
        if self.is_mute:
            return
        with contextlib.suppress(OSError):
            for piece in [data[index : index + 1] for index in range(len(data))] if split else [data]:
                target.sendall(piece)

    def close(self, *, for_good: bool = False) -> None:
        if self.is_mute and not for_good:
            return  # nobody hears of the end
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _connect(target: Path | tuple[str, int]) -> socket.socket:
    if isinstance(target, tuple):
        return socket.create_connection(target)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(target))
    return connection
