"""The inspector's methods that change something: cancel, delete, reload and flush."""

from __future__ import annotations

from collections.abc import Sequence

from taskq.channel import State
from taskq.clock import monotonic
from taskq.driver.batches import batches
from taskq.driver.remove import withdraw
from taskq.driver.steps import run
from taskq.errors import TaskqError
from taskq.handle.cancel import Cancelled, ask_cancel, check_cancel
from taskq.inspector.entry import Entry, entry_id, fresh, is_job
from taskq.inspector.reading import Progress, Reading, checked_state, no_progress
from taskq.inspector.results import Cancellation
from taskq.inspector.search import checked_id, resolve
from taskq.inspector.store import FLUSHED, Store
from taskq.inspector.walk import Walk

__all__ = ["FLUSHED", "RELOADED", "Managing"]

#: The states that can be reloaded.
RELOADED = (State.FAILED, State.TIMEOUT, State.PARKED)

_FLUSH_PAGE = 1000
#: Each takes the server about ten microseconds: the result and the stream of its earlier run are deleted, too.
_RELOAD_PAGE = 100
#: How long a flush is valid: as long as a connection waits for its reply. One that arrives later removes nothing.
_FLUSH_MS = 5000


class Managing(Reading):
    """The methods that change something, and those that read. See `Inspector`."""

    def cancel(self, message_id: str, *, channels: Sequence[str] = (), kill: bool = False, by: str | None = None) -> Cancellation:
        """Cancel a message: remove it if it has not started, otherwise interrupt its job. See `Handle.cancel`.

        Args:
            message_id: the id, or a unique prefix of it with at least eight digits.
            channels: the channels to search. Default: all known.
            kill: True to kill the worker process if the job is still running after three seconds.
            by: the name of the user who cancels. Default: user@host.

        Raises:
            ArgumentsError: as in `resolve`; or `by` is not a string, or `kill` is not a bool.
            UnknownChannel: as in `counts`.
        """
        by = check_cancel(by, kill)
        wanted = self.resolve(message_id, channels=channels)
        for subject, call, driver in self._places.subjects(wanted, channels) if wanted else ():
            effect = run(ask_cancel(driver, subject, by, kill=kill), call)
            if effect is not Cancelled.TOO_LATE:
                return Cancellation(id=subject.id, channel=subject.channel, effect=effect)
        return Cancellation(id=wanted or message_id, channel="", effect=Cancelled.TOO_LATE)

    def delete(self, message_id: str, *, channels: Sequence[str] = (), progress: Progress = no_progress) -> Entry | None:
        """Find a message and delete it. Return the deleted entry, or None if the message is not found. Arguments as in `find`.

        Raises:
            TaskqError: the message is reserved: a worker is running it, or is about to.
            ArgumentsError: as in `resolve`.
            UnknownChannel: as in `counts`.
        """
        entry = self.find(message_id, channels=channels, progress=progress)
        while entry is not None:
            if entry.state is State.RESERVED:
                raise TaskqError(
                    f"message {entry.id} can't be deleted: it is reserved by worker {entry.worker}, which is running it or is about to"
                )
            store = self._places.store(entry.channel)
            if self._remove(store, entry):
                return entry
            entry = self.find(entry.id, channels=channels, progress=progress)  # it has moved since it was found
        return None

    def reload(
        self,
        channel: str | None = None,
        state: State | str = State.FAILED,
        *,
        job: str | None = None,
        message_id: str | None = None,
        progress: Progress = no_progress,
    ) -> int:
        """Move failed, timed-out or parked messages back to waiting. Their attempts and crashes are reset; the history stays.

        Messages that reach the state meanwhile are not included.

        Args:
            channel: the channel; it may be omitted if there is only one.
            state: `failed`, `timeout` or `parked`.
            job: move only messages of this job: its full name, or the part after the module.
            message_id: move only this message: its id, or a prefix that is unique in the state.
            progress: called with the number of messages read, and the total.

        Returns:
            The number of moved messages.

        Raises:
            ArgumentsError: the state can't be reloaded, the id is not valid or not unique, or no channel is given and there are several.
            UnknownChannel: as in `counts`.
        """
        state = checked_state(state, RELOADED)
        name = channel or self.only_channel()
        store = self._places.store(name)
        wanted = None
        if message_id is not None:
            wanted = resolve({name: store}, checked_id(message_id), (state,))
            if wanted is None:
                return 0
        total, began, now = store.count(state), monotonic(), store.past_ms()
        walk = Walk(store.call, store.driver, state)
        moved = seen = 0
        while seen < total and (items := walk.page()):
            # The times of what has arrived since. Later ones were here before: the server's clock was ahead, and was set back.
            until = now + (monotonic() - began) * 1000 + 100
            page = [item for item in items if not now < item.score <= until][: total - seen]
            seen += len(page)
            chosen = [item.raw for item in page if (job is None or is_job(item.raw, job)) and wanted in (None, entry_id(item.raw))]
            count = self._restore(store, state, chosen)
            walk.removed(count)
            moved += count
            progress(seen, total)
            if wanted is not None and moved:
                break
        return moved

    def flush(self, channel: str, state: State | str, *, progress: Progress = no_progress) -> int:
        """Delete the messages that are in a state now, oldest first. Return the number of deleted messages.

        Args:
            channel: the channel.
            state: any state except `reserved`: those messages are running.
            progress: called with the number of deleted messages, and the total.

        Raises:
            ArgumentsError: the state can't be flushed.
            UnknownChannel: as in `counts`.
        """
        state = checked_state(state, FLUSHED)
        store = self._places.store(channel)
        total, done = store.count(state), 0
        while done < total:
            until = int(store.now_ms()) + _FLUSH_MS
            count = int(store.call(store.driver.flush(state, min(_FLUSH_PAGE, total - done), until)))
            if not count:
                break
            done += max(0, count)
            progress(done, total)
        return done

    @staticmethod
    def _remove(store: Store, entry: Entry) -> bool:
        if entry.state in (State.WAITING, State.DELAYED):
            return run(withdraw(store.driver, entry.raw), store.call)
        return bool(store.call(store.driver.remove(entry.state, entry.raw)))

    @staticmethod
    def _restore(store: Store, state: State, chosen: Sequence[bytes]) -> int:
        pairs = [(raw, fresh(raw)) for raw in chosen]
        groups = batches(pairs, [2 * len(raw) for raw in chosen], count=_RELOAD_PAGE)
        return sum(int(store.call(store.driver.restore(state, group))) for group in groups)
