"""Pack many calls of one job at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq.jobs.call import Call
from taskq.jobs.many import ManyCalls
from taskq.push.envelope import BATCH, Envelope, Outgoing
from taskq.push.headers import IN_USE
from taskq.push.packer import Packer

__all__ = ["pack_many"]

#: A body of more bytes becomes a message at once: it is in memory twice meanwhile.
_LARGE = 65_536


def pack_many(calls: ManyCalls, packer: Packer, pack: Callable[[Call[Any]], Outgoing]) -> list[Outgoing]:
    """Pack calls in their order: tuples of arguments that fit, in one go; all others, such as bound calls, one by one with `pack`.

    Raises the errors of `pack`.
    """
    outs: list[Outgoing] = []
    bodies: list[bytes] = []
    envelope: Envelope | None = None
    for item in calls.items:
        # Any of these may change with each item: a generator can open a block of headers.
        if IN_USE or type(item) is not tuple or not calls.job.signature.fits(args := calls.first + item):
            if envelope is not None:
                outs += envelope.seal(bodies)
            outs.append(pack(calls.bind(item)))
            continue
        if envelope is None:
            envelope = packer.envelope(calls.job, calls.options)
        body = envelope.body(args, {})
        bodies.append(body)
        if len(bodies) == BATCH or len(body) > _LARGE:
            outs += envelope.seal(bodies)
    if envelope is not None:
        outs += envelope.seal(bodies)
    return outs
