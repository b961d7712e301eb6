"""The read and admin side of the channels. A worker never loads it.

    unpickle    looking into a pickle without running it
    render      values as text and as JSON data, bounded
    entry       one stored message as an operator sees it
    report      counts and workers of a channel
    walk        reading a state in pages while others change it
    store       one channel's store, as it is asked
    inspector   all of it over the channels of a queue

Each of these imports only from those above it.
"""

from __future__ import annotations

from taskq.inspector.entry import Entry
from taskq.inspector.inspector import FLUSHED, RELOADED, Inspector, Progress
from taskq.inspector.report import ChannelReport, Counts, WorkerReport

__all__ = ["FLUSHED", "RELOADED", "ChannelReport", "Counts", "Entry", "Inspector", "Progress", "WorkerReport"]
