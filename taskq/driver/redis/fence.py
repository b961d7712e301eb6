"""The fence of a link: a command that its sender has given up is never executed after the sender's next command.

A command whose reply didn't arrive in time may still be in transit. Executed late, it could move a message that the same worker has
reserved again. So a link names its connections. When it has given one up, it closes that connection on the server before it sends
anything else: the old command was executed before that moment, or it never will be.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from typing import Any, ClassVar, NamedTuple

from redis import exceptions as wire
from redis.connection import Connection

from taskq.driver.redis.errors import is_passing

__all__ = ["ConnectionRef", "Fence"]

_log = logging.getLogger("taskq.driver")


class ConnectionRef(NamedTuple):
    """A reference to a connection, by which it can be found on its server later."""

    place: object
    #: The server's number for it. Numbers start again with the server. None: this user may not ask.
    client_id: int | None
    #: Its name, which no other connection has. None: this user may not set it.
    name: str | None


class Fence:
    """The connections of one link that were given up with a command in transit."""

    #: The process that has logged that it can't close a connection: one warning is enough.
    _warned_in: ClassVar[int] = 0

    def __init__(self, where: str) -> None:
        """`where` is the server's URL, for the log."""
        self._where = where
        # By node. A node that no longer has the channel rejects a late command (MOVED, READONLY). When it has the channel again, the
        # first connection to it closes the old one.
        self._abandoned: dict[object, ConnectionRef] = {}

    def enter(self, connection: Connection) -> ConnectionRef:
        """Name a new connection, and close the one to this node that was given up. One round trip, two if that one is still there.

        Raises:
            redis.exceptions.RedisError, OSError: the server rejects the new connection, or is unreachable.
        """
        name = f"{getattr(connection, 'client_name', None) or 'taskq'}-{secrets.token_hex(8)}"
        place = getattr(connection, "path", None) or (getattr(connection, "host", ""), getattr(connection, "port", 0))
        commands: list[tuple[str, ...]] = [("CLIENT", "SETNAME", name), ("CLIENT", "ID")]
        old = self._abandoned.get(place)
        if old is not None:
            commands.append(("CLIENT", "LIST", "ID", str(old.client_id or 0)))
        is_named, number, *listed = _ask(connection, *commands)
        if old is not None:
            if not self._shut(connection, old, listed[0]):
                self._warn()
            del self._abandoned[place]
        return ConnectionRef(place, None if number is None else int(number), None if is_named is None else name)

    def abandon(self, ref: ConnectionRef) -> None:
        """Note that a connection is given up with a command in transit."""
        self._abandoned[ref.place] = ref

    @staticmethod
    def _shut(connection: Connection, old: ConnectionRef, listed: bytes | None) -> bool:
        """Close the old connection on the server, if it is still in the server's list. Return False if this user may not do that."""
        if old.client_id is None or old.name is None or listed is None:
            return False
        # The name too: a restarted server gives the same numbers to other clients.
        if f" name={old.name} ".encode() not in listed:
            return True
        return _ask(connection, ("CLIENT", "KILL", "ID", str(old.client_id))) != [None]

    def _warn(self) -> None:
        if Fence._warned_in != os.getpid():
            Fence._warned_in = os.getpid()
            _log.warning(
                "the server at %s: a connection broke, and this user may not close it there: a delayed command may still be executed, "
                "and its job run twice. Grant the user +client|setname +client|id +client|list +client|kill",
                self._where,
            )


def _ask(connection: Connection, *commands: tuple[str, ...]) -> list[Any]:
    """Send commands at once and return their replies; None for one that this user may not send, or that the server doesn't have."""
    sock: socket.socket = connection._sock  # type: ignore[assignment]
    try:
        sock.sendall(b"".join(piece for words in commands for piece in connection.pack_command(*words)))
    except ConnectionError:
        if connection.can_read(timeout=0):
            connection.read_response()  # raises it: "max number of clients reached"
        raise
    replies: list[Any] = []
    for _ in commands:
        try:
            replies.append(connection.read_response())
        except wire.ResponseError as error:
            if is_passing(str(error)):
                raise
            replies.append(None)
    return replies
