"""The real server below the simulated network: runs the real scripts with the virtual clock, and reads where each message is."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from taskq.driver.redis.address import Address
from taskq.driver.redis.scripts import load_script, script_names
from taskq.wire.message import REMOVED

__all__ = ["NOW", "Snapshot", "Store"]

#: The key from which the scripts read the time instead of asking the server.
NOW = "taskq:simulated:now"
#: Reads every place of a channel: lists and sorted sets with messages as (head, score), other keys by name alone.
_LOOK = """
local out, lists, sets = {}, {waiting = true}, {delayed = true, failed = true, timeout = true, parked = true}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  local name, heads = string.sub(key, #ARGV[1] + 1), {}
  if lists[name] or string.sub(name, 1, 9) == 'reserved:' then
    for i, raw in ipairs(redis.call('LRANGE', key, 0, -1)) do heads[i] = string.sub(raw, 1, 20) end
  elseif sets[name] then
    local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do heads[i] = string.sub(all[i], 1, 20) heads[i + 1] = all[i + 1] end
  end
  out[#out + 1] = name
  out[#out + 1] = heads
end
return out
"""
_SHA = hashlib.sha1(_LOOK.encode(), usedforsecurity=False).hexdigest()


class Snapshot(NamedTuple):
    """Where each message is, by its id; and the keys that exist."""

    #: The place of each message: "waiting", "delayed", ..., or "reserved:" and the worker. More than one is an error.
    places: dict[bytes, list[str]]
    #: When each delayed message is due, by the server's clock in milliseconds.
    due: dict[bytes, float]
    #: The number of counted attempts in the head of each message.
    attempts: dict[bytes, int]
    keys: frozenset[str]


#: The real one: while a simulation runs, another takes its place.
_connect = Address.connection
EMPTY = Snapshot({}, {}, {}, frozenset())
_MESSAGES = ("waiting", "delayed", "failed", "timeout", "parked")


class Store:
    """One connection to the real server."""

    def __init__(self, url: str, prefix: str) -> None:
        self._connection: Any = _connect(Address(url), "x", 30.0)
        self._tag = "{" + prefix + "}:"
        self._look: bytes = self._packed("EVALSHA", _SHA, 0, self._tag)
        self._now = 0
        self._is_loaded = False
        self.is_full = False
        #: What was read last: most commands change no place.
        self._seen: list[Any] = []
        self._snapshot = EMPTY

    def open(self) -> None:
        """Empty the server, and prepare it."""
        self._connection.connect()
        self._reader = self._connection._parser._reader
        self._no_reply = self._reader.gets()
        self._send(("FLUSHDB",), ("CONFIG", "SET", "maxmemory", "0"))
        if not self._is_loaded:  # all of them: whether a script must be sent first may not depend on earlier runs
            self._send(*(("SCRIPT", "LOAD", text) for text in (_LOOK, *(load_script(name).text for name in script_names()))))
            self._is_loaded = True
        self._now = 0
        self.is_full = False

    def flush_scripts(self) -> None:
        """Let the server forget the scripts, as a restart does."""
        self._send(("SCRIPT", "FLUSH"), ("SCRIPT", "LOAD", _LOOK))
        self._is_loaded = False

    def close(self) -> None:
        self._connection.disconnect()

    def execute(self, words: tuple[Any, ...], now_ms: int, *, look: bool) -> tuple[Any, Snapshot | None]:
        """Run one command at a moment of the server's clock; return its reply (or its error), and with `look` what is stored then."""
        sent = []
        if now_ms != self._now:
            sent.append(self._packed("SET", NOW, str(now_ms)))
            self._now = now_ms
        if self.is_full:  # only for this command: the simulation itself must write
            sent.append(self._packed("CONFIG", "SET", "maxmemory", "1"))
        index = len(sent)
        sent.append(self._packed(*words))
        if self.is_full:
            sent.append(self._packed("CONFIG", "SET", "maxmemory", "0"))
        if look:
            sent.append(self._look)
        replies = self._exchange(sent)
        return replies[index], self._read(replies[-1]) if look else None

    def _packed(self, *words: Any) -> bytes:
        return b"".join(self._connection.pack_command(*words))

    def _send(self, *commands: tuple[Any, ...]) -> list[Any]:
        return self._exchange([self._packed(*words) for words in commands])

    def _exchange(self, sent: list[bytes]) -> list[Any]:
        """Send packed commands and return their replies, errors too. This is done without redis-py, which takes several times as long."""
        sock, reader = self._connection._sock, self._reader
        replies: list[Any] = []
        sock.sendall(b"".join(sent))
        while len(replies) < len(sent):
            if (reply := reader.gets()) is not self._no_reply:
                replies.append(reply)
            elif data := sock.recv(65536):
                reader.feed(data)
            else:
                raise ConnectionError("the server of the simulation closed the connection")
        return replies

    def _read(self, reply: Any) -> Snapshot:
        if isinstance(reply, Exception):
            raise reply
        if reply == self._seen:
            return self._snapshot
        self._seen = reply
        places: dict[bytes, list[str]] = {}
        due: dict[bytes, float] = {}
        attempts: dict[bytes, int] = {}
        names = []
        for key, heads in zip(reply[::2], reply[1::2], strict=True):
            name = key.decode()
            names.append(name)
            if name == "waiting" or name.startswith("reserved:"):
                for head in heads:
                    if head[0] == REMOVED:
                        continue
                    places.setdefault(head[2:18], []).append(name)
                    attempts[head[2:18]] = int.from_bytes(head[18:20], "big")
            elif name in _MESSAGES:
                for head, score in zip(heads[::2], heads[1::2], strict=True):
                    places.setdefault(head[2:18], []).append(name)
                    attempts[head[2:18]] = int.from_bytes(head[18:20], "big")
                    if name == "delayed":
                        due[head[2:18]] = float(score)
        self._snapshot = Snapshot(places, due, attempts, frozenset(names))
        return self._snapshot
