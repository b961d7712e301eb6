"""Packed messages as commands of the driver: those that fit into one command, and the command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from taskq.driver.batches import batches
from taskq.driver.contract import Command, Driver
from taskq.push.envelope import BATCH, Outgoing, Route

__all__ = ["command_of", "grouped"]


def command_of(driver: Driver, group: Sequence[Outgoing]) -> Command:
    """Return the command that stores the messages of one group."""
    _, delay, at, once = group[0].route
    if once:
        return driver.push_once(group[0].payload, group[0].identity.hex(), delay_ms=delay, at_ms=at)
    payloads = [out.payload for out in group]
    if delay is None and at is None:
        return driver.push(payloads)
    return driver.push_later(payloads, delay_ms=delay, at_ms=at)


def grouped(outs: Sequence[Outgoing]) -> Iterator[tuple[Route, Sequence[Outgoing]]]:
    """Group messages that fit into one command: those of the same channel and due time. An idempotent push travels alone.

    Messages of the same channel and due time keep their order. Other messages have no order.
    """
    groups: dict[Route, list[Outgoing]] = {}
    for route, alike in groupby(outs, attrgetter("route")):
        groups.setdefault(route, []).extend(alike)
    for route, group in groups.items():
        for batch in batches(group, [len(out.payload) for out in group], count=1 if route.once else BATCH):
            yield route, batch
