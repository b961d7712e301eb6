"""The part of a slot in which the supervisor names a cancelled run of the worker process."""

from __future__ import annotations

import mmap
import struct
from typing import NamedTuple

__all__ = ["SIZE", "CancelNotice", "Notice"]

_ID = 16
_BY = 480
_NUMBER = struct.Struct("=I")
_STARTED = struct.Struct("=d")
_LENGTH = struct.Struct("=H")
# 0: number of the newest notice, written by the supervisor, and odd while it writes one;
# 4: number of the last one that was read, written by the worker process;
# 8: when the run started (monotonic), 16: id, 32: length of the requester's name, then the name
_AT_READ, _AT_STARTED, _AT_ID, _AT_BY = 4, 8, 16, 32
SIZE = _AT_BY + _LENGTH.size + _BY


class Notice(NamedTuple):
    """A cancelled run: its message, when it started, and the requester. An earlier or later run of the message is another one."""

    id: bytes
    started: float
    by: str


class CancelNotice:
    """One cancelled run at a time. Each side writes its own number, so neither erases what the other has just written."""

    __slots__ = ("_at", "_memory")

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        self._memory = memory
        self._at = at

    def put(self, notice: Notice) -> None:
        """Name a cancelled run, in place of the previous one."""
        at, memory = self._at, self._memory
        text = notice.by.encode(errors="replace")[:_BY]
        number = self._number(0)
        _NUMBER.pack_into(memory, at, number + 1)
        _STARTED.pack_into(memory, at + _AT_STARTED, notice.started)
        memory[at + _AT_ID : at + _AT_ID + _ID] = notice.id
        memory[at + _AT_BY : at + _AT_BY + 2 + len(text)] = _LENGTH.pack(len(text)) + text
        _NUMBER.pack_into(memory, at, (number + 2) % (1 << 32))  # last: it makes the rest valid

    @property
    def unread(self) -> Notice | None:
        """The newest notice, or None if the worker process has read it."""
        return None if self._number(0) == self._number(_AT_READ) else self._read()

    def take(self) -> Notice | None:
        """Return the newest notice, once; for the worker process."""
        while (number := self._number(0)) != self._number(_AT_READ):
            if number % 2:
                return None  # the supervisor's signal follows
            notice = self._read()
            if self._number(0) == number:  # otherwise the supervisor has replaced it meanwhile
                _NUMBER.pack_into(self._memory, self._at + _AT_READ, number)
                return notice
        return None

    def _read(self) -> Notice:
        at, memory = self._at, self._memory
        started = _STARTED.unpack_from(memory, at + _AT_STARTED)[0]
        size = _LENGTH.unpack_from(memory, at + _AT_BY)[0]
        by = bytes(memory[at + _AT_BY + 2 : at + _AT_BY + 2 + size]).decode(errors="replace")
        return Notice(bytes(memory[at + _AT_ID : at + _AT_ID + _ID]), started, by)

    def _number(self, at: int) -> int:
        number: int = _NUMBER.unpack_from(self._memory, self._at + at)[0]
        return number
