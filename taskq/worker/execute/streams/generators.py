"""Runs generator jobs: a function that stores each item of the generator, and returns the generator's return value."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from typing import Any

from taskq.driver.steps import arun, run
from taskq.wire.codec import Serializer
from taskq.worker.execute.results import ResultPacker
from taskq.worker.execute.streams.writer import Sender, StreamThread, StreamWriter

__all__ = ["Generators"]


class Generators:
    """Turns generator functions into functions that can run, for the jobs of one channel."""

    def __init__(self, sender: Callable[[], Sender], results: ResultPacker) -> None:
        self._sender = sender
        self._results = results
        #: The worker that has reserved the messages.
        self.worker = ""
        #: None: each item is sent alone.
        self.thread: StreamThread | None = StreamThread()

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
        sender = self._sender()
        writer = self._writer(sender, serializer)
        try:
            run(writer.begin(), sender.call)
            while True:
                try:
                    part = next(parts)
                except StopIteration as end:
                    value = end.value
                    break
                if writer.add(part):
                    run(writer.send(), sender.call)
            run(writer.send(), sender.call)
            return value
        except BaseException as error:
            run(writer.send_rest(error), sender.call)
            raise
        finally:
            writer.is_over = True
            parts.close()

    async def _adrain(self, parts: AsyncGenerator[Any, Any], serializer: Serializer) -> None:
        sender = self._sender()
        writer = self._writer(sender, serializer)
        try:
            await arun(writer.begin(), sender.acall)
            async for part in parts:
                if writer.add(part):
                    await arun(writer.send(), sender.acall)
            await arun(writer.send(), sender.acall)
        except BaseException as error:
            await arun(writer.send_rest(error), sender.acall)
            raise
        finally:
            writer.is_over = True
            await parts.aclose()

    def _writer(self, sender: Sender, serializer: Serializer) -> StreamWriter:
        return StreamWriter(sender, self._results, serializer, self.worker, self.thread)
