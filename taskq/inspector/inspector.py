"""The inspector of a queue: counts, workers and messages of every state; cancel, delete, reload and flush."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from taskq.channel import STATES, State
from taskq.clock import monotonic
from taskq.config import Settings
from taskq.driver.batches import batches
from taskq.driver.steps import run
from taskq.errors import TaskqError
from taskq.handle.cancel import Cancelled, ask_cancel, this_user
from taskq.handle.status import Status, ask_status
from taskq.inspector.channels import Channels
from taskq.inspector.entry import Entry, Place, entry_id, fresh, is_job
from taskq.inspector.report import ChannelReport, Counts, Registration, WorkerReport, read_worker, with_progress
from taskq.inspector.store import FLUSHED, Store
from taskq.inspector.walk import Walk
from taskq.queue import Queue
from taskq.worker_id import lease_of

__all__ = ["FLUSHED", "RELOADED", "Inspector", "Progress"]

#: A progress callback: called with the number of messages done, and the total.
Progress = Callable[[int, int], None]
#: The states that can be reloaded.
RELOADED = (State.FAILED, State.TIMEOUT, State.PARKED)

#: In the order in which a message passes through them, so that a search still finds one that moves on.
_SEARCHED = (State.DELAYED, State.WAITING, State.RESERVED, State.FAILED, State.TIMEOUT, State.PARKED)
_FLUSH_PAGE = 1000
#: How long a flush is valid: as long as a connection waits for its reply. One that arrives later removes nothing.
_FLUSH_MS = 5000


def _no_progress(_done: int, _total: int) -> None:
    """Ignore the progress."""


class Inspector:
    """Reads and manages the messages and workers of a queue's channels.

    Made from settings alone, it knows the channels in the settings. Made from a queue, it also knows the channels and the
    `max_attempts` that jobs define.
    Methods that send commands raise `ServerUnavailable` or `ServerRefused`.
    """

    def __init__(self, source: Queue | Settings) -> None:
        self._places = Channels(source)
        self.settings = self._places.settings

    # ---- reading

    def url(self) -> str:
        """Return the server's URL, including its password. Starts the embedded server if that is in use."""
        return self._places.url()

    def channels(self) -> list[str]:
        """Return the names of all known channels."""
        return self._places.channels()

    @property
    def has_app(self) -> bool:
        """True if it was made from a queue, so that the channels of jobs are known; False if only from settings."""
        return self._places.has_app

    def only_channel(self) -> str:
        """Return the name of the only known channel.

        Raises:
            ArgumentsError: there are several; the text names them.
        """
        return self._places.only_channel()

    def job_names(self) -> list[str]:
        """Return the names of the app's jobs; an empty list without a queue."""
        return self._places.job_names()

    def counts(self, channel: str) -> Counts:
        """Return the number of messages in each state.

        Raises:
            UnknownChannel: the channel is not defined, and no message is stored under its name.
        """
        store = self._places.store(channel)
        return Counts(**{state.value: store.count(state) for state in STATES})

    def workers(self, channel: str) -> list[WorkerReport]:
        """Return the activity of a channel's worker processes, including lost ones whose messages are not rescued yet.

        Raises:
            UnknownChannel: as in `counts`.
        """
        store = self._places.store(channel)
        now, lease = store.now_ms(), store.settings.lease * 1000
        reports, signer = [], self._places.signer(channel)
        for worker, beat in store.workers():
            held, fields = int(store.call(store.driver.held(worker))), store.call(store.driver.describe(worker))
            own = max(lease, lease_of(worker) * 1000)
            registration = Registration(worker=worker, channel=channel, heartbeat_ms=beat, now_ms=now, lease_ms=own, reserved=held)
            if held or fields or now - beat >= own:  # otherwise it has exited, and its supervisor will check its list once more
                reports.append(read_worker(registration, fields, signer))
        reports = with_progress(reports, lambda ids: store.call(store.driver.progress(ids)), signer)
        return sorted(reports, key=lambda report: (report.host, report.supervisor_pid, report.pid, report.id))

    def report(self, channel: str) -> ChannelReport:
        """Return the message counts and worker activity of a channel.

        Raises:
            UnknownChannel: as in `counts`.
        """
        counts, workers = self.counts(channel), tuple(self.workers(channel))
        return ChannelReport(channel=channel, prefix=self._places.store(channel).settings.channel, counts=counts, workers=workers)

    def entries(self, channel: str, state: State, *, job: str | None = None) -> Iterator[Entry]:
        """Yield the messages of a state, oldest first (in `delayed`: first due); with `job`, only those of that job.

        Reads one page at a time, and stops after the number of messages at the start.

        Raises:
            UnknownChannel: as in `counts`.
        """
        store = self._places.store(channel)
        left, now = store.count(state), store.now_ms()
        for worker, page in store.pages(state):
            for item in page[:left]:
                if job is None or is_job(item.raw, job):
                    yield self._places.entry(item, Place(channel=channel, state=state, now_ms=now, worker=worker, score_ms=item.score))
            left -= len(page)
            if left <= 0:
                return

    def find(self, message_id: str, *, channels: Sequence[str] = (), progress: Progress = _no_progress) -> Entry | None:
        """Search for a message in every state of the given channels, or of all. Return None if it is not found.

        Raises:
            UnknownChannel: as in `counts`.
        """
        wanted = message_id.strip().lower()
        stores = {name: self._places.store(name) for name in channels or self.channels()}
        total, done = sum(store.count(state) for store in stores.values() for state in STATES), 0
        for name, store in stores.items():
            for state in _SEARCHED:
                for worker, page in store.pages(state):
                    for item in page:
                        if entry_id(item.raw) == wanted:
                            place = Place(channel=name, state=state, now_ms=store.now_ms(), worker=worker, score_ms=item.score)
                            return self._places.entry(item, place)
                    done += len(page)
                    progress(min(done, total), total)
        return None

    def status(self, message_id: str, *, channels: Sequence[str] = ()) -> tuple[str, Status] | None:
        """Return the channel of a message, and its current or final state; None if the message is unknown.

        Raises:
            ArgumentsError: the id is not valid.
            UnknownChannel: as in `counts`.
        """
        for subject, sender in self._places.subjects(message_id, channels):
            status = run(ask_status(sender.driver, subject), sender.call)
            if status.state != "unknown":
                return subject.channel, status
        return None

    # ---- managing

    def cancel(self, message_id: str, *, channels: Sequence[str] = (), kill: bool = False, by: str | None = None) -> tuple[str, Cancelled]:
        """Cancel a message in any of the channels. Return its channel and the effect: "" and TOO_LATE if it is in none.

        Raises:
            ArgumentsError: the id is not valid.
            UnknownChannel: as in `counts`.
        """
        for subject, sender in self._places.subjects(message_id, channels):
            found = run(ask_cancel(sender.driver, subject, by or this_user(), kill=kill), sender.call)
            if found is not Cancelled.TOO_LATE:
                return subject.channel, found
        return "", Cancelled.TOO_LATE

    def delete(self, message_id: str, *, channels: Sequence[str] = (), progress: Progress = _no_progress) -> Entry | None:
        """Find a message and delete it. Return the deleted entry, or None if the message is not found.

        Raises:
            TaskqError: the message is reserved: a worker is running it, or is about to.
        """
        entry = self.find(message_id, channels=channels, progress=progress)
        while entry is not None:
            if entry.state is State.RESERVED:
                raise TaskqError(
                    f"message {entry.id} can't be deleted: it is reserved by worker {entry.worker}, which is running it or is about to"
                )
            store = self._places.store(entry.channel)
            if store.call(store.driver.remove(entry.state, entry.raw)):
                return entry
            entry = self.find(message_id, channels=channels, progress=progress)  # it has moved since it was found
        return None

    def reload(
        self, channel: str, state: State, *, job: str | None = None, message_id: str | None = None, progress: Progress = _no_progress
    ) -> int:
        """Move failed, timed-out or parked messages back to waiting. Their attempts and crashes are reset; the history stays.

        Messages that reach the state meanwhile are not included. Return the number of moved messages.

        Raises:
            ValueError: the state can't be reloaded.
            UnknownChannel: as in `counts`.
        """
        if state not in RELOADED:
            raise ValueError(f"{state.value} can't be reloaded")
        store = self._places.store(channel)
        wanted = None if message_id is None else message_id.strip().lower()
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

    def flush(self, channel: str, state: State, *, progress: Progress = _no_progress) -> int:
        """Delete the messages that are in a state now, oldest first. Return the number of deleted messages.

        Raises:
            ValueError: the state is reserved: those messages are running.
            UnknownChannel: as in `counts`.
        """
        if state not in FLUSHED:
            raise ValueError(f"{state.value} can't be flushed")
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
    def _restore(store: Store, state: State, chosen: Sequence[bytes]) -> int:
        pairs = [(raw, fresh(raw)) for raw in chosen]
        groups = batches(pairs, [2 * len(raw) for raw in chosen])
        return sum(int(store.call(store.driver.restore(state, group))) for group in groups)

    def close(self) -> None:
        """Close the connections."""
        self._places.close()
