"""The inspector's methods that read: counts, workers, messages and their states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from taskq.channel import STATES, State
from taskq.config import Settings
from taskq.driver.contract import Command
from taskq.driver.steps import run
from taskq.errors import ArgumentsError
from taskq.handle.status import ask_status
from taskq.inspector.channels import Channels
from taskq.inspector.entry import Entry, Place
from taskq.inspector.report import ChannelReport, Counts, Registration, WorkerReport, read_worker, with_progress
from taskq.inspector.results import Entries, Listing, MessageStatus
from taskq.inspector.search import checked_id, is_full, locate, resolve
from taskq.inspector.store import Store
from taskq.inspector.walk import Call
from taskq.queue import Queue

if TYPE_CHECKING:
    from taskq.doctor.examine import Diagnosis

__all__ = ["Progress", "Reading", "checked_state", "no_progress"]

#: A progress callback: called with the number of messages done, and the total.
Progress = Callable[[int, int], None]


def no_progress(_done: int, _total: int) -> None:
    """Ignore the progress."""


class Reading:
    """The methods that read. See `Inspector`."""

    def __init__(self, source: Queue | Settings) -> None:
        self._places = Channels(source)
        self.settings = self._places.settings

    # ---- reading

    def url(self) -> str:
        """Return the server's URL, including its password. Starts the embedded server if that is in use."""
        return self._places.url()

    def channels(self) -> list[str]:
        """Return the names of all known channels; if the settings have patterns, with those that programs have pushed to."""
        return self._places.channels()

    def defined_channels(self) -> list[str]:
        """Return the names of the channels that the settings or jobs define. Doesn't contact the server."""
        return self._places.defined_channels()

    @property
    def has_app(self) -> bool:
        """True if it was made from a queue, so that the channels of jobs are known; False if only from settings."""
        return self._places.queue is not None

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
        from taskq.worker_id import lease_of  # it loads OpenSSL, which `from taskq import *` must not

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

    def info(self, channel: str | None = None) -> list[ChannelReport]:
        """Return the reports of all known channels, or of one.

        Raises:
            UnknownChannel: as in `counts`.
        """
        return [self.report(name) for name in ([channel] if channel else self.channels())]

    def entries(
        self,
        channel: str | None = None,
        state: State | str = State.FAILED,
        *,
        job: str | None = None,
        limit: int | None = 100,
        search: int | None = 100_000,
    ) -> Entries:
        """Return the messages of a state, oldest first (in `delayed`: first due).

        Reads one page at a time, and stops after the number of messages at the start.

        Args:
            channel: the channel; it may be omitted if there is only one.
            state: the state, such as `"failed"` or `State.FAILED`.
            job: return only messages of this job: its full name, or the part after the module.
            limit: the maximum number of messages to return; None for all.
            search: the maximum number of messages to read, of all jobs; None for all.

        Raises:
            ArgumentsError: the state is unknown, a bound is not valid, or no channel is given and there are several.
            UnknownChannel: as in `counts`.
        """
        listing = self.iter_entries(channel, state, job=job, limit=limit, search=search)
        entries = tuple(listing)
        return Entries(channel=listing.channel, state=listing.state, entries=entries, total=listing.total, is_complete=listing.is_complete)

    def iter_entries(
        self,
        channel: str | None = None,
        state: State | str = State.FAILED,
        *,
        job: str | None = None,
        limit: int | None = None,
        search: int | None = None,
    ) -> Listing:
        """Return an iterator over the messages of a state, oldest first. It keeps one page of messages in memory.

        Arguments and errors are those of `entries`; by default, it reads all messages.
        """
        for bound, value in (("limit", limit), ("search", search)):
            if value is not None and (type(value) is not int or value < 0):
                raise ArgumentsError(f"{bound} must be an integer from 0, or None for no bound; got {value!r}")
        wanted, name = checked_state(state, STATES), channel or self.only_channel()
        store = self._places.store(name)
        place = Place(channel=name, state=wanted, now_ms=store.now_ms())
        return Listing(place, store, self._places.reader(name), job=job, limit=limit, search=search)

    def resolve(self, message_id: str, *, channels: Sequence[str] = ()) -> str | None:
        """Return the full id of the only message with this id prefix, or None. A full id is returned unchanged.

        At least eight digits are needed. The search reads at most a million messages and a million keys of stored results.

        Raises:
            ArgumentsError: the text can't be an id or its prefix, several ids have the prefix, or there are too many messages to search.
            UnknownChannel: as in `counts`.
        """
        wanted = checked_id(message_id)
        return wanted if is_full(wanted) else resolve(self._stores(channels), wanted)

    def find(self, message_id: str, *, channels: Sequence[str] = (), progress: Progress = no_progress) -> Entry | None:
        """Search for a message in every state of the given channels, or of all. Return None if it is not found.

        Args:
            message_id: the id, or a unique prefix of it with at least eight digits.
            channels: the channels to search. Default: all known.
            progress: called with the number of messages read, and the total.

        Raises:
            ArgumentsError: as in `resolve`.
            UnknownChannel: as in `counts`.
        """
        given = checked_id(message_id)
        stores = self._stores(channels)
        wanted = resolve(stores, given)
        if wanted is None or (hit := locate(_counted(stores, progress), wanted)) is None:
            return None
        place = Place(
            channel=hit.channel,
            state=hit.state,
            now_ms=stores[hit.channel].now_ms(),
            worker=hit.worker,
            score_ms=hit.item.score,
        )
        return self._places.reader(hit.channel)(hit.item, place)

    def status(self, message_id: str, *, channels: Sequence[str] = ()) -> MessageStatus | None:
        """Return the current or final state of a message; None if it is unknown. Arguments and errors are those of `find`."""
        wanted = self.resolve(message_id, channels=channels)
        for subject, call, driver in self._places.subjects(wanted, channels) if wanted else ():
            status = run(ask_status(driver, subject), call)
            if status.state != "unknown":
                return MessageStatus(id=subject.id, channel=subject.channel, status=status)
        return None

    def doctor(self) -> Diagnosis:
        """Check the server, the app and every channel, as `taskq doctor` does. It changes nothing.

        Threads and connections that the import of the app leaves are checked only by the command, which imports the app itself.
        """
        from taskq.doctor.app import Loaded  # slow to import, and needed only here
        from taskq.doctor.examine import diagnose

        queue = self._places.queue
        return diagnose(self.settings, Loaded(queue, None, None) if queue else None)

    def close(self) -> None:
        """Close the idle connections. The inspector stays usable."""
        self._places.close()

    def _stores(self, channels: Sequence[str]) -> dict[str, Store]:
        return {name: self._places.store(name) for name in self._places.chosen(channels)}


def checked_state(value: State | str, allowed: Sequence[State]) -> State:
    """Return a state that is one of the allowed ones.

    Raises:
        ArgumentsError: it is not.
    """
    if value in [*allowed]:
        return State(value)
    names = [state.value for state in allowed]
    raise ArgumentsError(f"state must be one of {', '.join(names)}; got {str(getattr(value, 'value', value))!r}")


def _counted(stores: dict[str, Store], progress: Progress) -> dict[str, Store]:
    """Wrap the stores: report the progress of a search."""
    if progress is no_progress:
        return stores
    total, done = sum(store.count(state) for store in stores.values() for state in STATES), 0

    def counting(call: Call) -> Call:
        def ask(command: Command) -> Any:
            nonlocal done
            reply = call(command)
            if command.move == "find":
                done += max(0, int(reply[0]))  # the first look at a long list isn't counted
                progress(min(done, total), total)
            return reply

        return ask

    return {name: store._replace(call=counting(store.call)) for name, store in stores.items()}
