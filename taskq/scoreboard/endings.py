"""The final states of a batch that are not stored yet. If the worker process can't store them, its supervisor does."""

from __future__ import annotations

import mmap
import struct

__all__ = ["SIZE", "Endings"]

#: The maximum number of messages of one reserve.
BATCH_LIMIT = 256
#: Bytes of all final states of a batch. One that doesn't fit is stored at once.
_BYTES = 65536
# The entry of each message of the batch: lifetime in milliseconds, start and end of the final state.
_ENTRY = struct.Struct("=qII")
# Precedes the final state of a lane: lifetime in milliseconds, size.
_HEAD = struct.Struct("=qI")
_AT_DATA = BATCH_LIMIT * _ENTRY.size
SIZE = _AT_DATA + _BYTES


class Endings:
    """The final states of one slot. The slot marks the messages that have one."""

    __slots__ = ("_at", "_filled", "_memory")

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        self._memory = memory
        self._at = at
        # Known to the worker process alone: only it writes.
        self._filled = 0

    def clear(self) -> None:
        """Free the space of all final states. Their bytes stay until they are overwritten."""
        self._filled = 0

    def put(self, index: int, data: bytes, ttl_ms: int) -> bool:
        """Write the final state of a message of the batch. Return False if it doesn't fit."""
        start = self._filled
        end = start + len(data)
        if end > _BYTES:
            return False
        at = self._at + _AT_DATA
        self._memory[at + start : at + end] = data
        _ENTRY.pack_into(self._memory, self._at + index * _ENTRY.size, ttl_ms, start, end)
        self._filled = end
        return True

    def put_of_lane(self, lane: int, lanes: int, data: bytes, ttl_ms: int) -> bool:
        """Write the final state of the message in a lane: each of them has an equal part. Return False if it doesn't fit."""
        size = SIZE // lanes
        end = _HEAD.size + len(data)
        if end > size:
            return False
        at = self._at + lane * size
        _HEAD.pack_into(self._memory, at, ttl_ms, len(data))
        self._memory[at + _HEAD.size : at + end] = data
        return True

    def read_of_lane(self, lane: int, lanes: int) -> tuple[bytes, int]:
        """Return the final state of the message in a lane, and its lifetime in milliseconds."""
        at = self._at + lane * (SIZE // lanes)
        ttl_ms, size = _HEAD.unpack_from(self._memory, at)
        return bytes(self._memory[at + _HEAD.size : at + _HEAD.size + size]), ttl_ms

    def read(self, index: int) -> tuple[bytes, int]:
        """Return a final state, and its lifetime in milliseconds."""
        ttl_ms, start, end = _ENTRY.unpack_from(self._memory, self._at + index * _ENTRY.size)
        at = self._at + _AT_DATA
        return bytes(self._memory[at + start : at + end]), ttl_ms
