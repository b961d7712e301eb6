"""The read and admin side: counts, workers, messages of every state, reload, flush and delete."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from taskq.channel import STATES, State
from taskq.config import Settings, did_you_mean
from taskq.driver.batches import batches
from taskq.driver.load import load_driver, server_url
from taskq.driver.pool import LinkPool
from taskq.driver.steps import run
from taskq.errors import MalformedMessage, TaskqError, UnknownChannel
from taskq.handle.cancel import Cancelled, ask_cancel, this_user
from taskq.handle.status import Status, ask_status
from taskq.handle.subject import Subject
from taskq.inspector.entry import Entry, Place, entry_id, job_of, read_entry
from taskq.inspector.report import ChannelReport, Counts, Seen, WorkerReport, read_worker, with_progress
from taskq.inspector.store import Store, naming
from taskq.inspector.walk import Item, Walk
from taskq.queue import Queue
from taskq.wire.message import Message, check_message_id
from taskq.wire.signing import result_signer
from taskq.worker_id import lease_of

__all__ = ["FLUSHED", "RELOADED", "Inspector", "Progress"]

#: Called with how many messages are done, and how many there are in all.
Progress = Callable[[int, int], None]

#: The states whose messages can be put back to waiting, and those that can be emptied.
RELOADED = (State.FAILED, State.TIMEOUT, State.PARKED)
FLUSHED = tuple(state for state in STATES if state is not State.RESERVED)

#: In the order in which a message passes through them, so that one that moves on during a search is met further on.
_SEARCHED = (State.DELAYED, State.WAITING, State.RESERVED, State.FAILED, State.TIMEOUT, State.PARKED)
_FLUSH_PAGE = 1000


def _no_progress(_done: int, _total: int) -> None:
    """Tell nobody."""


class Inspector:
    """Looks into the channels of a queue and puts their messages in order.

    With settings alone it knows the channels written there. With a queue also those that jobs name, and the attempts that the
    decorators give.

    Raises, with everything that asks the server: ServerUnavailable, ServerRefused.
    """

    def __init__(self, source: Queue | Settings) -> None:
        self._queue = source if isinstance(source, Queue) else None
        self.settings = source.settings if isinstance(source, Queue) else source
        self._senders: dict[str, LinkPool] = {}
        self._url: str | None = None

    # ---- reading

    def url(self) -> str:
        """Return the server's URL, with its password; starts the embedded server when that is in use."""
        if self._url is None:
            self._url = self._queue.url() if self._queue else server_url(self.settings)
        return self._url

    def channels(self) -> list[str]:
        """Return the names of all known channels."""
        return self._queue.channel_names() if self._queue else sorted(self.settings.channels)

    def job_names(self) -> list[str]:
        """Return the names of the app's jobs; without a queue none is known."""
        return self._queue.jobs.names() if self._queue else []

    def counts(self, channel: str) -> Counts:
        """Return how many messages are in each state.

        Raises:
            UnknownChannel: it is not known, and nothing is stored under its name.
        """
        store = self._store(channel)
        return Counts(**{state.value: store.count(state) for state in STATES})

    def workers(self, channel: str) -> list[WorkerReport]:
        """Return what the workers of a channel are doing; also those whose heartbeats have ended and that nobody has rescued yet.

        Raises:
            UnknownChannel: as `counts`.
        """
        store = self._store(channel)
        now, lease = store.now_ms(), store.settings.lease * 1000
        reports = []
        for worker, beat in store.workers():
            held = int(store.call(store.driver.held(worker)))
            own = max(lease, lease_of(worker) * 1000)
            seen = Seen(worker=worker, channel=channel, heartbeat_ms=beat, now_ms=now, lease_ms=own, reserved=held)
            reports.append(read_worker(seen, store.call(store.driver.describe(worker))))
        reports = with_progress(reports, lambda ids: store.call(store.driver.progress(ids)))
        return sorted(reports, key=lambda report: (report.host, report.supervisor_pid, report.pid, report.id))

    def report(self, channel: str) -> ChannelReport:
        """Return counts and workers of a channel.

        Raises:
            UnknownChannel: as `counts`.
        """
        counts, workers = self.counts(channel), tuple(self.workers(channel))
        return ChannelReport(channel=channel, prefix=self._store(channel).settings.channel, counts=counts, workers=workers)

    def entries(self, channel: str, state: State, *, job: str | None = None) -> Iterator[Entry]:
        """Yield the messages of a state, the oldest (of delayed: the first due) first; with `job` only those of that job.

        It reads a page at a time, and not more messages than there are at the start.

        Raises:
            UnknownChannel: as `counts`.
        """
        store = self._store(channel)
        left, now = store.count(state), store.now_ms()
        for worker, page in store.pages(state):
            for item in page[:left]:
                if job is None or _is_job(item.raw, job):
                    yield self._entry(item, Place(channel=channel, state=state, now_ms=now, worker=worker, score_ms=item.score))
            left -= len(page)
            if left <= 0:
                return

    def find(self, message_id: str, *, channels: Sequence[str] = (), progress: Progress = _no_progress) -> Entry | None:
        """Look for a message in every state, of the given channels or of all; None when it is in none.

        Raises:
            UnknownChannel: as `counts`.
        """
        wanted = message_id.strip().lower()
        stores = {name: self._store(name) for name in channels or self.channels()}
        total = sum(store.count(state) for store in stores.values() for state in STATES)
        done = 0
        for name, store in stores.items():
            for state in _SEARCHED:
                for worker, page in store.pages(state):
                    for item in page:
                        if entry_id(item.raw) == wanted:
                            return self._entry(
                                item, Place(channel=name, state=state, now_ms=store.now_ms(), worker=worker, score_ms=item.score)
                            )
                    done += len(page)
                    progress(min(done, total), total)
        return None

    def status(self, message_id: str, *, channels: Sequence[str] = ()) -> tuple[str, Status] | None:
        """Return where a message is, or how it ended and in which channel, when that is kept; None when nothing is known of it.

        Raises:
            ArgumentsError: it is no id of a message.
            UnknownChannel: as `counts`.
        """
        wanted = check_message_id(message_id)
        for name in channels or self.channels():
            store = self._store(name)
            signer = result_signer(self.settings, store.settings.channel)
            status = run(ask_status(store.driver, Subject(wanted, name, signer)), self._senders[name])
            if status.state != "unknown":
                return name, status
        return None

    # ---- putting in order

    def cancel(self, message_id: str, *, channels: Sequence[str] = (), kill: bool = False, by: str | None = None) -> tuple[str, Cancelled]:
        """Cancel a message in whichever channel it is. Returns the channel, and what that led to: "" and TOO_LATE when it is in none.

        Raises:
            ArgumentsError: it is no id of a message.
            UnknownChannel: as `counts`.
        """
        wanted = check_message_id(message_id)
        for name in channels or self.channels():
            store = self._store(name)
            subject = Subject(wanted, name, result_signer(self.settings, store.settings.channel))
            found = run(ask_cancel(store.driver, subject, by or this_user(), kill=kill), self._senders[name])
            if found is not Cancelled.TOO_LATE:
                return name, found
        return "", Cancelled.TOO_LATE

    def delete(self, message_id: str, *, channels: Sequence[str] = (), progress: Progress = _no_progress) -> Entry | None:
        """Find a message and delete it. Returns what was deleted, None when it is nowhere.

        Raises:
            TaskqError: it is reserved: a worker runs it, or is about to.
        """
        entry = self.find(message_id, channels=channels, progress=progress)
        while entry is not None:
            if entry.state is State.RESERVED:
                raise TaskqError(f"message {entry.id} is reserved by worker {entry.worker}: it runs, or is about to, and can't be deleted")
            store = self._store(entry.channel)
            if store.call(store.driver.remove(entry.state, entry.raw)):
                return entry
            entry = self.find(message_id, channels=channels, progress=progress)  # it has moved since it was found
        return None

    def reload(
        self, channel: str, state: State, *, job: str | None = None, message_id: str | None = None, progress: Progress = _no_progress
    ) -> int:
        """Put failed, timed out or parked messages back to waiting, their attempts and crashes counted anew; the history stays.

        What comes to the state meanwhile is left for the next time. Returns how many were moved.

        Raises:
            ValueError: the state can't be reloaded.
            UnknownChannel: as `counts`.
        """
        if state not in RELOADED:
            raise ValueError(f"{state.value} can't be reloaded")
        store = self._store(channel)
        wanted = None if message_id is None else message_id.strip().lower()
        total, until = store.count(state), store.now_ms()
        walk = Walk(store.call, store.driver, state)
        moved = seen = 0
        while page := [item for item in walk.page() if item.score <= until][: total - seen]:
            seen += len(page)
            chosen = [item.raw for item in page if (job is None or _is_job(item.raw, job)) and wanted in (None, entry_id(item.raw))]
            count = self._restore(store, state, chosen)
            walk.removed(count)
            moved += count
            progress(seen, total)
            if wanted is not None and moved:
                break
        return moved

    def flush(self, channel: str, state: State, *, progress: Progress = _no_progress) -> int:
        """Delete the messages of a state, as many as there are now, the oldest first. Returns how many were deleted.

        Raises:
            ValueError: the state is reserved: those messages run.
            UnknownChannel: as `counts`.
        """
        if state not in FLUSHED:
            raise ValueError(f"{state.value} can't be flushed")
        store = self._store(channel)
        total, done = store.count(state), 0
        while done < total:
            count = int(store.call(store.driver.flush(state, min(_FLUSH_PAGE, total - done))))
            if not count:
                break
            done += count
            progress(done, total)
        return done

    def close(self) -> None:
        """Close the connections."""
        for sender in self._senders.values():
            sender.close()

    # ---- channels

    def _store(self, channel: str) -> Store:
        settings = self._queue.channel(channel) if self._queue else self.settings.channel_or_default(channel)
        if channel not in self._senders:
            sender = self._queue.sender(channel) if self._queue else LinkPool(load_driver(self.url(), settings))
            store = Store(settings, naming(sender.call, sender.driver, channel), sender.driver)
            if channel not in self.channels():
                self._check_used(channel, store)
            self._senders[channel] = sender
        sender = self._senders[channel]
        return Store(settings, naming(sender.call, sender.driver, channel), sender.driver)

    def _check_used(self, channel: str, store: Store) -> None:
        """Refuse a name that nothing knows: without the app, a channel that only a job names can't be told from a typing mistake."""
        if not store.workers() and not any(store.count(state) for state in FLUSHED):
            known = did_you_mean(channel, self.channels())
            raise UnknownChannel(
                f"no channel is named {channel!r} in the settings, and nothing is stored under that name; {known}. "
                "A channel that only a job names is known with --app"
            )

    def _entry(self, item: Item, place: Place) -> Entry:
        return read_entry(item.raw, place, lambda job: self._attempts_of(job, place.channel))

    def _attempts_of(self, name: str, channel: str) -> int | None:
        job = self._queue.jobs.get(name) if self._queue else None
        return None if job is None else job.options_of_job.max_attempts or self.settings.channel_or_default(channel).max_attempts

    @staticmethod
    def _restore(store: Store, state: State, chosen: Sequence[bytes]) -> int:
        pairs = [(raw, _fresh(raw)) for raw in chosen]
        groups = batches(pairs, [2 * len(raw) for raw in chosen])
        return sum(int(store.call(store.driver.restore(state, group))) for group in groups)


def _fresh(raw: bytes) -> bytes:
    """Return a message as if it had never run; bytes that are no message stay as they are."""
    try:
        return Message(raw).changed(attempts=0, crashes=0)
    except MalformedMessage:
        return raw


def _is_job(raw: bytes, wanted: str) -> bool:
    """Tell whether a message is of a job, named in full or by the part after its module."""
    name = job_of(raw)
    return name == wanted or name.rpartition(":")[2] == wanted
