"""The facts that a server reports: INFO, a part of CONFIG if readable, its clock, and its response time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median
from typing import Any, NamedTuple

from taskq.clock import monotonic
from taskq.driver.contract import Command, Link
from taskq.errors import ServerError, ServerRefused

__all__ = ["ServerFacts", "ask_server"]

_PINGS = 15
_WANTED = ("save", "appendfsync", "maxclients")


class ServerFacts(NamedTuple):
    """One server."""

    where: str
    info: Mapping[str, str]
    #: None: CONFIG may not be read here.
    config: Mapping[str, str] | None
    #: Seconds.
    latency: float
    slowest: float
    #: Seconds that the server's clock is ahead of this machine's.
    ahead: float

    def number(self, name: str) -> int:
        """Return a number of INFO; 0 if it is missing."""
        text = self.info.get(name, "0")
        return int(text) if text.isdigit() else 0


def ask_server(link: Link) -> ServerFacts:
    """Ask the server of a connection.

    Raises:
        ServerError: it doesn't answer, or refuses to.
    """
    info = _fields(_ask(link, "INFO"))
    times = []
    for _ in range(_PINGS):
        began = monotonic()
        _ask(link, "PING")
        times.append(monotonic() - began)
    before = time.time()
    seconds, micros = _ask(link, "TIME")
    local = (before + time.time()) / 2
    return ServerFacts(link.where, info, _config(link), median(times), max(times), int(seconds) + int(micros) / 1e6 - local)


def _ask(link: Link, *words: str) -> Any:
    return link.call(Command(f"answer {words[0]}", words))


def _fields(reply: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in reply.decode(errors="replace").splitlines() if ":" in line)


def _config(link: Link) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for name in _WANTED:
        try:
            reply = _ask(link, "CONFIG", "GET", name)
        except ServerRefused:
            return None
        except ServerError:
            raise
        found |= {reply[at].decode(): reply[at + 1].decode() for at in range(0, len(reply), 2)}
    return found
