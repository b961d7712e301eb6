"""The lanes of a slot: one for each concurrent job of a worker process.

A lane runs one job at a time. The worker process writes it and the supervisor reads it. Under the lock of the slot, one of them starts
a message, or releases it unstarted.
"""

from __future__ import annotations

import mmap
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from taskq.scoreboard.state import LANE_LIMIT, Lock, Running

__all__ = ["SIZE", "Lanes"]

_ID = 16
_NAME = 120
_COUNT = struct.Struct("=I")  # number of lanes; 0: the worker process runs one job at a time, and uses the batch
# A lane: 0: state, attempt, 8: started or reserved (monotonic), 16: since (epoch ms), 24: deadline (monotonic, 0 = none),
# 32: retry ms (-1 = none left), 40: id, 56: length of the name, then the name
_STATE = struct.Struct("=I")
_CLAIM = struct.Struct("=IIdqdq")
_DETAILS = struct.Struct("=qdq")
_TEXT = struct.Struct("=H")
_AT_DETAILS, _AT_ID, _AT_NAME = 16, 40, 56
_LANE = (_AT_NAME + 2 + _NAME + 7) // 8 * 8
_AT_LANES = 8
#: Bytes of the memory that all lanes take.
SIZE = _AT_LANES + LANE_LIMIT * _LANE

_FREE, _RESERVED, _RUNS, _DONE, _HAS_ENDING = range(5)
#: The byte of a state that holds its value.
_LOW_BYTE = 0 if sys.byteorder == "little" else _STATE.size - 1


