"""Plain JSON messages: pushed with LPUSH by any Redis client, in any language.

{"job": "shop.jobs:send_email", "args": ["a@b.c"], "kwargs": {"subject": "hi"}, "max_attempts": 5}
"""

from __future__ import annotations

from typing import Any

import msgspec

from taskq.errors import MalformedMessage, MessageError
from taskq.wire.headers import check_headers
from taskq.wire.message import Message, describe_malformed, is_stamped

__all__ = ["ForeignCall", "job_of", "read_foreign"]


class ForeignCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a plain JSON message, as most clients write them. An unknown field is an error, so that a typo doesn't go unnoticed."""

    job: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    max_attempts: int | None = None
    headers: dict[str, str] | None = None


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields as some clients write them.

    PHP writes an empty map as a list, and Lua an empty list as a map. Some languages have only floats, and may write 3 as 3.0.
    """

    job: str
    args: Any = None
    kwargs: Any = None
    max_attempts: int | float | None = None
    headers: Any = None


class _Name(msgspec.Struct, frozen=True):
    """The job's name. The other fields are skipped: a few bytes of JSON can take thirty times as much memory."""

    job: str


#: The mark that some programs write before UTF-8.
_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder(ForeignCall).decode
_decode_written = msgspec.json.Decoder(_Written).decode
_decode_name = msgspec.json.Decoder(_Name).decode


def read_foreign(content: bytes) -> ForeignCall:
    """Read a JSON message.

    Raises:
        MalformedMessage: the bytes are not a JSON object with these fields.
    """
    try:
        call = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        call = _read_written(content)
    if call.max_attempts is not None and not 1 <= call.max_attempts <= 65535:
        raise MalformedMessage(f"max_attempts must be an integer from 1 to 65535; got {call.max_attempts}")
    if call.headers:
        check_headers(call.headers, MalformedMessage)
    return call


def _read_written(content: bytes) -> ForeignCall:
    text = content.removeprefix(_BOM)
    try:
        call = _decode_written(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if text[:1] == b"{":
            raise MalformedMessage(f"a JSON message that can't run: {error}") from None
        raise MalformedMessage(f"{describe_malformed(content)}: {error}") from None
    args = [] if call.args is None or call.args == {} else call.args
    kwargs = {} if call.kwargs is None or call.kwargs == [] else call.kwargs
    if not isinstance(args, list):
        raise MalformedMessage(f"args must be a list; got {_kind(args)}")
    if not isinstance(kwargs, dict):
        raise MalformedMessage(f"kwargs must be an object; got {_kind(kwargs)}")
    most = call.max_attempts
    if most is not None and most % 1 != 0:
        raise MalformedMessage(f"max_attempts must be an integer from 1 to 65535; got {most}")
    headers = None if call.headers in (None, []) else check_headers(call.headers, MalformedMessage)
    return ForeignCall(call.job, args, kwargs, None if most is None else int(most), headers)


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}.get(type(value), "a number")


def job_of(raw: bytes, *, as_label: bool = False) -> str:
    """Return the name of a message's job, unverified and without reading the arguments; "" if the bytes can't be read.

    Args:
        raw: the bytes of a message.
        as_label: return the label of an object or a callable instead of the name of the built-in job that runs it.
    """
    try:
        message = Message(raw) if is_stamped(raw) else None
        if message is None or message.is_foreign:
            return _decode_name((message.content() if message else raw).removeprefix(_BOM)).job
        body = message.body()
    except (MessageError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return body.label if as_label else body.job
