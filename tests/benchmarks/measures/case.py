"""A case: what is run once a round and writes its values into the book."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.book import Book
from tests.benchmarks.sizes import Sizes

__all__ = ["Case", "Plan"]


class Plan(NamedTuple):
    """What all cases of a measure know."""

    sizes: Sizes
    #: The folder of the peers' environments; None: without peers.
    peers: Path | None
    #: Closed after the last round: for what outlives a case.
    stack: ExitStack
    #: When no more second round begins, on the monotonic clock.
    end: float


class Case(NamedTuple):
    """One step of a round."""

    name: str
    run: Callable[[Book, int], None]
