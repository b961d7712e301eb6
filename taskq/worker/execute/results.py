"""Packs the return value of a job, or the reason for its absence, for storage."""

from __future__ import annotations

import math
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

import msgspec

from taskq.clock import now_ms
from taskq.driver.contract import StoredEnding
from taskq.errors import TaskqError
from taskq.jobs.typed.compare import Mismatch
from taskq.tracebacks import is_of_application
from taskq.wire.codec import Serializer, python_of
from taskq.wire.ending import Ending, pack_ending, pack_part
from taskq.wire.signing import Signer

__all__ = ["UNRUN", "CannotStore", "NothingRan", "ResultPacker"]


class CannotStore(TaskqError):
    """The return value of a job can't be stored. The job is not retried: its other effects are done."""


class NothingRan(CannotStore):
    """The job returned a generator or a coroutine, whose code has not run. Another attempt would return one, too."""

    def __init__(self, value: object) -> None:
        if isinstance(value, CoroutineType):
            value.close()  # no second warning, which would name a line of taskq
            super().__init__("returned a coroutine, whose code has not run: write `return await ...`")
        else:
            super().__init__("returned a generator, whose code has not run: make the job itself a generator function with result_ttl")


#: Values whose code has not run.
UNRUN = (GeneratorType, AsyncGeneratorType, CoroutineType)


class ResultPacker:
    """Packs the results of one channel."""

    def __init__(self, signer: Signer | None, limit: int) -> None:
        self.signer = signer
        self._limit = limit

    def value(self, serializer: Serializer, value: Any) -> bytes:
        """Return the bytes of a value that a job returned or yielded.

        Raises:
            CannotStore: the serializer can't write it, or it is over the limit.
        """
        try:
            data = serializer.dump(value)
        except Mismatch as error:
            raise CannotStore(f"the job returned a value that doesn't fit its return hint: {error}") from None
        except BaseException as error:  # the application's own classes may raise anything
            text = f"the job returned a {type(value).__name__} that can't be stored with {serializer.name}: {type(error).__name__}: {error}"
            raise CannotStore(text) from (error if is_of_application(error) else None)
        if len(data) > self._limit:
            text = f"the job returned {len(data):,} bytes, over max_message_size = {self._limit:,}"
            raise CannotStore(f"{text}: store the data elsewhere and return its location")
        return data

    def part(self, identity: bytes, number: int, serializer: Serializer, value: Any) -> bytes:
        """Return the bytes of an item that a job yielded; raises as `value`."""
        return pack_part(number, self.value(serializer, value), serializer, identity, self.signer)

    def done(self, serializer: Serializer, value: Any, attempt: int, worker: str) -> Ending:
        """Return the final state of a job that returned.

        Raises:
            CannotStore: as `value`.
        """
        data = self.value(serializer, value)
        python = python_of(serializer, data)
        return Ending("done", now_ms(), attempt, worker, value=data, serializer=serializer.code, python=python)

    def pack(self, identity: bytes, ending: Ending, ttl: float, *, is_stream: bool = False) -> StoredEnding | None:
        """Return the stored form of a final state; None if `ttl` (seconds) is 0. It also ends the stream of a generator job."""
        if not ttl:
            return None
        ending = msgspec.structs.replace(ending, is_stream=True) if is_stream else ending
        return StoredEnding(pack_ending(ending, identity, self.signer), math.ceil(ttl * 1000), is_stream)
