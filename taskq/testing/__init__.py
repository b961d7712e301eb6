"""Test jobs, and code that pushes them, without a server and without waiting.

    store        messages in memory, by state
    driver       the moves of a channel on that store
    pushed       a recorded push, and its comparison with what a test expects
    outbox       the outbox of a recorded queue
    runs         run messages in the process of the test
    memory       the modes manual and inline
    install      install recording outboxes in queues
    forked       the mode worker
    recording    `record`, and the assertions of a test
    context      the context of a job, for plain calls
    plugin       the pytest plugin

Each of these imports only from those above it. Each public name is imported on first use, because pytest loads the plugin in every
project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskq.testing.context import context
    from taskq.testing.pushed import Pushed
    from taskq.testing.recording import Mode, Recording, record

__all__ = ["Mode", "Pushed", "Recording", "context", "record"]

_HOMES = {"Mode": "recording", "Pushed": "pushed", "Recording": "recording", "context": "context", "record": "recording"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'taskq.testing' has no attribute {name!r}: write taskq.testing.record(queue), or .context()")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"taskq.testing.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
