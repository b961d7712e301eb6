"""Cancellation: remove a message that is not running, or ask its worker to interrupt the job."""

from __future__ import annotations

import getpass
import math
import os
import socket
from enum import Enum, EnumMeta
from typing import TYPE_CHECKING, Literal

import msgspec

from taskq.channel import State
from taskq.clock import EpochMs, now_ms, seconds_of
from taskq.driver.contract import Driver, StoredEnding
from taskq.driver.find import find
from taskq.driver.remove import cancel
from taskq.driver.steps import Steps
from taskq.errors import ArgumentsError, DelayError, MalformedMessage, MessageError, SignatureError
from taskq.handle.subject import Subject, ask_ending
from taskq.wire.ending import Ending, pack_ending
from taskq.wire.message import Message
from taskq.wire.signing import Purpose, Signer

__all__ = ["CANCELLED_SECONDS", "CancelRequest", "Cancelled", "ask_cancel", "check_cancel", "pack_request", "read_request", "this_user"]

#: For how many seconds the final state "cancelled" is stored if the job stores no result.
CANCELLED_SECONDS = 86400.0
BY_LIMIT = 120
#: A message that moves on during each search is being retried in a tight loop: its next run finds the request.
_TRIES = 20


class _Aliases(EnumMeta):
    if TYPE_CHECKING:  # mypy would count an alias among the members as one more member

        @property
        def ASKED(cls) -> Literal[Cancelled.REQUESTED]: ...  # noqa: N802


class Cancelled(str, Enum, metaclass=_Aliases):
    """The effect of a cancel request on its message.

    - `NOW`: the message was removed, and never runs (again).
    - `REQUESTED`: the job is running, and its worker was asked to interrupt it. `handle.status()` returns the final state.
      `ASKED` is the old name of the same member.
    - `TOO_LATE`: the message had already finished, or does not exist.
    """

    NOW = "now"
    REQUESTED = "asked"
    if not TYPE_CHECKING:
        ASKED = REQUESTED
    TOO_LATE = "too late"


class CancelRequest(msgspec.Struct, array_like=True, frozen=True):
    """A request to the supervisor of a worker: cancel a reserved message."""

    by: str
    kill: bool
    #: By the clock of the program that cancels. Only signed requests are compared with another clock.
    at_ms: EpochMs
    #: The final state of the message, encoded for storage.
    data: bytes
    ttl_ms: int
    #: Over the message's id and the fields above; empty without a secret.
    signature: bytes = b""

    @property
    def kept(self) -> StoredEnding:
        """Return the final state that the settling move stores."""
        return StoredEnding(self.data, self.ttl_ms)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CancelRequest).decode


def pack_request(request: CancelRequest, identity: bytes, signer: Signer | None) -> bytes:
    """Encode a cancel request for a message, and sign it if there is a signer."""
    fields = msgspec.structs.astuple(request)[:-1]
    data = _encode(fields)
    return data if signer is None else _encode((*fields, signer.sign(identity, Purpose.CANCEL, data)))


def read_request(raw: bytes, identity: bytes, signer: Signer | None) -> CancelRequest:
    """Verify and decode a cancel request for a message.

    Raises:
        MalformedMessage: the bytes can't be decoded.
        SignatureError: there is a signer, and the signature is missing or wrong.
    """
    try:
        request = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(f"the cancel request can't be read: {error}") from None
    if signer is not None and not signer.is_valid(
        identity, Purpose.CANCEL, _encode(msgspec.structs.astuple(request)[:-1]), request.signature
    ):
        raise SignatureError("the cancel request is not signed with this worker's secret (TASKQ_SECRET)")
    return request


def ask_cancel(driver: Driver, subject: Subject, by: str, *, kill: bool) -> Steps[Cancelled]:
    """Cancel a message in any state. A message that has already finished is unchanged."""
    missed = 0
    for _ in range(_TRIES):
        if (yield from ask_ending(driver, subject)) is not None:
            return Cancelled.TOO_LATE
        found = yield from find(driver, subject.id, subject.payload)
        if found is None:  # it may have moved past the search
            missed += 1
            if missed == 2:
                return Cancelled.TOO_LATE
            continue
        if found.state in (State.FAILED, State.TIMEOUT):
            return Cancelled.TOO_LATE
        request = _request(found.message, subject, by[:BY_LIMIT], kill=kill)
        if found.state is State.RESERVED:
            packed = pack_request(request, bytes.fromhex(subject.id), subject.signer)
            if (yield driver.request_cancel(found.worker, found.message, packed)):
                return Cancelled.REQUESTED
        elif (yield from cancel(driver, found.state, found.message, request.kept)):
            return Cancelled.NOW
    return Cancelled.REQUESTED


def check_cancel(by: object, kill: object) -> str:
    """Check the arguments of a cancel, and return `by`; the default is this user.

    Raises:
        ArgumentsError: `by` is not a string, or `kill` is not a bool.
    """
    if by is not None and not isinstance(by, str):
        raise ArgumentsError(f"`by` must be a string; got {by!r}")
    if not isinstance(kill, bool):
        raise ArgumentsError(f"`kill` must be True or False; got {kill!r}")
    return by or this_user()


def _request(raw: bytes, subject: Subject, by: str, *, kill: bool) -> CancelRequest:
    message = Message(raw)
    try:
        ttl = seconds_of((message.body().options or {}).get("result_ttl") or CANCELLED_SECONDS)
    except (MessageError, DelayError):
        ttl = CANCELLED_SECONDS
    now = now_ms()
    ending = Ending("cancelled", now, message.attempts, by)
    return CancelRequest(by, kill, now, pack_ending(ending, message.id, subject.signer), math.ceil(ttl * 1000))


def this_user() -> str:
    """Return the default for `by`: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # the user id has no name: a container
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
