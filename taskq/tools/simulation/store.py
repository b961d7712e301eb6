"""The real server below the simulated network: runs the real scripts with the virtual clock, and reads where each message is."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from taskq.driver.redis.address import Address
from taskq.driver.redis.scripts import load_script, script_names

__all__ = ["NOW", "Snapshot", "Store"]

#: The key from which the scripts read the time instead of asking the server.
NOW = "taskq:simulated:now"
#: Reads every place of a channel: lists and sorted sets with messages as (head, score), other keys by name alone.
_LOOK = """
local out = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local kind, heads = redis.call('TYPE', key).ok, {}
  if kind == 'list' then
    for i, raw in ipairs(redis.call('LRANGE', key, 0, -1)) do heads[i] = string.sub(raw, 1, 20) end
  elseif kind == 'zset' then
    local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do heads[#heads + 1] = string.sub(all[i], 1, 20) heads[#heads + 1] = all[i + 1] end
  end
  out[#out + 1] = key
  out[#out + 1] = heads
end
return out
"""
_SHA = hashlib.sha1(_LOOK.encode(), usedforsecurity=False).hexdigest()


class Snapshot(NamedTuple):
    """Where each message is, by its id; and the keys that exist."""

    #: The place of each message: "waiting", "delayed", ..., or "reserved:" and the worker. More than one is a fault.
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
        self._now = 0
        self._is_loaded = False
        self.is_full = False

    def open(self) -> None:
        """Empty the server, and prepare it."""
        self._connection.connect()
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
        before: list[tuple[Any, ...]] = []
        after: list[tuple[Any, ...]] = []
        if now_ms != self._now:
            before.append(("SET", NOW, now_ms))
            self._now = now_ms
        if self.is_full:  # only for this command: the simulation itself must write
            before.append(("CONFIG", "SET", "maxmemory", "1"))
            after.append(("CONFIG", "SET", "maxmemory", "0"))
        if look:
            after.append(("EVALSHA", _SHA, 0, self._tag + "*"))
        replies = self._send(*before, words, *after)
        return replies[len(before)], self._read(replies[-1]) if look else None

    def _send(self, *commands: tuple[Any, ...]) -> list[Any]:
        connection = self._connection
        connection.send_packed_command(connection.pack_commands(commands))
        return [self._reply() for _ in commands]

    def _reply(self) -> Any:
        try:
            return self._connection.read_response()
        except OSError:
            raise
        except Exception as error:  # an error reply: the sender gets it
            return error

    def _read(self, reply: Any) -> Snapshot:
        if isinstance(reply, Exception):
            raise reply
        places: dict[bytes, list[str]] = {}
        due: dict[bytes, float] = {}
        attempts: dict[bytes, int] = {}
        names = []
        for key, heads in zip(reply[::2], reply[1::2], strict=True):
            name = key.decode().removeprefix(self._tag)
            names.append(name)
            if name == "waiting" or name.startswith("reserved:"):
                for head in heads:
                    places.setdefault(head[2:18], []).append(name)
                    attempts[head[2:18]] = int.from_bytes(head[18:20], "big")
            elif name in _MESSAGES:
                for head, score in zip(heads[::2], heads[1::2], strict=True):
                    places.setdefault(head[2:18], []).append(name)
                    attempts[head[2:18]] = int.from_bytes(head[18:20], "big")
                    if name == "delayed":
                        due[head[2:18]] = float(score)
        return Snapshot(places, due, attempts, frozenset(names))
