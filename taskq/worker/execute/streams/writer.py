"""Stores the items of generator jobs. The first one is sent at once, and those that follow within milliseconds are sent together."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from taskq import context as contexts
from taskq.clock import monotonic
from taskq.driver.backoff import Backoff
from taskq.driver.contract import Command, Driver, Parts
from taskq.driver.steps import Steps
from taskq.errors import JobCancelled, JobTimeout, QueueFull, Requeue, ServerUnavailable, TaskqError
from taskq.wire.codec import Serializer
from taskq.worker.execute.results import CannotStore, ResultPacker

__all__ = ["BATCH_ITEMS", "UNREAD_LIMIT", "GivenUp", "PartsLost", "Sender", "StreamThread", "StreamWriter", "Unread"]

#: The maximum number of unread items; then the generator waits for a reader.
UNREAD_LIMIT = 1000
#: Limits of the items that wait for each other: seconds, number and bytes. The last one may be larger.
_TOGETHER = 0.005
BATCH_ITEMS = 100
_BATCH_BYTES = 65_536
#: Beyond the result_ttl: a generator that is silent for this long loses what it has yielded so far.
_SILENCE_MS = 3_600_000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25
#: A run that was interrupted must end soon. It tries for this many seconds to store its last items.
_PATIENCE = 1.0


class Unread(CannotStore):
    """The stream of a generator job has no reader. The job is not retried: its stream would have no reader either."""


class GivenUp(TaskqError):
    """The message was reassigned: another worker runs it, and the items of this run would be mixed with its items."""


class PartsLost(Requeue):
    """The server has lost the items so far. That is not the job's fault: it runs again (no attempt used), and its stream starts over."""


class Sender(Protocol):
    """Protocol: sends commands to the server of the channel."""

    @property
    def driver(self) -> Driver: ...

    def call(self, command: Command) -> Any: ...

    async def acall(self, command: Command) -> Any: ...


