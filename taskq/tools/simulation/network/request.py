"""Commands in transit, and how a history shows them."""

from __future__ import annotations

from typing import Any

__all__ = ["READS", "Request", "as_text", "is_idle"]

#: Commands and scripts that move no message: the places of all messages need no look after them.
READS = {"LRANGE", "ZRANGE", "HGETALL", "SCAN", "LLEN", "ZCARD", "LINDEX", "LPOS", "ZSCORE", "MGET", "ZRANGEBYSCORE", "heartbeat"}
READS |= {"look", "find", "search", "standing", "kinds", "permissions", "heartbeats", "unregistered"}
_MARK = b"simulation--"


class Request:
    """One command in transit."""

    def __init__(self, connection: Any, words: tuple[Any, ...], name: str, sender: str) -> None:
        self.connection = connection
        self.words = words
        #: The move or command, as in a plan of faults: "reserve", "heartbeat", "BLMOVE".
        self.name = name
        self.sender = sender
        keys = words[1:2] if name == "BLMOVE" else words[1:-1] if name == "BLPOP" else ()
        #: The keys for which a blocking command waits, without the channel's tag.
        self.awaited = [str(key).partition("}:")[2] for key in keys]
        #: Set by a fault: how the network treats it.
        self.is_dropped = False
        self.loses_reply = False
        self.breaks = False
        self.held = 0.0
        self.reply_held = 0.0
        self.is_repeated = False

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The arguments of a script, without its keys."""
        return self.words[3 + int(self.words[2]) :]

    def __str__(self) -> str:
        words = self.arguments if self.words[0] in ("EVALSHA", "EVAL") else self.words[1:]
        shown = [text for text in map(as_text, words) if not text.startswith("{")]
        return f"{self.name} {' '.join(shown)}"[:100]


def is_idle(name: str, reply: Any) -> bool:
    """Return True for a poll that has found nothing: a history is shorter without it."""
    if name == "promote":
        return isinstance(reply, list) and reply[0] == 0
    if name == "heartbeat":
        return isinstance(reply, list) and reply[0] == 1
    if name == "reserve":
        return isinstance(reply, list) and not reply[0] and not reply[2]
    return (name in READS and not reply) or name in ("heartbeats", "ZRANGE")


def as_text(value: Any) -> str:
    """Return a word or a reply as a short text: messages by their ids."""
    if isinstance(value, list):
        return "[" + " ".join(as_text(one) for one in value) + "]"
    if isinstance(value, bytes):
        if len(value) >= 25 and value[0] <= 1:
            return f"message {_number(value[2:18])}"
        if len(value) == 16 and value.startswith(_MARK):
            return f"id {_number(value)}"
        return value.decode(errors="replace") if value.isascii() else f"{len(value)} bytes"
    return str(value)


def _number(identity: bytes) -> str:
    return f"#{int.from_bytes(identity[12:], 'big')}" if identity.startswith(_MARK) else identity.hex()
