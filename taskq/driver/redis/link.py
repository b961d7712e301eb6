"""One blocking connection that sends commands."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from redis import exceptions as wire
from redis.connection import Connection

from taskq.driver.contract import Command
from taskq.driver.redis.address import Address
from taskq.driver.redis.errors import translate
from taskq.driver.redis.fence import ConnectionRef, Fence
from taskq.errors import ServerError, ServerUnavailable, TaskqError

__all__ = ["RedisLink"]


class RedisLink:
    """One blocking connection to the node that holds a channel. Opens at first use, and again after a break."""

    def __init__(self, address: Address, key: str, timeout: float, *, fenced: bool = False) -> None:
        self._address = address
        self._key = key
        self.timeout = timeout
        self._fence = Fence(address.text) if fenced else None
        self._ref: ConnectionRef | None = None
        self._connection: Connection | None = None
        self._id: int | None = None
        self._redirected = False
        self.is_busy = False

    @property
    def where(self) -> str:
        """The server's URL, without its password."""
        return self._address.text

    def call(self, command: Command) -> Any:
        self._redirected = False
        self.is_busy = True
        script = command.script
        try:
            if script is None:
                reply = self._request(command.move, command.words)
            else:
                try:
                    reply = self._request(command.move, ("EVALSHA", script.sha, *command.words))
                except wire.NoScriptError:
                    reply = self._request(command.move, ("EVAL", script.text, *command.words))
        except (TaskqError, wire.RedisError):
            self.is_busy = False
            raise
        # Not after a job's time limit, or Ctrl-C: then the command is still in transit when the connection is closed.
        self.is_busy = False
        return reply

    def confirm(self, command: Command) -> int:
        # The slot is migrating and another node executed the command: this node's replicas will never confirm it.
        return 0 if self._redirected else int(self.call(command))

    def send(self, command: Command) -> None:
        if self._id is None:
            self._id = int(self.call(Command(command.move, ("CLIENT", "ID"))))  # `unblock` needs it
        self.is_busy = True
        self._send(command.move, command.words)

    def receive(self) -> Any:
        try:
            return self._open().read_response()
        except (wire.RedisError, OSError) as error:
            raise self._failed(error, "blocked", sent=True) from error
        finally:
            self.is_busy = False

    def fileno(self) -> int:
        # redis-py has no public access to the socket, and the worker must wait for it together with signals.
        sock: socket.socket = self._open()._sock  # type: ignore[assignment]
        return sock.fileno()

    def unblock(self) -> None:
        if self._id is None:
            return
        other = RedisLink(self._address, self._key, 1.0)
        try:
            # If this fails, the blocked command ends at its timeout.
            with contextlib.suppress(ServerError):
                other.call(Command("unblock", ("CLIENT", "UNBLOCK", str(self._id))))
        finally:
            other.close()

    def is_stale(self) -> bool:
        connection = self._connection
        if connection is None:
            return False
        try:
            return bool(connection.can_read(timeout=0))
        except (wire.RedisError, OSError):
            return True

    def close(self) -> None:
        if self._fence is not None and self._ref is not None and self.is_busy:
            self._fence.abandon(self._ref)
        self._id = self._ref = None
        self.is_busy = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _open(self) -> Connection:
        connection = self._connection
        if connection is None:
            connection = self._connect(self._address.connection(self._key, self.timeout))
            self._connection = connection
        return connection

    def _connect(self, connection: Connection) -> Connection:
        connection.connect()
        if self._fence is not None:
            try:
                self._ref = self._fence.enter(connection)
            except BaseException:
                connection.disconnect()
                raise
            self._id = self._ref.client_id
        return connection

    def _request(self, move: str, words: tuple[Any, ...], *, moved: bool = False) -> Any:
        self._send(move, words)
        try:
            return self._open().read_response()
        except wire.NoScriptError:
            raise
        except wire.MovedError as error:
            failed = self._failed(error, move, sent=False)
            if moved or not isinstance(failed, ServerUnavailable):
                raise failed from error
            self.is_busy = True
            return self._request(move, words, moved=True)  # the node did nothing, and named another one
        except wire.AskError as error:
            return self._ask(error, move, words)
        except (wire.RedisError, OSError) as error:
            raise self._failed(error, move, sent=True) from error

    def _send(self, move: str, words: tuple[Any, ...]) -> None:
        try:
            connection = self._open()
            if connection._sock is None:  # closed by redis-py, as after NOAUTH
                self._connect(connection)
            sock: socket.socket = connection._sock  # type: ignore[assignment]
            try:
                # A command that is not written completely is not executed. Written here, because redis-py closes a socket
                # that can't be written, and the server's last reply is lost.
                for piece in connection.pack_command(*words):
                    sock.sendall(piece)
            except ConnectionError:
                if connection.can_read(timeout=0):
                    connection.read_response()  # raises it: "max number of clients reached"
                raise
        except (wire.RedisError, OSError) as error:
            raise self._failed(error, move, sent=False) from error

    def _ask(self, redirect: wire.AskError, move: str, words: tuple[Any, ...]) -> Any:
        """Send the command to the node that the slot is migrating to, this once (Cluster specification: ASK redirection)."""
        self._redirected = True
        connection = self._address.connection_to(redirect.host, redirect.port, self.timeout)
        ref: ConnectionRef | None = None
        sent = False
        try:
            connection.connect()
            if self._fence is not None:
                ref = self._fence.enter(connection)
            connection.send_command("ASKING")
            connection.read_response()
            connection.send_command(*words)
            sent = True
            return connection.read_response()
        except wire.NoScriptError:
            raise
        except BaseException as error:
            if sent and ref is not None and self._fence is not None:
                self._fence.abandon(ref)
            if isinstance(error, (wire.RedisError, OSError)):
                raise self._failed(error, move, sent=sent) from error
            raise
        finally:
            connection.disconnect()

    def _failed(self, error: Exception, move: str, *, sent: bool) -> Exception:
        translated = translate(error, self._address, move, sent=sent)
        if isinstance(translated, ServerUnavailable):
            self.close()
            self._address.invalidate(self._key, error)
        return translated
