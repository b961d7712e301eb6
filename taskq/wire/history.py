"""The history of a message: one record for each failed attempt, crash, loss or parking, bounded in size."""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from taskq.clock import EpochMs, now_ms
from taskq.exception_groups import leaves_of
from taskq.tracebacks import formatted
from taskq.wire.message import Message
from taskq.wire.signing import Purpose, Signer

__all__ = [
    "ERROR_LIMIT",
    "HISTORY_LIMIT",
    "TRACEBACK_LIMIT",
    "Record",
    "add_record",
    "is_verified",
    "pack_record",
    "record_of",
    "records",
    "text_of",
    "unparked",
    "verified_records",
    "with_record",
]

#: Limits: characters of the texts of one record, and bytes of all records of one message.
ERROR_LIMIT = 2_000
WORKER_LIMIT = 200
TRACEBACK_LIMIT = 12_000
HISTORY_LIMIT = 65_536

Kind = Literal["failed", "timeout", "crashed", "lost", "parked"]
_SIZE = struct.Struct(">I")


class Record(msgspec.Struct, array_like=True, frozen=True):
    """One event in the history of a message."""

    kind: Kind
    at_ms: EpochMs
    worker: str
    attempt: int
    error: str
    traceback: str = ""
    #: Over the message's id and the fields above; empty without a secret.
    signature: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


def record_of(kind: Kind, worker: str, attempt: int, error: BaseException | str) -> Record:
    """Return a record of an exception or a reason, cut to the limits."""
    if isinstance(error, BaseException):
        text = _name_and_text(error)
        trace = _cut(_trace(error), TRACEBACK_LIMIT)
    else:
        text, trace = error, ""
    return Record(kind, now_ms(), _cut(worker, WORKER_LIMIT), attempt, _cut(text, ERROR_LIMIT), trace)


def _name_and_text(error: BaseException) -> str:
    """Return the class and the text of an exception. A group is only a wrapper: the errors in it are named."""
    leaves = leaves_of(error)
    named = "; ".join(f"{type(leaf).__name__}: {_text(leaf)}" for leaf in leaves)
    return named if len(leaves) == 1 else f"{type(error).__name__}: {_text(error)}: {named}"


def pack_record(record: Record, identity: bytes = b"", signer: Signer | None = None) -> bytes:
    """Encode a record with its size in front, as it follows the body of a message. Sign it if there is a signer.

    Args:
        record: the record.
        identity: the message's id.
        signer: from `result_signer`.
    """
    signature = record.signature if signer is None else signer.sign(identity, Purpose.RECORD, _signed(record))
    data = _encode((*_fields(record), signature)) if signature else _encode(_fields(record))
    return _SIZE.pack(len(data)) + data


def _fields(record: Record) -> tuple[str, int, str, int, str, str]:
    return record.kind, record.at_ms, record.worker, record.attempt, record.error, record.traceback


def _signed(record: Record) -> bytes:
    return _encode(_fields(record))


def is_verified(record: Record, identity: bytes, signer: Signer) -> bool:
    """Return True if a program with the secret added the record to this message."""
    return signer.is_valid(identity, Purpose.RECORD, _signed(record), record.signature)


def verified_records(message: Message, signer: Signer | None) -> list[Record]:
    """Return the records of a message; with a signer, only those with a valid signature."""
    found = records(message.history_bytes())
    return found if signer is None else [record for record in found if is_verified(record, message.id, signer)]


def records(data: bytes) -> list[Record]:
    """Decode the records after a body. Unreadable bytes end the list: a damaged history never stops a message."""
    found = []
    position = 0
    while position + _SIZE.size <= len(data):
        (size,) = _SIZE.unpack_from(data, position)
        position += _SIZE.size
        try:
            found.append(_decode(data[position : position + size]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            break
        position += size
    return found


def add_record(data: bytes, record: Record, identity: bytes = b"", signer: Signer | None = None) -> bytes:
    """Return the history of a message with one more record, signed if there is a signer.

    Earlier parkings are removed, and the oldest tracebacks if the history gets too large.
    """
    if signer is not None:
        record = msgspec.structs.replace(record, signature=signer.sign(identity, Purpose.RECORD, _signed(record)))
    return _pack([*_without_parkings(data), record], identity, signer)


def unparked(data: bytes, identity: bytes = b"", signer: Signer | None = None) -> bytes:
    """Return the history of a message without parkings."""
    return _pack(_without_parkings(data), identity, signer)


def _without_parkings(data: bytes) -> list[Record]:
    return [record for record in records(data) if record.kind != "parked"]


def _pack(kept: list[Record], identity: bytes, signer: Signer | None) -> bytes:
    packed = [pack_record(record) for record in kept]
    size = sum(map(len, packed))
    for index, record in enumerate(kept[:-1]):
        if size <= HISTORY_LIMIT:
            break
        if record.traceback:
            known = signer if signer is not None and is_verified(record, identity, signer) else None
            shorter = pack_record(msgspec.structs.replace(record, traceback=""), identity, known)
            size -= len(packed[index]) - len(shorter)
            packed[index] = shorter
    first = 0
    while size > HISTORY_LIMIT and first < len(packed) - 1:
        size -= len(packed[first])
        first += 1
    return b"".join(packed[first:])


def with_record(message: Message, record: Record, *, attempts: int | None = None, signer: Signer | None = None) -> bytes:
    """Return the bytes of a message with one more record in its history, and with another number of attempts if given."""
    return message.changed(attempts=attempts, history=add_record(message.history_bytes(), record, message.id, signer))


def _cut(text: str, limit: int) -> str:
    # msgpack requires valid UTF-8: a lone surrogate in the text of an exception must not prevent its record.
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= limit:
        return text
    head = limit // 4
    tail = limit - head
    # Both ends matter: the call is at the start, the error at the end.
    return f"{text[:head]}\n... {len(text) - limit} characters left out ...\n{text[-tail:]}"


def text_of(value: object) -> str:
    """Return a reason of any class as text that can be stored, cut to the limit."""
    return _cut(_text(value), ERROR_LIMIT)


def _text(value: object) -> str:
    try:
        return str(value)
    except BaseException as inner:  # the __str__ of an exception may raise any exception
        return f"(its __str__ raised {type(inner).__name__})"


def _trace(error: BaseException) -> str:
    try:
        return formatted(error)
    except BaseException as inner:
        return f"(its traceback can't be printed: {type(inner).__name__})"
