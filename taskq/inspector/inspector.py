"""The inspector of a queue, for sync and async callers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from taskq.channel import State
from taskq.inspector.entry import Entry
from taskq.inspector.managing import Managing
from taskq.inspector.report import ChannelReport, Counts, WorkerReport
from taskq.inspector.results import Cancellation, Entries, MessageStatus
from taskq.inspector.threads import in_thread

if TYPE_CHECKING:
    from taskq.doctor.examine import Diagnosis

__all__ = ["Inspector"]

#: How many messages a thread reads for an async iteration.
_PART = 200


class Inspector(Managing):
    """Reads and manages the messages and workers of a queue's channels: what `taskq info`, `list`, `show`, `cancel` and others do.

    Create it once, and share it between threads and tasks. It uses the connections of the queue.

    Each method with a name that begins with `a` is the async version of the method without. It runs in a thread of the event loop's
    default executor, so it never blocks the loop. If its task is cancelled, the thread sends no further command; the one that was sent
    may still be executed.

    Methods that send commands raise `ServerUnavailable` or `ServerRefused`.

    Args:
        source: the queue. With settings alone (`taskq.config.Settings`), the channels and `max_attempts` that jobs define are unknown.
    """

    async def ainfo(self, channel: str | None = None) -> list[ChannelReport]:
        """Async version of `info`."""
        return await in_thread(partial(self.info, channel))

    async def acounts(self, channel: str) -> Counts:
        """Async version of `counts`."""
        return await in_thread(partial(self.counts, channel))

    async def aworkers(self, channel: str) -> list[WorkerReport]:
        """Async version of `workers`."""
        return await in_thread(partial(self.workers, channel))

    async def aentries(
        self,
        channel: str | None = None,
        state: State | str = State.FAILED,
        *,
        job: str | None = None,
        limit: int | None = 100,
        search: int | None = 100_000,
    ) -> Entries:
        """Async version of `entries`."""
        return await in_thread(partial(self.entries, channel, state, job=job, limit=limit, search=search))

    async def aiter_entries(
        self,
        channel: str | None = None,
        state: State | str = State.FAILED,
        *,
        job: str | None = None,
        limit: int | None = None,
        search: int | None = None,
    ) -> AsyncIterator[Entry]:
        """Async version of `iter_entries`: `async for entry in inspector.aiter_entries(...)`."""
        listing = await in_thread(partial(self.iter_entries, channel, state, job=job, limit=limit, search=search))
        while part := await in_thread(lambda: [*islice(listing, _PART)]):
            for entry in part:
                yield entry

    async def afind(self, message_id: str, *, channels: Sequence[str] = ()) -> Entry | None:
        """Async version of `find`."""
        return await in_thread(partial(self.find, message_id, channels=channels))

    async def astatus(self, message_id: str, *, channels: Sequence[str] = ()) -> MessageStatus | None:
        """Async version of `status`."""
        return await in_thread(partial(self.status, message_id, channels=channels))

    async def acancel(self, message_id: str, *, channels: Sequence[str] = (), kill: bool = False, by: str | None = None) -> Cancellation:
        """Async version of `cancel`."""
        return await in_thread(partial(self.cancel, message_id, channels=channels, kill=kill, by=by))

    async def adelete(self, message_id: str, *, channels: Sequence[str] = ()) -> Entry | None:
        """Async version of `delete`."""
        return await in_thread(partial(self.delete, message_id, channels=channels))

    async def areload(
        self, channel: str | None = None, state: State | str = State.FAILED, *, job: str | None = None, message_id: str | None = None
    ) -> int:
        """Async version of `reload`."""
        return await in_thread(partial(self.reload, channel, state, job=job, message_id=message_id))

    async def aflush(self, channel: str, state: State | str) -> int:
        """Async version of `flush`."""
        return await in_thread(partial(self.flush, channel, state))

    async def adoctor(self) -> Diagnosis:
        """Async version of `doctor`."""
        return await in_thread(self.doctor)
