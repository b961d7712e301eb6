"""Plain JSON messages: pushed with LPUSH by any Redis client, in any language.

{"job": "shop.jobs:send_email", "args": ["a@b.c"], "kwargs": {"subject": "hi"}, "max_attempts": 5}
"""

from __future__ import annotations

from typing import Any

import msgspec

from taskq.errors import MalformedMessage, MessageError
from taskq.wire.message import Message, describe_malformed, is_stamped

__all__ = ["ForeignCall", "job_of", "read_foreign"]


class ForeignCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a plain JSON message. An unknown field is an error, so that a typo doesn't go unnoticed."""

    job: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    max_attempts: int | None = None


class _Name(msgspec.Struct, frozen=True):
    """The job's name. The other fields are skipped: a few bytes of JSON can take thirty times as much memory."""

    job: str


_decode = msgspec.json.Decoder(ForeignCall).decode
_decode_name = msgspec.json.Decoder(_Name).decode


def read_foreign(content: bytes) -> ForeignCall:
    """Read a JSON message.

    Raises:
        MalformedMessage: the bytes are not a JSON object with these fields.
    """
    try:
        call = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if content[:1] == b"{":
            raise MalformedMessage(f"a JSON message that can't run: {error}") from None
        raise MalformedMessage(f"{describe_malformed(content)}: {error}") from None
    if call.max_attempts is not None and not 1 <= call.max_attempts <= 65535:
        raise MalformedMessage(f"max_attempts must be 1 to 65535; got {call.max_attempts}")
    return call


def job_of(raw: bytes, *, as_label: bool = False) -> str:
    """Return the name of a message's job, unverified and without reading the arguments; "" if the bytes can't be read.

    Args:
        raw: the bytes of a message.
        as_label: return the label of an object or a callable instead of the name of the built-in job that runs it.
    """
    try:
        message = Message(raw) if is_stamped(raw) else None
        if message is None or message.is_foreign:
            return _decode_name(message.content() if message else raw).job
        body = message.body()
    except (MessageError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return body.label if as_label else body.job
