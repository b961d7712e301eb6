"""Messages of other clients: a plain JSON object, pushed with LPUSH by any Redis client of any language.

{"job": "shop.jobs:send_email", "args": ["a@b.c"], "kwargs": {"subject": "hi"}, "max_attempts": 5}
"""

from __future__ import annotations

from typing import Any

import msgspec

from taskq.errors import MalformedMessage
from taskq.wire.message import describe_malformed

__all__ = ["ForeignCall", "read_foreign"]


class ForeignCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a data-only producer may say. A key that isn't here is an error, so that a typing mistake isn't passed over."""

    job: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    max_attempts: int | None = None


_decode = msgspec.json.Decoder(ForeignCall).decode


def read_foreign(content: bytes) -> ForeignCall:
    """Read a JSON message.

    Raises:
        MalformedMessage: the bytes are no JSON object of that form.
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