class Lanes:
    """The lanes of one slot."""

    __slots__ = ("_at", "_lock", "_memory", "_named", "_places")

    def __init__(self, memory: mmap.mmap, at: int, lock: Lock) -> None:
        self._memory = memory
        self._at = at
        self._lock = lock
        # Known to the worker process alone: only it writes there.
        self._places: list[int] = []
        self._named: list[str | None] = []

    @property
    def count(self) -> int:
        """Number of lanes; 0 in a worker process that runs one job at a time."""
        number: int = _COUNT.unpack_from(self._memory, self._at)[0]
        return number

    def open(self, count: int) -> None:
        """Create `count` free lanes."""
        _COUNT.pack_into(self._memory, self._at, count)
        self._places = [self._place(lane) for lane in range(count)]
        self._named = [None] * count

    def clear(self) -> None:
        """Erase the lanes of the previous worker process. Pages that were never used stay untouched, and cost no memory."""
        size = _AT_LANES + self.count * _LANE
        self._memory[self._at : self._at + size] = bytes(size)

    # ---- written by the worker

    def reserve(self, pairs: Sequence[tuple[int, bytes]], now: float) -> None:
        """Write the reserved messages, and the lanes in which they will start."""
        # Under the lock: the supervisor may be releasing these very messages.
        with self._locked():
            for lane, identity in pairs:
                at = self._places[lane]
                _CLAIM.pack_into(self._memory, at, _RESERVED, 0, now, 0, 0.0, -1)
                self._memory[at + _AT_ID : at + _AT_ID + _ID] = identity

    def claim(self, lane: int, now: float, attempt: int) -> bool:
        """Mark a lane's message as started. Call this under the lock. Return False if the message was released."""
        at = self._places[lane]
        if _STATE.unpack_from(self._memory, at)[0] != _RESERVED:
            return False
        _CLAIM.pack_into(self._memory, at, _RUNS, attempt, now, 0, 0.0, -1)
        return True

    def describe(self, lane: int, job: str, since_ms: int, deadline: float, retry_ms: int) -> None:
        """Write the details of the started message."""
        at, memory = self._places[lane], self._memory
        if self._named[lane] != job:
            self._named[lane] = job
            name = job.encode()[:_NAME]
            memory[at + _AT_NAME : at + _AT_NAME + 2 + len(name)] = _TEXT.pack(len(name)) + name
        _DETAILS.pack_into(memory, at + _AT_DETAILS, since_ms, deadline, retry_ms)

    def done(self, lane: int, *, has_ending: bool = False) -> None:
        """Mark the job as succeeded: the worker process or the supervisor may settle it, and store its final state."""
        _STATE.pack_into(self._memory, self._places[lane], _HAS_ENDING if has_ending else _DONE)

    def is_done(self, lane: int) -> bool:
        """Return True if the job of a lane is marked as succeeded."""
        return _STATE.unpack_from(self._memory, self._places[lane])[0] in (_DONE, _HAS_ENDING)

    def free(self, lanes: Sequence[int]) -> None:
        """Mark lanes as free: their messages are settled or reassigned."""
        with self._locked():
            for lane in lanes:
                _STATE.pack_into(self._memory, self._places[lane], _FREE)

    # ---- read by the supervisor

    @contextmanager
    def taken_back(self) -> Iterator[list[bytes]]:
        """Take the unstarted messages, oldest first, to release them; as `Slot.taken_back`."""
        if not self._lock.acquire(True, 0.1):
            yield []  # it died, or was stopped, while holding the lock
            return
        try:
            lanes = sorted(self._in(_RESERVED), key=self._since)
            for lane in lanes:
                _STATE.pack_into(self._memory, self._place(lane), _FREE)
            yield [self._id(lane) for lane in lanes]
        finally:
            self._lock.release()

    def ids(self) -> list[bytes]:
        """Return the messages that are reserved and not settled, as far as the worker process knows."""
        return [self._id(lane) for lane in self._in(_RESERVED, _RUNS, _DONE, _HAS_ENDING)]

    def unstarted(self) -> int:
        """Return the number of messages that are reserved and not started."""
        return self._states().count(_RESERVED)

    def last_start(self) -> float:
        """Return the monotonic time at which the youngest of the running jobs started; 0 if no job is running."""
        return max((self._since(lane) for lane in self._in(_RUNS)), default=0.0)

    def oldest_unstarted(self) -> float:
        """Return the monotonic time since when the oldest unstarted message has waited; 0 without one."""
        return min((self._since(lane) for lane in self._in(_RESERVED)), default=0.0)

    def running(self) -> list[Running]:
        """Return the running jobs, the oldest first."""
        found = [self._running(lane) for lane in self._in(_RUNS)]
        return sorted(found, key=lambda one: one.started)

    def finished(self) -> list[tuple[int, bytes, bool]]:
        """Return the lanes whose jobs succeeded, their messages, and whether these have a final state. Call this under the lock."""
        states = self._states()
        return [(lane, self._id(lane), states[lane] == _HAS_ENDING) for lane in self._in(_DONE, _HAS_ENDING)]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def _place(self, lane: int) -> int:
        return self._at + _AT_LANES + lane * _LANE

    def _in(self, *states: int) -> list[int]:
        return [lane for lane, state in enumerate(self._states()) if state in states]

    def _states(self) -> bytes:
        """Return the states of all lanes. Copied at once: the pump looks between any two round trips, and a loop takes too long."""
        at = self._at + _AT_LANES + _LOW_BYTE
        return self._memory[at : at + self.count * _LANE : _LANE]

    def _since(self, lane: int) -> float:
        since: float = _CLAIM.unpack_from(self._memory, self._place(lane))[2]
        return since

    def _id(self, lane: int) -> bytes:
        at = self._place(lane) + _AT_ID
        return bytes(self._memory[at : at + _ID])

    def _running(self, lane: int) -> Running:
        at = self._place(lane)
        _, attempt, started, since_ms, deadline, retry_ms = _CLAIM.unpack_from(self._memory, at)
        size = _TEXT.unpack_from(self._memory, at + _AT_NAME)[0]
        name = bytes(self._memory[at + _AT_NAME + 2 : at + _AT_NAME + 2 + size]).decode(errors="replace") if since_ms else ""
        return Running(self._id(lane), name, attempt, started, since_ms, deadline, retry_ms)