class StreamWriter:
    """Writes the items of one run.

    The generator's thread sends the first item, full batches, and the last items. Another thread sends the items after which the
    generator yields nothing for some milliseconds. Both may send the same items at once, because the server ignores numbers that it
    has. So they need no lock, which an interruption could leave locked.
    """

    def __init__(self, sender: Sender, results: ResultPacker, serializer: Serializer, worker: str, thread: StreamThread | None) -> None:
        """Without a `thread`, each item is sent at once."""
        self._sender = sender
        self._driver = sender.driver
        self._results = results
        self._serializer = serializer
        self._worker = worker
        self._id, self._ttl, is_last_if_lost = contexts.run_here().stream_of()
        # If no other run follows a crash, readers get the items of this one to its last: none may wait in the process.
        self._thread = None if is_last_if_lost else thread
        self._ttl_ms = int(self._ttl * 1000) + _SILENCE_MS
        #: A delayed command of another run, or of this one's begin, must not write into the stream.
        self._run = os.urandom(8)
        #: The numbers of the last item, and of the last one that is stored.
        self._number = self._stored = 0
        #: Items with their numbers. Only the generator's thread changes the list.
        self._unsent: list[tuple[int, bytes]] = []
        self._bytes = 0
        self._sent_at = 0.0
        #: True if the other thread could not store an item: the generator must wait at its next one.
        self._is_refused = False
        self.is_noted = False
        self.is_over = False

    def begin(self) -> Steps[None]:
        """Begin a run: the items of earlier runs become invalid."""
        if self._ttl:  # otherwise no reader can ask for the items
            run, previous = b"", b""
            while run != self._run:
                previous = run
                last, run = yield from _insist(partial(self._driver.begin, self._worker, self._id, self._ttl_ms, self._run, previous))
                self._number = self._stored = yield from self._check(last)

    def add(self, value: Any) -> bool:
        """Add an item. Return True if `send` must be called before the generator continues.

        Raises:
            CannotStore: the item can't be stored.
        """
        if not self._ttl:
            return False
        number = self._number + 1
        data = self._results.part(self._id, number, self._serializer, value)
        self._number = number
        self._drop_stored()
        is_first = not self._unsent and monotonic() - self._sent_at > _TOGETHER
        self._unsent.append((number, data))
        self._bytes += len(data)
        if is_first or self._thread is None or self._is_refused or len(self._unsent) >= BATCH_ITEMS or self._bytes >= _BATCH_BYTES:
            return True
        if self.is_noted:
            return False
        self.is_noted = True
        if self._thread.note(self):
            return False
        self.is_noted = False
        return True

    def send(self, beyond: int = 0, deadline: float = inf) -> Steps[None]:
        """Store all items; wait if too many are unread.

        Args:
            beyond: the number of unread items that are accepted beyond the limit.
            deadline: when to give up on an unreachable server, or on readers, by the monotonic clock.

        Raises:
            Unread: no reader has read an item for as long as the items are stored.
            GivenUp: the message was reassigned.
            PartsLost: the server has lost the message and its items.
            ServerUnavailable: the server was unreachable until the deadline.
        """
        give_up_at, pause = monotonic() + self._ttl, _FIRST_PAUSE
        while self._unsent:
            before = self._stored
            reply = yield from _insist(partial(self._command, tuple(self._unsent), UNREAD_LIMIT + beyond), deadline)
            self._note_stored((yield from self._check(reply, deadline)))
            self._drop_stored()
            if self._unsent:
                if self._stored > before:
                    give_up_at, pause = monotonic() + self._ttl, _FIRST_PAUSE
                if monotonic() > min(give_up_at, deadline):
                    raise Unread(f"{UNREAD_LIMIT} unread items in the stream, and no reader for {self._ttl:g} s (result_ttl)")
                yield pause
                pause = min(_LONGEST_PAUSE, pause * 2)
        self._is_refused = False

    def send_rest(self, error: BaseException) -> Steps[None]:
        """Store the items that were yielded before an error, if that is possible. The error counts in any case."""
        if isinstance(error, (Unread, GivenUp, PartsLost)):
            return
        is_interrupted = isinstance(error, (JobTimeout, JobCancelled, asyncio.CancelledError))
        deadline = monotonic() + _PATIENCE if is_interrupted else inf
        with suppress(TaskqError):
            yield from self.send(BATCH_ITEMS, deadline)

    def send_from_thread(self) -> bool:
        """Send the items once, from the other thread. Return True if it need not be tried again."""
        self.is_noted = False
        items = tuple(item for item in self._unsent[:] if item[0] > self._stored)
        if self.is_over or not items:
            return True
        try:
            reply = self._sender.call(self._command(items, UNREAD_LIMIT))
        except Exception:  # the generator's thread gets the same error with its next item, or at the end
            reply = 0
        self._note_stored(reply)
        is_stored: bool = reply >= items[-1][0]
        if not is_stored:
            self._is_refused = True
        return is_stored or reply < 0

    def _command(self, items: tuple[tuple[int, bytes], ...], limit: int) -> Command:
        parts = Parts(items[0][0], tuple(data for _, data in items), self._ttl_ms, limit, self._run)
        return self._driver.part(self._worker, self._id, parts)

    def _note_stored(self, number: int) -> None:
        self._sent_at = monotonic()
        self._stored = max(self._stored, number)

    def _drop_stored(self) -> None:
        if self._unsent and (count := self._stored + 1 - self._unsent[0][0]) > 0:
            self._bytes -= sum(len(data) for _, data in self._unsent[:count])
            del self._unsent[:count]

    def _check(self, reply: int, deadline: float = inf) -> Steps[int]:
        """Return the reply. Raise GivenUp if the message was reassigned."""
        if reply < 0:
            if (yield from _insist(lambda: self._driver.standing(self._worker), deadline)) == 0:
                raise PartsLost
            raise GivenUp(f"message {self._id.hex()} was reassigned: another worker runs it")
        return reply


class StreamThread:
    """One thread, for all generator jobs of a process."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[StreamWriter] = SimpleQueue()
        self._pid = 0

    def note(self, writer: StreamWriter) -> bool:
        """Let the thread send the items of a writer in some milliseconds. Return False if it does not run."""
        pid = os.getpid()
        if not self._pid:
            try:
                threading.Thread(target=self._run, name="taskq stream", daemon=True).start()
            except RuntimeError:  # the system allows no further thread
                return False
            self._pid = pid
        if self._pid != pid:  # a process that a job forked has no such thread
            return False
        self._queue.put(writer)
        return True

    def _run(self) -> None:
        #: Writers whose items could not be stored, with the time of the next try.
        refused: dict[StreamWriter, float] = {}
        while True:
            self._send_next(refused)

    def _send_next(self, refused: dict[StreamWriter, float]) -> None:
        writers: set[StreamWriter] = set()
        with suppress(Empty):
            writers.add(self._queue.get(timeout=_LONGEST_PAUSE if refused else None))
            time.sleep(_TOGETHER)
        while not self._queue.empty():
            writers.add(self._queue.get())
        now = monotonic()
        writers.update(writer for writer, retry_at in refused.items() if retry_at <= now)
        for writer in writers:
            refused.pop(writer, None)
            if not writer.send_from_thread():
                refused[writer] = now + _LONGEST_PAUSE


def _insist(command: Callable[[], Any], deadline: float = inf) -> Steps[Any]:
    """Send a command until the server answers: repeating it is safe."""
    backoff = Backoff(deadline=deadline)
    while True:
        try:
            reply = yield command()
        except (ServerUnavailable, QueueFull) as error:
            yield backoff.pause_after(error)
        else:
            return reply
