"""The slot of a worker process: shared memory that its supervisor can read, and the lock that decides who starts a message.

The worker process writes what it is running. The supervisor reads it: to distinguish running from unstarted messages after a crash,
to find slow jobs, and to release the messages prefetched behind them. Neither asks the other, because the worker's interpreter
may be blocked for hours.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from taskq.scoreboard import layout
from taskq.scoreboard.cancel_notice import CancelNotice
from taskq.scoreboard.endings import Endings
from taskq.scoreboard.lanes import Lanes
from taskq.scoreboard.layout import BATCH_LIMIT
from taskq.scoreboard.state import Lock, Phase, Running

__all__ = ["BATCH_LIMIT", "Scoreboard", "Slot"]


class Slot:
    """The shared memory of one worker process."""

    __slots__ = ("_at", "_ended", "_failed", "_memory", "_named", "_started", "endings", "lanes", "lease", "lock", "notice")

    def __init__(self, memory: mmap.mmap, number: int, lock: Lock) -> None:
        self._memory = memory
        self._at = number * layout.SLOT_SIZE
        self.lock = lock
        #: Used instead of the batch by a worker process that runs several jobs at once.
        self.lanes = Lanes(memory, self._at + layout.AT_LANES, lock)
        #: The final states of the batch that are not stored yet.
        self.endings = Endings(memory, self._at + layout.AT_ENDINGS)
        #: The cancelled run of the worker process.
        self.notice = CancelNotice(memory, self._at + layout.AT_NOTICE)
        #: Seconds without a heartbeat after which the worker process starts no message.
        self.lease = math.inf
        # Known to the worker process alone: only it changes these.
        self._ended = self._failed = self._started = 0
        self._named: str | None = None

    def clear(self) -> None:
        """Prepare the slot for another worker process."""
        self.release_dead_lock()
        self._memory[self._at : self._at + layout.AT_LANES] = bytes(layout.AT_LANES)
        self.lanes.clear()

    # ---- written by the worker

    def set_phase(self, phase: Phase) -> None:
        layout.U32.pack_into(self._memory, self._at + layout.AT_FLAGS, phase)

    def begin_batch(self, ids: Sequence[bytes]) -> None:
        """Write the reserved messages in the order in which they will start: at most `BATCH_LIMIT`."""
        if len(ids) > BATCH_LIMIT:
            raise ValueError(f"a batch must have at most {BATCH_LIMIT} messages; got {len(ids)}")
        at, memory = self._at, self._memory
        self.lock.acquire()
        try:
            layout.BATCH.pack_into(memory, at + layout.AT_BATCH, 0, 0)
            memory[at + layout.AT_IDS : at + layout.AT_IDS + layout.ID * len(ids)] = b"".join(ids)
            memory[at + layout.AT_DONE : at + layout.AT_DONE + len(ids)] = bytes(len(ids))
            layout.BATCH.pack_into(memory, at + layout.AT_BATCH, len(ids), 0)
            self._started = 0
            self.endings.clear()
        finally:
            self.lock.release()

    def start_next(self, now: float, attempt: int) -> bool:
        """Claim the next message of the batch.

        Return False if the supervisor has released the unstarted messages or wants the worker process to reconcile, or if a lease has
        passed without a heartbeat (the machine slept, the supervisor was stopped): then the messages may be reassigned.
        """
        at, memory, lock = self._at, self._memory, self.lock
        lock.acquire()
        try:
            beat, reconcile, count = layout.LIMIT.unpack_from(memory, at + layout.AT_BEAT)
            if reconcile or self._started >= count or now - beat > self.lease:
                return False
            self._started += 1
            layout.CLAIM.pack_into(memory, at + layout.AT_CLAIM, self._started, now, attempt, 0, 0.0, -1)
        finally:
            lock.release()
        return True

    def claim(self, lane: int, now: float, attempt: int) -> bool:
        """Claim the message of a lane. Return False as `start_next` does."""
        self.lock.acquire()
        try:
            beat, reconcile, _ = layout.LIMIT.unpack_from(self._memory, self._at + layout.AT_BEAT)
            return not reconcile and now - beat <= self.lease and self.lanes.claim(lane, now, attempt)
        finally:
            self.lock.release()

    def describe(self, job: str, since_ms: int, deadline: float, retry_ms: int) -> None:
        """Write the details of the claimed message, before its job is called."""
        at, memory = self._at, self._memory
        if job != self._named:
            self._named = job
            name = job.encode()[: layout.NAME]
            memory[at + layout.AT_NAME : at + layout.AT_NAME + 2 + len(name)] = layout.SIZE.pack(len(name)) + name
        layout.DETAILS.pack_into(memory, at + layout.AT_DETAILS, since_ms, deadline, retry_ms)

    def end_job(self, index: int, *, acked: bool, failed: bool, has_ending: bool = False) -> None:
        """Note the end of a job.

        `acked`: it succeeded, and the worker process or the supervisor may settle it; `has_ending`: with the final state in `endings`.
        """
        at, memory = self._at, self._memory
        self._ended += 1
        self._failed += failed
        layout.COUNTS.pack_into(memory, at + layout.AT_COUNTS, self._ended, self._failed)
        if acked:  # which also marks it as not running
            memory[at + layout.AT_DONE + index] = layout.HAS_ENDING if has_ending else layout.DONE
        else:
            # The deadline too: the supervisor may read between the two writes that begin the next job.
            layout.START.pack_into(memory, at + layout.AT_START, 0.0, 0, 0, 0.0, -1)

    def mark_settled(self) -> None:
        """Note that all finished messages of the batch are settled, before the batch is over."""
        first = self._at + layout.AT_DONE
        self.lock.acquire()
        try:
            marks = self._memory[first : first + self._started]
            self._memory[first : first + self._started] = bytes(layout.SETTLED if mark else 0 for mark in marks)
            self.endings.clear()
        finally:
            self.lock.release()

    def end_lane(self, lane: int, data: bytes, ttl_ms: int) -> None:
        """Mark the job of a lane as succeeded, with its final state. If that doesn't fit, the job isn't marked."""
        if self.endings.put_of_lane(lane, self.lanes.count, data, ttl_ms):
            self.lanes.done(lane, has_ending=True)

    def count_job(self, *, failed: bool) -> None:
        """Count a job of a lane that has ended."""
        self._ended += 1
        self._failed += failed
        layout.COUNTS.pack_into(self._memory, self._at + layout.AT_COUNTS, self._ended, self._failed)

    def end_batch(self) -> None:
        """Note that no message is reserved any longer."""
        # Under the lock: a release by the supervisor would overwrite it, and started messages would look unstarted.
        self.lock.acquire()
        try:
            layout.BATCH.pack_into(self._memory, self._at + layout.AT_BATCH, 0, 0)
        finally:
            self.lock.release()

    def take_reconcile(self) -> bool:
        """Return True once after the supervisor has asked the worker process to reconcile."""
        at = self._at + layout.AT_RECONCILE
        if not layout.U32.unpack_from(self._memory, at)[0]:
            return False
        layout.U32.pack_into(self._memory, at, 0)
        return True

    @property
    def beat(self) -> float:
        """Monotonic time of the last successful heartbeat for this worker process; 0 before the first."""
        value: float = layout.BEAT.unpack_from(self._memory, self._at + layout.AT_BEAT)[0]
        return value

    @property
    def uncertain(self) -> bool:
        """True while a command of the supervisor that moves messages of this worker process may be in transit."""
        return bool(layout.UNCERTAIN.unpack_from(self._memory, self._at + layout.AT_UNCERTAIN)[0])

    @property
    def watched(self) -> bool:
        """True while the supervisor checks this worker process every few milliseconds."""
        return bool(layout.U32.unpack_from(self._memory, self._at + layout.AT_WATCHED)[0])

    # ---- written by the supervisor

    def release_dead_lock(self) -> None:
        """Free the lock of a dead worker process, which may have been killed while holding it. Its fields can be read as they are."""
        self.lock.acquire(True, 0.1)
        self.lock.release()

    def set_beat(self, now: float) -> None:
        layout.BEAT.pack_into(self._memory, self._at + layout.AT_BEAT, now)

    def ask_reconcile(self) -> None:
        layout.U32.pack_into(self._memory, self._at + layout.AT_RECONCILE, 1)

    def set_uncertain(self, uncertain: bool) -> None:
        layout.UNCERTAIN.pack_into(self._memory, self._at + layout.AT_UNCERTAIN, uncertain)

    def set_watched(self, watched: bool) -> None:
        layout.U32.pack_into(self._memory, self._at + layout.AT_WATCHED, watched)

    @contextmanager
    def taken_back(self) -> Iterator[list[bytes]]:
        """Take the unstarted messages from the batch, and yield their ids in order, to release them.

        The worker process begins no other batch before the block ends: it may have reserved the same messages again by then, and
        a late release would give them away while they run.
        """
        if self.lanes.count:
            with self.lanes.taken_back() as ids:
                yield ids
            return
        if not self.lock.acquire(True, 0.1):
            yield []  # it died, or was stopped, while holding the lock
            return
        try:
            count, started = layout.BATCH.unpack_from(self._memory, self._at + layout.AT_BATCH)
            layout.U32.pack_into(self._memory, self._at + layout.AT_BATCH, started)
            yield self._ids(started, count)
        finally:
            self.lock.release()

    @contextmanager
    def held_still(self, running: Running) -> Iterator[bool]:
        """Let the worker process start nothing during the block, and reconcile after it. Yield False if that job has already ended."""
        if not self.lock.acquire(True, 0.1):
            yield False  # it died, or was stopped, while holding the lock
            return
        try:
            again = self.running()
            is_same = bool(again) and (again[0].id, again[0].started) == (running.id, running.started)
            if is_same:
                self.ask_reconcile()
            yield is_same
        finally:
            self.lock.release()

    def stop_batch(self) -> None:
        """Prevent the worker process from starting the rest of its batch: it has been reassigned."""
        with self.taken_back():
            pass

    # ---- read by the supervisor

    @property
    def phase(self) -> Phase:
        return Phase(layout.U32.unpack_from(self._memory, self._at + layout.AT_FLAGS)[0])

    @property
    def counts(self) -> tuple[int, int]:
        """Finished jobs, permanently failed jobs."""
        done, failed = layout.COUNTS.unpack_from(self._memory, self._at + layout.AT_COUNTS)
        return done, failed

    @property
    def held(self) -> int:
        """The greatest number of messages that may be reserved and not settled, as far as the worker process knows."""
        if self.lanes.count:
            return len(self.lanes.ids())
        count: int = layout.BATCH.unpack_from(self._memory, self._at + layout.AT_BATCH)[0]
        return count

    def ids(self) -> list[bytes]:
        """Return the messages that the worker process knows it has reserved."""
        return self.lanes.ids() if self.lanes.count else self._ids(0, self.held)

    def unstarted(self) -> int:
        """Return the number of messages that are reserved and not started."""
        if self.lanes.count:
            return self.lanes.unstarted()
        count, started = layout.BATCH.unpack_from(self._memory, self._at + layout.AT_BATCH)
        return max(0, int(count) - int(started))

    def running(self) -> list[Running]:
        """Return the running jobs, the oldest first."""
        if self.lanes.count:
            return self.lanes.running()
        count, started, attempt, since_ms, deadline, retry_ms = layout.CLAIM.unpack_from(self._memory, self._at + layout.AT_CLAIM)
        if not started or not count or self._memory[self._at + layout.AT_DONE + count - 1]:
            return []
        at = self._at + layout.AT_NAME
        size = layout.SIZE.unpack_from(self._memory, at)[0]
        name = bytes(self._memory[at + 2 : at + 2 + size]).decode(errors="replace") if since_ms else ""
        return [Running(self._ids(count - 1, count)[0], name, attempt, started, since_ms, deadline, retry_ms)]

    def began(self, now: float) -> float:
        """Return the monotonic time since when no message was started, although one waits; `now` if none runs or waits."""
        if self.lanes.count:
            return max(self.lanes.last_start(), self.lanes.oldest_unstarted()) or now
        running = self.running()
        return running[0].started if running else now

    @property
    def has_endings(self) -> bool:
        """True if the worker process has final states that it has not stored yet."""
        first = self._at + layout.AT_DONE
        return not self.lanes.count and layout.HAS_ENDING in self._memory[first : first + self.held]

    def finished(self) -> list[tuple[bytes, bytes, int]]:
        """Return the messages whose jobs succeeded, each with its final state and the lifetime of that in milliseconds; b"" without one.

        It is safe to settle them again.

        Read under the lock: the marks of one batch with the ids of the next would settle messages that never ran.
        """
        if not self.lock.acquire(True, 0.1):
            return []  # it died, or was stopped, while holding the lock
        try:
            return list(self._finished())
        finally:
            self.lock.release()

    def _finished(self) -> Iterator[tuple[bytes, bytes, int]]:
        if lanes := self.lanes.count:
            for lane, identity, has_ending in self.lanes.finished():
                data, ttl_ms = self.endings.read_of_lane(lane, lanes) if has_ending else (b"", 0)
                yield identity, data, ttl_ms
            return
        marks = self._memory[self._at + layout.AT_DONE : self._at + layout.AT_DONE + self.held]
        for index, identity in enumerate(self._ids(0, len(marks))):
            if marks[index] == layout.HAS_ENDING:
                yield identity, *self.endings.read(index)
            elif marks[index] == layout.DONE:
                yield identity, b"", 0

    def _ids(self, first: int, end: int) -> list[bytes]:
        at = self._at + layout.AT_IDS
        return [bytes(self._memory[at + layout.ID * i : at + layout.ID * (i + 1)]) for i in range(first, end)]


class Scoreboard:
    """The shared memory of a supervisor and its worker processes. Created before the first fork."""

    def __init__(self, locks: Sequence[Lock]) -> None:
        self._memory = mmap.mmap(-1, layout.SLOT_SIZE * len(locks))
        self._slots = [Slot(self._memory, number, lock) for number, lock in enumerate(locks)]

    def __getitem__(self, number: int) -> Slot:
        return self._slots[number]

    def __len__(self) -> int:
        return len(self._slots)
