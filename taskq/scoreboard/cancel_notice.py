"""The part of a slot in which the supervisor names a cancelled message of the worker process."""

from __future__ import annotations

import mmap
import struct

__all__ = ["SIZE", "CancelNotice"]

_ID = 16
_BY = 480
_LENGTH = struct.Struct("=H")
_NONE = bytes(_ID)
#: The id of the message (zeros: no cancel request), then the length of the requester's name, then the name.
SIZE = _ID + _LENGTH.size + _BY


class CancelNotice:
    """One cancelled message at a time: the next is written once the worker process has read the previous one."""

    __slots__ = ("_at", "_memory")

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        self._memory = memory
        self._at = at

    def put(self, identity: bytes, by: str) -> bool:
        """Name a cancelled message. Return False if the previous one hasn't been read yet."""
        at, memory = self._at, self._memory
        if bytes(memory[at : at + _ID]) not in (_NONE, identity):
            return False
        text = by.encode(errors="replace")[:_BY]
        memory[at + _ID : at + _ID + 2 + len(text)] = _LENGTH.pack(len(text)) + text
        memory[at : at + _ID] = identity  # last: it makes the rest valid
        return True

    def take(self) -> tuple[bytes, str] | None:
        """Return the cancelled message and the requester, once; None without a cancel request."""
        at, memory = self._at, self._memory
        identity = bytes(memory[at : at + _ID])
        if identity == _NONE:
            return None
        size = _LENGTH.unpack_from(memory, at + _ID)[0]
        by = bytes(memory[at + _ID + 2 : at + _ID + 2 + size]).decode(errors="replace")
        memory[at : at + _ID] = _NONE
        return identity, by
