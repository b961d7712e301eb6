"""The server that chaos breaks: a separate embedded one, or the one of a URL."""

from __future__ import annotations

import os
import signal
from typing import Any

from taskq.channel import Keys, State
from taskq.clock import monotonic
from taskq.driver.contract import Command
from taskq.driver.embedded.server import EmbeddedServer
from taskq.driver.pool import LinkPool
from taskq.driver.redis.checks import check_permissions, check_server
from taskq.errors import ServerError, ServerUnavailable
from taskq.queue import Queue
from taskq.tools.chaos.app import CHANNEL
from taskq.tools.chaos.clock import ServerClock

__all__ = ["Left", "Server"]

_SCAN = 1000


class Left:
    """The remaining work, at one moment."""

    def __init__(self, waiting: int, delayed: int, reserved: int, next_ms: int, supervisors: set[int]) -> None:
        self.waiting = waiting
        self.delayed = delayed
        self.reserved = reserved
        #: Milliseconds until the next delayed message is due; -1 when none is delayed.
        self.next_ms = next_ms
        #: Process ids of the supervisors whose workers are registered.
        self.supervisors = supervisors

    @property
    def total(self) -> int:
        return self.waiting + self.delayed + self.reserved


class Server:
    """Commands that no worker sends, over a separate connection that bypasses the relay."""

    def __init__(self, queue: Queue, embedded: EmbeddedServer | None, clock: ServerClock | None = None) -> None:
        """`embedded` is None if the server belongs to the user. With `clock`, it was started so that its clock can be set."""
        self._sender: LinkPool = queue.sender(CHANNEL)
        self._keys: Keys = self._sender.driver.keys
        self._embedded = embedded
        self._clock = clock
        self._latest = 0
        self._pid = 0

    @property
    def is_own(self) -> bool:
        return self._embedded is not None

    def check(self) -> None:
        """See that workers can use the server.

        Raises:
            ServerError: they can't.
        """
        driver = self._sender.driver
        link = driver.link()
        try:
            check_server(link)
            check_permissions(driver, link)
        finally:
            link.close()

    def signal(self, number: int) -> None:
        """Send a signal to the process of the own server."""
        if self._pid == 0 and self._embedded is not None:
            self._pid = self._embedded.status().pid or 0
        if self._pid:
            os.kill(self._pid, number)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self.signal(signal.SIGKILL)
        self._pid = 0

    def start(self) -> None:
        """Start it again on what it has written."""
        if self._embedded is not None:
            self._embedded.ensure(30.0)

    @property
    def has_clock(self) -> bool:
        """Return True if its clock can be set."""
        return self._clock is not None

    def set_clock(self, seconds: int) -> None:
        """Set its clock to the right time plus these seconds."""
        if self._clock is not None:
            self._clock.set(seconds)
            self._latest = max(self._latest, seconds)

    def set_clock_latest(self) -> None:
        """Set its clock as far ahead as it ever was: otherwise, messages that were delayed at that time are due an hour late."""
        if self._latest:
            self.set_clock(self._latest)

    def send(self, *words: str | int) -> Any:
        """Send a command.

        Raises:
            ServerError: the command failed, or its outcome is unknown.
        """
        return self._sender.call(Command(f"carry out {words[0]}", tuple(map(str, words))))

    def insist(self, *words: str | int) -> None:
        """Send a command that may be repeated, until it is carried out, for some seconds."""
        deadline = monotonic() + 10.0
        while True:
            try:
                self.send(*words)
            except ServerUnavailable:
                if monotonic() > deadline:
                    raise
            else:
                return

    # ---- looking

    def look(self) -> Left | None:
        """Return the remaining work; None if the server doesn't answer."""
        driver, call = self._sender.driver, self._sender.call
        try:
            workers = [worker.decode() for worker in call(driver.workers())[::2]]
            waiting, due, reserved, later, wait = call(driver.look(workers))
        except ServerError:
            return None
        supervisors = {int(worker.rsplit(":", 2)[1]) for worker in workers}
        return Left(waiting, due + later, reserved, wait, supervisors)

    def aside(self) -> list[bytes]:
        """All messages in failed, timeout and parked."""
        driver, call = self._sender.driver, self._sender.call
        return [raw for state in (State.FAILED, State.TIMEOUT, State.PARKED) for raw in call(driver.page(state, 0, 1_000_000))[::2]]

    def keys(self) -> list[str]:
        """All keys of the chaos that are there."""
        found: set[bytes] = set()
        cursor, done = b"0", False
        while not done:
            cursor, page = self.send("SCAN", cursor.decode(), "MATCH", _escaped(self._keys.tag) + ":*", "COUNT", _SCAN)
            found.update(page)
            done = cursor == b"0"
        return sorted(key.decode() for key in found)

    def unexpected(self) -> list[str]:
        """Keys that should no longer be there when all is done."""
        keys = self._keys
        # A wake-up token without a reader, and keys that expire: markers, answers, and the state of lost workers.
        passing = (keys.worker(""), keys.once(""), keys.result(""), keys.parts(""), keys.reading(""), keys.scanned)
        return [key for key in self.keys() if key != keys.wake and not (key.startswith(passing) and self._ends(key))]

    def _ends(self, key: str) -> bool:
        return int(self.send("PTTL", key)) >= -2 and int(self.send("PTTL", key)) != -1

    # ---- the end

    def wipe(self) -> None:
        """Remove every key of chaos from a server that it doesn't own."""
        if not self.is_own:
            for key in self.keys():
                self.send("DEL", key)

    def close(self) -> None:
        """End the embedded server, by force if it must be."""
        self._sender.close()
        if self._embedded is None:
            return
        deadline = monotonic() + 10.0
        while True:
            try:
                self._embedded.stop(5.0)
            except ServerError:
                if monotonic() > deadline:
                    raise
                if (pid := self._embedded.status().pid) is not None:
                    os.kill(pid, signal.SIGKILL)
            else:
                return


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)
