"""The simulated network: the scheduler decides when and whether each command arrives at the server."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from typing import Any

from taskq.driver.redis.scripts import load_script, script_names
from taskq.tools.simulation.network.connection import Connection
from taskq.tools.simulation.network.request import READS, Request, as_text, is_idle
from taskq.tools.simulation.party import Death
from taskq.tools.simulation.store import Snapshot, Store
from taskq.tools.simulation.world import World

__all__ = ["Network"]

_INDEX = struct.Struct("=I")
#: Keys that supervisors poll. Only commands after which the places are read change them.
_POLLED = ("delayed", "cancels", "parked")


@cache
def _scripts() -> dict[str, str]:
    """Return the names of the scripts by their hashes."""
    return {load_script(name).sha: name for name in script_names()}


def _polled_key(request: Request) -> str:
    """Return the first key of a command that polls, without the channel's tag; "" for any other command."""
    if request.name == "promote":
        return str(request.words[3]).rpartition(":")[2]
    return str(request.words[1]).rpartition(":")[2] if request.name in ("HGETALL", "ZCARD") else ""


class Network:
    """All connections of the simulated system, and the real server behind them."""

    def __init__(self, world: World, store: Store) -> None:
        self.world = world
        self.store = store
        self.connections: dict[int, Connection] = {}
        #: Machines without a network, and until when.
        self.cut_off: dict[str, float] = {}
        self.steps = 0
        #: The server's replies to polls of keys that didn't exist. Most commands of a quiet system are such polls.
        self._idle_replies: dict[tuple[Any, ...], Any] = {}
        #: The keys that exist, without the channel's tag.
        self._keys: frozenset[str] = frozenset()
        self._packed: list[tuple[Any, ...]] = []
        self._moves: dict[str, int] = {}
        self._blocked: list[tuple[Request, float]] = []
        self._scripts = _scripts()
        #: Called for each command that is sent: faults happen here.
        self.on_send: Callable[[Request, int, int], object] = lambda request, step, occurrence: None
        #: Called for each command that the server has executed.
        self.on_executed: Callable[[Request, Any, Snapshot | None], object] = lambda request, reply, snapshot: None
        #: Commands that a fault holds back: the end waits for them.
        self.held = 0

    # ---- for connections

    def pack(self, words: tuple[Any, ...]) -> bytes:
        """Return bytes that stand for a command: only `unpack` reads them."""
        self._packed.append(words)
        return _INDEX.pack(len(self._packed) - 1)

    def unpack(self, data: bytes) -> list[tuple[Any, ...]]:
        return [self._packed[index] for (index,) in _INDEX.iter_unpack(data)]

    def connect(self, connection: Connection) -> None:
        world = self.world
        party = world.current
        machine = party.machine if party is not None else ""
        world.sleep(world.random.uniform(0.0001, 0.001))
        if self.cut_off.get(machine, 0.0) > world.now:
            world.sleep(5.0)
            if self.cut_off[machine] > world.now:
                raise TimeoutError("Timeout connecting to server")
        connection.machine, connection.owner = machine, party
        connection.number = 1_000_000 + len(self.connections)
        self.connections[connection.number] = connection

    def closed(self, connection: Connection) -> None:
        """The client has closed it. The server may notice late, and until then it executes commands in transit."""
        world = self.world
        connection.break_off()
        late = world.random.uniform(0.0001, 0.001) if world.random.random() < 0.7 else world.random.uniform(0.01, 3.0)
        world.at(connection.arrival(late, 0.0), lambda: self.cut(connection))

    def cut(self, connection: Connection) -> None:
        """Close it on the server's side."""
        connection.is_cut = True
        self._blocked = [one for one in self._blocked if one[0].connection is not connection]
        connection.break_off()

    def submit(self, connection: Connection, words: tuple[Any, ...]) -> None:
        world = self.world
        party = world.current
        if party is None or party.is_dead:
            raise Death
        request = Request(connection, words, self._name(words), party.name)
        self.steps += 1
        occurrence = self._moves[request.name] = self._moves.get(request.name, 0) + 1
        self.on_send(request, self.steps, occurrence)
        if request.is_dropped or request.held:
            world.trace(party.name, f"{request} -> {f'held for {request.held:g} s' if request.held else 'lost'}")
        if request.is_dropped:
            if request.breaks:
                self.cut(connection)
        else:
            self._carry(request, self._execute)
            if request.is_repeated:
                self._carry(request, self._repeat)
        if party.is_dead:
            raise Death

    def _carry(self, request: Request, execute: Callable[[Request], object]) -> None:
        self.held += request.held > 0

        def arrive() -> None:
            self.held -= request.held > 0
            if not request.connection.is_cut:
                execute(request)

        world = self.world
        world.at(request.connection.arrival(world.random.uniform(0.00005, 0.0005), request.held), arrive)

    # ---- the server

    def _execute(self, request: Request) -> None:
        words, name = request.words, request.name
        if name in ("BLMOVE", "BLPOP"):
            seconds = float(words[-1])
            if not self._try_blocking(request):
                until = self.world.now + seconds
                self._blocked.append((request, until))
                self.world.at(until, self._end_blocking)
            return
        if name.startswith("CLIENT"):
            self._answer(request, self._client(request))
        elif name == "TIME":
            milliseconds = self.world.server_ms()
            self._answer(request, [milliseconds // 1000, milliseconds % 1000 * 1000])
        else:
            self._answer(request, self._run(request))

    def _repeat(self, request: Request) -> None:
        """Execute a command a second time, as if its sender had repeated it. The reply is not sent."""
        if not request.name.startswith(("BL", "CLIENT", "TIME")):
            self._run(request)

    def _run(self, request: Request) -> Any:
        """Run a command on the real server, read what is stored, and serve the clients that wait for it."""
        key = _polled_key(request)
        is_idle_poll = key in _POLLED and key not in self._keys
        if is_idle_poll and request.words in self._idle_replies:
            return self._idle_replies[request.words]
        moves_nothing = request.name in READS or (request.name == "reserve" and "waiting" not in self._keys and len(request.arguments) == 3)
        reply, snapshot = self.store.execute(request.words, self.world.server_ms(), look=not moves_nothing)
        self._note(request, reply, snapshot)
        if is_idle_poll and not isinstance(reply, Exception):
            self._idle_replies[request.words] = reply
        if self._blocked:
            self._serve()
        return reply

    def _note(self, request: Request, reply: Any, snapshot: Snapshot | None) -> None:
        if snapshot is not None:
            self._keys = snapshot.keys
        if self.world.is_tracing and not is_idle(request.name, reply):
            lost = ", reply lost" if request.loses_reply else ""
            self.world.trace(request.sender, f"{request} -> {as_text(reply)[:60]}{lost}")
        self.on_executed(request, reply, snapshot)

    def _answer(self, request: Request, reply: Any) -> None:
        connection = request.connection
        if request.loses_reply:
            if request.breaks:
                self.cut(connection)
            return
        arrives = connection.arrival(self.world.random.uniform(0.00005, 0.0003), request.reply_held)
        self.world.at(arrives, lambda: connection.reply(reply))

    def _try_blocking(self, request: Request) -> bool:
        """Serve a blocking command, if there is something for it. A full server rejects it."""
        words = request.words
        if not (self._exists(request) or self.store.is_full):
            return False
        if request.name == "BLMOVE":
            command = ("LMOVE", *words[1:5])
            reply, snapshot = self.store.execute(command, self.world.server_ms(), look=True)
        else:
            reply, snapshot = None, None
            for key in words[1:-1]:
                reply, snapshot = self.store.execute(("LPOP", key), self.world.server_ms(), look=True)
                if reply is not None:
                    reply = reply if isinstance(reply, Exception) else [key.encode(), reply]
                    break
        if reply is None:
            return False
        self._answer(request, reply)
        self._note(request, reply, snapshot)
        return True

    def _exists(self, request: Request) -> bool:
        """Return True if one of the keys exists that a blocking command waits for."""
        return not self._keys.isdisjoint(request.awaited)

    def _serve(self) -> None:
        """Serve the clients that wait for keys that exist now, in the order in which they came."""
        for one in list(self._blocked):
            if self._exists(one[0]) and one in self._blocked and self._try_blocking(one[0]):
                self._blocked = [other for other in self._blocked if other is not one]

    def _end_blocking(self) -> None:
        now = self.world.now
        over = [request for request, until in self._blocked if until <= now]
        self._blocked = [one for one in self._blocked if one[1] > now]
        for request in over:
            self._answer(request, None)

    def _client(self, request: Request) -> Any:
        """The commands about connections, which only the simulated network can answer."""
        words = [word.decode() if isinstance(word, bytes) else str(word) for word in request.words]
        what, rest = words[1].upper(), words[2:]
        if what == "ID":
            return request.connection.number
        if what == "UNBLOCK":
            found = [one for one in self._blocked if one[0].connection.number == int(rest[0])]
            for one in found:
                self._blocked.remove(one)
                self._answer(one[0], None)
            return len(found)
        if what == "KILL":
            number = int(rest[rest.index("ID") + 1]) if "ID" in rest else 0
            victim = self.connections.get(number)
            if victim is None or victim.is_cut:
                return 0
            self.cut(victim)
            return 1
        if what == "SETNAME":
            request.connection.name = rest[0]
        if what == "LIST":
            alive = [one for one in self.connections.values() if not one.is_cut and ("ID" not in rest or str(one.number) in rest)]
            return "".join(f"id={one.number} addr={one.machine}:{one.number} name={one.name} age=0\n" for one in alive).encode()
        return b"OK"

    def _name(self, words: tuple[Any, ...]) -> str:
        first = str(words[0].decode() if isinstance(words[0], bytes) else words[0]).upper()
        if first == "EVALSHA":
            sha = words[1].decode() if isinstance(words[1], bytes) else words[1]
            return self._scripts.get(sha, "script")
        if first == "EVAL":
            text = words[1].decode() if isinstance(words[1], bytes) else words[1]
            return next((name for name in self._scripts.values() if load_script(name).text == text), "script")
        return first
