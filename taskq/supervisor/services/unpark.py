"""The service that moves parked messages back to waiting if this worker can run them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from taskq.channel import State
from taskq.logs import count_of
from taskq.supervisor.channel import ChannelState
from taskq.wire.foreign import job_of
from taskq.wire.history import unparked
from taskq.wire.message import REMOVED, Message

__all__ = ["Unpark"]

_log = logging.getLogger("taskq.supervisor")
_MARK = bytes((REMOVED,))
_EVERY = 10.0
#: Seconds until all messages are checked again, and the time of the first one.
_ALL_EVERY, _ALL = 600.0, b"-inf"
#: The most messages on a page, and on the first one, whose size isn't known yet.
_PAGE, _FIRST = 500, 20
#: A page has about this many bytes.
_PAGE_BYTES = 1 << 20
#: The pause after a page without a known job, in seconds: a few percent of a processor are enough for messages that stay.
_PAUSE = 0.1


class Unpark:
    """Checks the parked messages: all of them at the start and after a rolling restart, and every ten seconds those that were parked since.

    A message of an unknown job stays unknown until the jobs change. All are checked again from time to time, only because a message that is
    parked while the server's clock is set back comes before those that were checked.

    Each tick reads one page: a large number of parked messages, or large ones, must not delay the other services.
    """

    def __init__(self, channel: ChannelState) -> None:
        self.due = 0.0
        self.jobs: frozenset[str] = frozenset()
        self._channel = channel
        self._count = _FIRST
        self.restart()

    def restart(self) -> None:
        """Check all messages at once: the jobs have changed, or messages may have been parked by the old code."""
        self.due = self._all_at = 0.0
        #: The time of the last checked message, and how many of that time stay: the next page begins behind them.
        self._time, self._skip = _ALL, 0
        #: The number of messages moved in this walk.
        self._moved = 0
        #: True if the walk is the first since the jobs are known.
        self._is_first = True

    def tick(self, now: float) -> None:
        if self._time == _ALL:
            self._all_at = now + _ALL_EVERY
        page = self._channel.ask(self._channel.driver.parked_since(self._time, self._skip, self._count)) or []
        if page:
            staying, moved = self._move(page)
            self._moved += moved
            self._skip = staying + (self._skip if page[-1] == self._time else 0)
            self._time = page[-1]
            is_last = len(page) // 2 < self._count
            mean = sum(map(len, page[::2])) // (len(page) // 2) + 1
            self._count = max(1, min(_PAGE, _PAGE_BYTES // mean))
            self.due = now if moved or self._is_first else now + _PAUSE
            if not is_last:
                return
        self.due = now + _EVERY
        self._is_first = False
        if self._moved:
            _log.info("channel %s: %s can run now", self._channel.name, count_of(self._moved, "parked message"))
        self._skip = self._moved = 0  # others may be parked in the same millisecond
        if now >= self._all_at:
            self._time = _ALL

    def _move(self, page: Sequence[bytes]) -> tuple[int, int]:
        """Move the messages of a page that can run. Return how many of its last time stay, and how many were moved."""
        pairs = [(raw, back) for raw in page[::2] if (back := self._to_waiting(raw)) is not None]
        moved = self._channel.ask(self._channel.driver.restore(State.PARKED, pairs)) if pairs else 0
        if moved is None:  # the server is unreachable: the next walk begins with the first message
            self._all_at = 0.0
        gone = {raw for raw, _ in pairs} if moved is not None else set[bytes]()
        for mark in {raw for raw in page[::2] if raw[0:1] == _MARK}:  # an older worker has parked it instead of settling it
            if self._channel.ask(self._channel.driver.remove(State.PARKED, mark)) is not None:
                gone.add(mark)
        staying = sum(1 for raw, time in zip(page[::2], page[1::2], strict=True) if time == page[-1] and raw not in gone)
        return staying, int(moved or 0)

    def _to_waiting(self, raw: bytes) -> bytes | None:
        """Return the message to move back to waiting; None if it stays parked."""
        try:
            return self._unparked(raw) if job_of(raw) in self.jobs else None
        except Exception as error:  # forged bytes must not keep other messages parked
            _log.warning("channel %s: a parked message can't be read and stays parked: %r", self._channel.name, error)
            return None

    def _unparked(self, raw: bytes) -> bytes:
        """Return the message as it was before it was parked."""
        message = Message(raw)
        return message.changed(history=unparked(message.history_bytes(), message.id, self._channel.signer))
