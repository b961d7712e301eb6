"""Runs generator jobs: a function that stores each item of the generator, and returns the generator's return value."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial, wraps
from typing import Any, Protocol

from taskq import context as contexts
from taskq.clock import monotonic
from taskq.driver.backoff import Backoff
from taskq.driver.contract import Command, Driver, Part
from taskq.driver.steps import Steps, arun, run
from taskq.errors import QueueFull, Requeue, ServerUnavailable, TaskqError
from taskq.wire.codec import Serializer
from taskq.worker.execute.results import CannotStore, ResultPacker

__all__ = ["UNREAD_LIMIT", "Generators", "GivenUp", "PartsLost", "Unread"]

#: The most items without a reader; then the generator waits for one.
UNREAD_LIMIT = 1000
#: Beyond the result_ttl: a generator that is silent for this long loses what it has yielded so far.
_SILENCE_MS = 3_600_000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25


class Unread(CannotStore):
    """The stream of a generator job has no reader. The job is not retried: its stream would have no reader either."""


class GivenUp(TaskqError):
    """The message was reassigned: another worker runs it, and the items of this run would be mixed with its items."""


class PartsLost(Requeue):
    """The server has lost the items so far. That is not the job's fault: it runs again (no attempt used), and its stream starts over."""


class _Sender(Protocol):
    """Protocol: sends commands to the server of the channel."""

    @property
    def driver(self) -> Driver: ...

    def call(self, command: Command) -> Any: ...

    async def acall(self, command: Command) -> Any: ...


class Generators:
    """Turns generator functions into functions that can run, for the jobs of one channel."""

    def __init__(self, sender: Callable[[], _Sender], results: ResultPacker) -> None:
        self._sender = sender
        self._results = results
        #: The worker that has reserved the messages.
        self.worker = ""

    def function_of(self, generator: Callable[..., Any], serializer: Serializer) -> Callable[..., Any]:
        """Return a function that runs the generator to its end and stores its items."""
        if inspect.isasyncgenfunction(generator):

            @wraps(generator)
            async def adrain(*args: Any, **kwargs: Any) -> None:
                await self._adrain(generator(*args, **kwargs), serializer)

            return adrain

        @wraps(generator)
        def drain(*args: Any, **kwargs: Any) -> Any:
            return self._drain(generator(*args, **kwargs), serializer)

        return drain

    def _drain(self, parts: Generator[Any, Any, Any], serializer: Serializer) -> Any:
        writer = self._writer(serializer)
        sender = self._sender()
        try:
            run(writer.begin(sender.driver), sender.call)
            while True:
                try:
                    part = next(parts)
                except StopIteration as end:
                    return end.value
                run(writer.store(sender.driver, part), sender.call)
        finally:
            parts.close()

    async def _adrain(self, parts: AsyncGenerator[Any, Any], serializer: Serializer) -> None:
        writer = self._writer(serializer)
        sender = self._sender()
        try:
            await arun(writer.begin(sender.driver), sender.acall)
            async for part in parts:
                await arun(writer.store(sender.driver, part), sender.acall)
        finally:
            await parts.aclose()

    def _writer(self, serializer: Serializer) -> _Writer:
        return _Writer(self._results, serializer, self.worker)


class _Writer:
    """Writes the items of one run."""

    def __init__(self, results: ResultPacker, serializer: Serializer, worker: str) -> None:
        self._results = results
        self._serializer = serializer
        self._worker = worker
        self._id, self._ttl = contexts.run_here().stream_of()
        self._ttl_ms = int(self._ttl * 1000) + _SILENCE_MS
        self._number = 0
        #: A delayed command of another run, or of this one's begin, must not write into the stream.
        self._run = os.urandom(8)

    def begin(self, driver: Driver) -> Steps[None]:
        """Begin a run: the items of earlier runs become invalid."""
        if self._ttl:  # otherwise no reader can ask for the items
            run, previous = b"", b""
            while run != self._run:
                previous = run
                last, run = yield from self._insist(partial(driver.begin, self._worker, self._id, self._ttl_ms, self._run, previous))
                self._number = yield from self._check(driver, last)

    def store(self, driver: Driver, value: Any) -> Steps[None]:
        """Store an item; wait if too many are unread.

        Raises:
            Unread: no reader has read an item for as long as the items are stored.
            CannotStore: the item can't be stored.
            GivenUp: the message was reassigned.
            PartsLost: the server has lost the message and its items.
        """
        if not self._ttl:
            return
        number = self._number + 1
        data = self._results.part(self._id, number, self._serializer, value)
        part = Part(number, data, self._ttl_ms, UNREAD_LIMIT, self._run)
        give_up_at, pause = monotonic() + self._ttl, _FIRST_PAUSE
        while True:
            reply = yield from self._insist(lambda: driver.part(self._worker, self._id, part))
            if (yield from self._check(driver, reply)):
                break
            if monotonic() > give_up_at:
                raise Unread(f"{UNREAD_LIMIT} unread items in the stream, and no reader for {self._ttl:g} s (result_ttl)")
            yield pause
            pause = min(_LONGEST_PAUSE, pause * 2)
        self._number = number

    def _insist(self, command: Callable[[], Any]) -> Steps[Any]:
        """Send a command until the server answers: repeating it is safe."""
        backoff = Backoff()
        while True:
            try:
                reply = yield command()
            except (ServerUnavailable, QueueFull) as error:
                yield backoff.pause_after(error)
            else:
                return reply

    def _check(self, driver: Driver, reply: int) -> Steps[int]:
        """Return the reply. Raise GivenUp if the message was reassigned."""
        if reply < 0:
            if (yield from self._insist(lambda: driver.standing(self._worker))) == 0:
                raise PartsLost
            raise GivenUp(f"message {self._id.hex()} was reassigned: another worker runs it")
        return reply
