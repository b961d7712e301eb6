"""From calls to commands: what is checked and decided before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from taskq.builtin import CALL, OBJECT, label_of
from taskq.call import Call
from taskq.clock import delay_ms, moment_ms
from taskq.codec import check_serializer, dump_arguments
from taskq.config import Settings
from taskq.driver.base import Command, Driver
from taskq.errors import MessageTooLarge, SerializationError
from taskq.message import encode, loss_flag, make_body, new_id
from taskq.options import PushOptions
from taskq.sender import batches
from taskq.signing import Signer

__all__ = ["Outgoing", "Packer", "command_of", "grouped"]

#: How many messages travel in one command.
BATCH = 500


class Outgoing(NamedTuple):
    """A message ready to be sent."""

    channel: str
    identity: bytes
    payload: bytes
    delay_ms: int | None
    at_ms: int | None
    once: bool


class Packer:
    """Packs the calls of one queue."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signers: dict[str, Signer] = {}

    def signer(self, prefix: str) -> Signer | None:
        """Who signs and verifies what moves under a prefix; None without a secret."""
        if not self._settings.secrets:
            return None
        if prefix not in self._signers:
            self._signers[prefix] = Signer(self._settings.secrets, prefix)
        return self._signers[prefix]

    def pack(self, call: Call[Any], channel: str, prefix: str) -> Outgoing:
        """Turn a call into a message.

        Raises:
            DelayError, SerializationError, MessageTooLarge: as `Job.push`.
        """
        options, job = call.options, call.job
        delay = delay_ms(options.delay) if options.delay != 0 else None
        at = moment_ms(options.at) if options.at is not None else None
        serializer = check_serializer(job.options_of_job.serializer or self._settings.serializer)
        label = label_of(call.args[0]) if job.name in (OBJECT, CALL) else None
        if serializer.code and label is not None:
            raise SerializationError(
                f"{label}: objects and callables travel as pickles, and this queue's serializer is {serializer.name}; push a decorated job"
            )
        arguments = dump_arguments(serializer, call.args, call.kwargs, label or job.name, job.signature.names)
        body = make_body(job.name, arguments, serializer.code, _extra(options, label))
        size = len(body)
        if size > self._settings.max_message_size:
            raise MessageTooLarge(
                f"the call of {label or job.name} takes {size:,} bytes, over max_message_size = {self._settings.max_message_size:,}: "
                "store the data elsewhere and pass where it is"
            )
        flags = loss_flag(job.options_of_job.on_lost)
        identity = new_id()
        return Outgoing(channel, identity, encode(identity, body, flags, self.signer(prefix)), delay or None, at, options.once)


def _extra(options: PushOptions, label: str | None) -> dict[str, Any] | None:
    chosen: Mapping[str, Any] = {
        "max_attempts": options.max_attempts,
        "retry_seconds": options.retry_seconds,
        "handle_timeout": options.handle_timeout,
        "label": label,
    }
    return {name: value for name, value in chosen.items() if value is not None} or None


def command_of(driver: Driver, group: Sequence[Outgoing]) -> Command:
    """The command that stores messages of one group."""
    first = group[0]
    if first.once:
        return driver.push_once(first.payload, first.identity.hex(), delay_ms=first.delay_ms, at_ms=first.at_ms)
    payloads = [out.payload for out in group]
    if first.delay_ms is None and first.at_ms is None:
        return driver.push(payloads)
    return driver.push_later(payloads, delay_ms=first.delay_ms, at_ms=first.at_ms)


def grouped(outs: Sequence[Outgoing]) -> Iterator[Sequence[Outgoing]]:
    """Cut into what can travel in one command: the same channel and moment. A repeatable push travels alone."""
    for (*_, once), group in groupby(outs, key=lambda out: (out.channel, out.delay_ms, out.at_ms, out.once)):
        alike = list(group)
        yield from batches(alike, [len(out.payload) for out in alike], count=1 if once else BATCH)
