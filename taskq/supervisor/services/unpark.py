"""The service that moves parked messages back to waiting if this worker can run them."""

from __future__ import annotations

import logging

from taskq.channel import State
from taskq.logs import count_of
from taskq.supervisor.channel import ChannelState
from taskq.wire.foreign import job_of
from taskq.wire.history import unparked
from taskq.wire.message import Message

__all__ = ["Unpark"]

_log = logging.getLogger("taskq.supervisor")
_EVERY = 10.0
#: The most messages on a page, and on the first one, whose size isn't known yet.
_PAGE, _FIRST = 500, 20
#: A page has about this many bytes.
_PAGE_BYTES = 1 << 20
#: The pause after a page without a known job, in seconds: a few percent of a processor are enough for messages that stay.
_PAUSE = 0.1


class Unpark:
    """Checks the parked messages at the start, after a rolling restart, and every ten seconds while there are any.

    Each tick reads one page: a large number of parked messages, or large ones, must not delay the other services.
    """

    def __init__(self, channel: ChannelState) -> None:
        self.due = 0.0
        self.jobs: frozenset[str] = frozenset()
        self._channel = channel
        #: The start of the next page, and the number of messages moved in this walk.
        self._start = self._moved = 0
        self._count = _FIRST
        #: True if the walk is the first since the jobs are known.
        self._is_first = True

    def restart(self) -> None:
        """Check all messages at once: the jobs have changed, or messages may have been parked by the old code."""
        self.due = 0.0
        self._start = self._moved = 0
        self._is_first = True

    def tick(self, now: float) -> None:
        page = self._page()
        if page:
            pairs = [(raw, back) for raw in page[::2] if (back := self._to_waiting(raw)) is not None]
            moved = int(self._channel.ask(self._channel.driver.restore(State.PARKED, pairs)) or 0) if pairs else 0
            self._moved += moved
            # Moved messages don't count for the start of the next page.
            self._start += len(page) // 2 - moved
            mean = sum(map(len, page[::2])) // (len(page) // 2) + 1
            self._count = max(1, min(_PAGE, _PAGE_BYTES // mean))
            self.due = now if moved or self._is_first else now + _PAUSE
            return
        self.due = now + _EVERY
        self._is_first = False
        if self._moved:
            _log.info("channel %s: %s can run now", self._channel.name, count_of(self._moved, "parked message"))
        self._start = self._moved = 0

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

    def _page(self) -> list[bytes]:
        channel = self._channel
        if not self._start and not self._moved and not channel.ask(channel.driver.count(State.PARKED)):
            return []
        return channel.ask(channel.driver.page(State.PARKED, self._start, self._count)) or []
