"""The inspector: reads and manages the messages and workers of channels. Workers never load it.

    values      placeholders for objects, and the plain values that are safe to make
    plain       read a short pickle of plain data quickly
    unpickle    read a pickle without running any code of it
    render      values as text and as JSON data, bounded
    entry       one stored message as an operator sees it
    report      message counts and worker activity of a channel
    walk        read a state in pages while others change it
    threads     run methods in threads for async callers
    store       the stored data of one channel
    channels    the channels that it knows, their connections and signers
    search      search for messages by their ids, or by an id prefix
    results     the results of the inspector's methods
    reading     the methods that read
    managing    the methods that change something
    inspector   the public class, with async versions

Each of these imports only from those above it.
"""

from __future__ import annotations

from taskq.inspector.entry import NOT_VERIFIED, Entry
from taskq.inspector.inspector import Inspector
from taskq.inspector.managing import RELOADED
from taskq.inspector.reading import Progress
from taskq.inspector.report import ChannelReport, Counts, WorkerReport
from taskq.inspector.results import Cancellation, Entries, Listing, MessageStatus
from taskq.inspector.store import FLUSHED

__all__ = [
    "FLUSHED",
    "NOT_VERIFIED",
    "RELOADED",
    "Cancellation",
    "ChannelReport",
    "Counts",
    "Entries",
    "Entry",
    "Inspector",
    "Listing",
    "MessageStatus",
    "Progress",
    "WorkerReport",
]
