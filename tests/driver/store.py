"""One channel on a real server, driven through the driver's commands and looked at through a plain client."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Any

from taskq.channel import State
from taskq.config import ChannelSettings
from taskq.driver.contract import Command
from taskq.driver.redis.driver import RedisDriver
from taskq.wire.history import pack_record, record_of
from taskq.wire.message import Message, encode, make_body, new_id
from tests.support.acl import make_user
from tests.support.groups import Place
from tests.support.servers import ServerProcess

__all__ = ["LEASE_MS", "RECORD", "GuardedStore", "Store", "crashes", "id_of", "message"]

LEASE_MS = 15_000
#: What a supervisor adds to the history of a message that it blames.
RECORD = pack_record(record_of("crashed", "worker-1", 1, "signal 9"))


def message(text: str = "x", *, attempts: int = 0, crashes: int = 0, flags: int = 0) -> bytes:
    """Make a message whose arguments are `text`."""
    made = Message(encode(new_id(), make_body("tests:job", text.encode()), flags))
    return made.changed(attempts=attempts, crashes=crashes)


def crashes(raw: bytes) -> int:
    """How often a message has crashed its worker."""
    return Message(raw).crashes


def id_of(raw: bytes) -> bytes:
    """The 16 bytes by which the scripts know a message."""
    return raw[2:18]


class Store:
    """A channel and the lists of its messages."""

    def __init__(self, server: Place, prefix: str, **settings: Any) -> None:
        self.driver = RedisDriver(server.url, ChannelSettings(name="tests", channel=prefix, **settings))
        self.keys = self.driver.keys
        self.client: Any = server.client_of(self.keys.waiting)
        self.link = self.driver.link()

    def do(self, command: Command) -> Any:
        """Send a command and return the reply."""
        return self.link.call(command)

    def close(self) -> None:
        """Close the connection; the client is closed with its server."""
        self.link.close()

    def register(self, *workers: str) -> None:
        """Let workers beat once."""
        for worker in workers:
            self.do(self.driver.heartbeat(worker, {"pid": 1}, lease_ms=LEASE_MS, register=True))

    def push(self, *messages: bytes) -> None:
        """Push messages."""
        self.do(self.driver.push(messages))

    def reserve(self, worker: str, count: int = 100, done: Sequence[bytes] = ()) -> list[bytes]:
        """Reserve and return messages; the worker must be registered."""
        _, known, messages = self.do(self.driver.reserve(worker, count, done))
        assert known == 1
        return list(messages)

    def reserved_by(self, worker: str, *messages: bytes) -> None:
        """Bring messages into the reserved list of a worker, and register it."""
        self.register(worker)
        self.push(*messages)
        self.client.rpush(self.keys.reserved(worker), *self.client.rpop(self.keys.waiting, len(messages)))

    def now(self) -> int:
        """The server's time in milliseconds."""
        seconds, micro = self.client.time()
        return int(seconds) * 1000 + int(micro) // 1000

    @property
    def waiting(self) -> list[bytes]:
        """What waits, what is reserved next first."""
        return list(reversed(self.client.lrange(self.keys.waiting, 0, -1)))

    def reserved(self, worker: str) -> list[bytes]:
        """What a worker has reserved, in its order."""
        return list(self.client.lrange(self.keys.reserved(worker), 0, -1))

    def in_state(self, state: State) -> list[bytes]:
        """The messages of a sorted set, lowest score first."""
        return list(self.client.zrange(self.keys.of(state), 0, -1))

    @property
    def delayed(self) -> list[bytes]:
        """What is delayed, the first due first."""
        return self.in_state(State.DELAYED)

    def due(self, raw: bytes) -> int:
        """When a delayed message is due, in the server's milliseconds."""
        return int(self.client.zscore(self.keys.delayed, raw))

    @property
    def tokens(self) -> int:
        """How many tokens lie there to wake a supervisor."""
        return int(self.client.llen(self.keys.wake))

    def everything(self) -> list[bytes]:
        """All messages of the channel, wherever they are."""
        found = list(self.waiting)
        for key in self.client.scan_iter(self.keys.reserved("*")):
            found += self.client.lrange(key, 0, -1)
        for state in (State.DELAYED, State.FAILED, State.TIMEOUT, State.PARKED):
            found += self.in_state(state)
        return found

    def leaks(self) -> list[str]:
        """The keys that are none of the channel's, or that should go by themselves and won't."""
        known = rf"{re.escape(self.keys.tag)}:(waiting|delayed|failed|timeout|parked|wake|workers|reserved:.+)"
        passing = rf"{re.escape(self.keys.tag)}:((worker|once|result|parts|reading|progress|calls):.+|cancels)"
        found = sorted(key.decode() for key in self.client.scan_iter(count=1000))
        unknown = [key for key in found if not re.fullmatch(known, key)]
        return [key for key in unknown if not (re.fullmatch(passing, key) and self.client.pttl(key) > 0)]


class GuardedStore(Store):
    """A channel whose moves are made by ACL users with only the permissions of the guide."""

    def __init__(self, server: ServerProcess, prefix: str, **settings: Any) -> None:
        super().__init__(server, prefix, **settings)
        self._stack = ExitStack()
        self._links = {}
        for user in ("shop-push", "shop-producer", "shop-worker", "shop-operator", "shop-caller"):
            driver = RedisDriver(make_user(server, user, prefix), ChannelSettings(name="tests", channel=prefix))
            self._links[user] = self._stack.enter_context(closing(driver.link()))

    def do(self, command: Command) -> Any:
        return self._links[self._user(command)].call(command)

    def close(self) -> None:
        self._stack.close()
        super().close()

    def _user(self, command: Command) -> str:
        script = command.script.name if command.script else ""
        if command.move == "push":
            return "shop-producer" if script else "shop-push"
        if script == "delete":
            return "shop-producer"
        if command.move in ("look", "wait", "find", "read", "request_cancel") or script == "cancel":
            return "shop-caller"
        if command.move in ("list", "info", "delete", "flush"):
            return "shop-operator"
        # What is parked comes back by a worker, or by an operator.
        return "shop-operator" if script == "restore" and command.words[1] != self.keys.parked else "shop-worker"
