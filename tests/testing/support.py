"""Helpers of the tests of `taskq.testing`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from taskq import events

__all__ = ["counting"]


@contextmanager
def counting(*signals: Any) -> Iterator[Counter[str]]:
    """Count the events that are sent in the block, by name."""
    seen: Counter[str] = Counter()
    names = {id(getattr(events, name)): name for name in dir(events)}
    with ExitStack() as stack:
        for signal in signals:
            name = names[id(signal)]
            stack.enter_context(signal.connected_to(lambda *_args, name=name, **_kwargs: seen.update([name])))
        yield seen
