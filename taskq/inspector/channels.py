"""The channels that an inspector knows: their stored data, their connections and their signers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from taskq.config import Settings, did_you_mean
from taskq.driver.contract import Driver
from taskq.driver.load import load_driver, server_url
from taskq.driver.pool import LinkPool
from taskq.driver.registry import known_channels
from taskq.errors import ArgumentsError, UnknownChannel
from taskq.handle.subject import Subject
from taskq.inspector.entry import Entry, Place, Signers, read_entry
from taskq.inspector.store import FLUSHED, Store, naming
from taskq.inspector.walk import Call, Item
from taskq.queue import Queue
from taskq.wire.message import check_message_id
from taskq.wire.signing import Signer, result_signer

__all__ = ["Channels"]

#: How many names of jobs are remembered while messages are read.
_KNOWN = 1000


class Channels:
    """The channels of a queue or of settings, and the connections to their servers."""

    def __init__(self, source: Queue | Settings) -> None:
        if not isinstance(source, (Queue, Settings)):
            raise ArgumentsError(f"an inspector needs a Queue, as in taskq.Inspector(queue); got a value of type {type(source).__name__}")
        #: The queue; None with settings alone.
        self.queue = source if isinstance(source, Queue) else None
        self.settings = source.settings if isinstance(source, Queue) else source
        self._senders: dict[str, LinkPool] = {}
        self._url: str | None = None

    def url(self) -> str:
        """Return the server's URL, including its password. Starts the embedded server if that is in use."""
        if self._url is None:
            self._url = self.queue.url() if self.queue else server_url(self.settings)
        return self._url

    def channels(self) -> list[str]:
        """Return the names of all known channels; if the settings have patterns, with those that programs have pushed to."""
        defined = self.defined_channels()
        return sorted({*defined, *known_channels(self.settings, self.url())}) if self.settings.patterns else defined

    def defined_channels(self) -> list[str]:
        """Return the names of the channels that the settings or jobs define. Doesn't contact the server."""
        return self.queue.channel_names() if self.queue else sorted(self.settings.channels)

    def chosen(self, channels: Sequence[str]) -> Sequence[str]:
        """Return the given channels, or all known channels if none are given.

        Raises:
            ArgumentsError: a text was given instead of a list.
        """
        if isinstance(channels, str):  # its characters would be read as names
            raise ArgumentsError(f'channels must be a list of names: channels=["{channels}"]')
        return channels or self.channels()

    def only_channel(self) -> str:
        """Return the name of the only known channel.

        Raises:
            ArgumentsError: there are several; the text names them.
        """
        first, *others = self.channels()
        if others:
            raise ArgumentsError(f"there are several channels; give one of {', '.join([first, *others])}")
        return first

    def job_names(self) -> list[str]:
        """Return the names of the app's jobs; an empty list without a queue."""
        return self.queue.jobs.names() if self.queue else []

    def close(self) -> None:
        """Close the connections."""
        for sender in self._senders.values():
            sender.close()

    def subjects(self, message_id: str, channels: Sequence[str]) -> Iterator[tuple[Subject, Call, Driver]]:
        """Yield, for each channel, the message as a subject, the function that sends commands, and the driver."""
        wanted = check_message_id(message_id)
        for name in self.chosen(channels):
            store = self.store(name)
            yield Subject(wanted, name, self.signer(name)), store.call, store.driver

    def store(self, channel: str) -> Store:
        """Return the stored data of a channel.

        Raises:
            UnknownChannel: the channel is not defined, and no message is stored under its name.
        """
        settings = self.queue.channel(channel) if self.queue else self.settings.channel_or_default(channel)
        known = self._senders.get(channel)
        sender = known or (self.queue.sender(channel) if self.queue else LinkPool(load_driver(self.url(), settings)))
        store = Store(settings, naming(sender.call, sender.driver, channel), sender.driver)
        if known is None and channel not in self.defined_channels() and self.settings.pattern_of(channel) is None:
            self._check_used(channel, store)
        self._senders.setdefault(channel, sender)
        return store

    def _check_used(self, channel: str, store: Store) -> None:
        """Refuse an unknown, unused channel: without the app, a channel that only a job defines looks like a typing error."""
        if not store.workers() and not any(store.count(state) for state in FLUSHED):
            known = did_you_mean(channel, self.channels())
            raise UnknownChannel(
                f"unknown channel {channel!r}: not in the settings, and no message is stored under that name; {known}. "
                "If the channel is defined only by a job, pass --app"
            )

    def _signers(self, channel: str) -> Signers | None:
        records = self.signer(channel)
        if records is None:
            return None
        return Signers(Signer(self.settings.secrets, self.store(channel).settings.channel), records)

    def signer(self, channel: str) -> Signer | None:
        """Return the signer of the channel's results and records; None without a secret."""
        return result_signer(self.settings, self.store(channel).settings.channel)

    def reader(self, channel: str) -> Callable[[Item, Place], Entry]:
        """Return the function that reads a stored message of a channel; verified if there is a secret."""
        signers = self._signers(channel)
        known: dict[str, tuple[int | None, str]] = {}

        def about(name: str) -> tuple[int | None, str]:
            """Return the `max_attempts` of a job, and its name if `name` is one of its aliases."""
            found = known.get(name)
            if found is None:
                found = None, ""
                if (job := self.queue.jobs.get(name) if self.queue else None) is not None:
                    attempts = job.options_of_job.max_attempts or self.settings.channel_or_default(channel).max_attempts
                    found = attempts, "" if job.name == name else job.name
                if len(known) < _KNOWN:
                    known[name] = found
            return found

        return lambda item, place: read_entry(item.raw, place, about, signers)
