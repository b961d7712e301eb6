"""Encoding of a stored result: the return value, or the reason why it is missing. And of the items of a stream."""

from __future__ import annotations

import struct
from typing import Any, Literal

import msgspec

from taskq.clock import EpochMs
from taskq.errors import JobFailed, MalformedMessage, NoResult, ResultCancelled, ResultError, SignatureError
from taskq.wire.codec import Serializer, check_python, python_of, serializer_of_code
from taskq.wire.history import Record
from taskq.wire.signing import SIGNATURE_SIZE, Purpose, Signer

__all__ = ["Ending", "ending_of", "pack_ending", "pack_part", "read_ending", "read_part", "value_of"]

_PART = struct.Struct(">QB")
#: Added to the minor version of Python, in place of the serializer of an item: a pickle with code that only this version can run.
_CODE = 128
#: The last number of an item that a script represents exactly. The bytes of a result would have a larger one.
_LAST = 2**53


class Ending(msgspec.Struct, array_like=True, frozen=True):
    """The final state of a message."""

    kind: Literal["done", "failed", "timeout", "cancelled", "dropped"]
    at_ms: EpochMs
    #: The number of the last attempt, from 1; 0 if the job never ran.
    attempt: int
    #: The worker, or the user or program that cancelled the message.
    by: str = ""
    error: str = ""
    traceback: str = ""
    #: The encoded return value, and the code of its serializer.
    value: bytes = b""
    serializer: int = 0
    #: True if the job is a generator.
    is_stream: bool = False
    #: The only version of Python that can run the code in the value, or None without code.
    python: str | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ending).decode


def ending_of(record: Record) -> Ending:
    """Return the final state of a message with this last record."""
    kind: Literal["failed", "timeout"] = "timeout" if record.kind == "timeout" else "failed"
    return Ending(kind, record.at_ms, record.attempt, record.worker, record.error, record.traceback)


def pack_ending(ending: Ending, identity: bytes, signer: Signer | None) -> bytes:
    """Encode a final state, and sign it if there is a signer."""
    data = _encode(ending)
    return data if signer is None else data + signer.sign(identity, Purpose.RESULT, data)


def read_ending(data: bytes, identity: bytes, signer: Signer | None) -> Ending:
    """Verify and decode a final state. With a signer, nothing is decoded before the signature is verified.

    Raises:
        SignatureError: the signature is missing or wrong, or the bytes are signed without a signer to verify them.
        MalformedMessage: the bytes can't be decoded.
    """
    if signer is not None:
        data, signature = data[:-SIGNATURE_SIZE], data[-SIGNATURE_SIZE:]
        try:
            signer.verify(identity, Purpose.RESULT, data, signature)
        except SignatureError:
            text = f"the result of {identity.hex()} is not signed with this program's secret (TASKQ_SECRET): refused unread"
            raise SignatureError(text) from None
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if signer is None and _is_signed(data):
            text = f"the result of {identity.hex()} is signed, but this program has no secret: set the workers' secret (TASKQ_SECRET)"
            raise SignatureError(text) from None
        raise MalformedMessage(f"the result of {identity.hex()} can't be read: {error}") from None


def _is_signed(data: bytes) -> bool:
    """Return True if the bytes before a possible signature are a final state."""
    try:
        _decode(data[:-SIGNATURE_SIZE])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def value_of(ending: Ending, message_id: str, *, pickles: bool = True) -> Any:
    """Return the job's return value. Without `pickles`, load only plain data.

    Raises:
        JobFailed, ResultCancelled, NoResult: the job returned nothing.
        ResultError: this program can't read it.
    """
    if ending.kind in ("failed", "timeout"):
        raise JobFailed(ending.error, ending.traceback, ending.attempt)
    if ending.kind == "cancelled":
        raise ResultCancelled(f"message {message_id} was cancelled by {ending.by}", ending.by)
    if ending.kind == "dropped":
        raise NoResult(f"message {message_id} has no result: its job dropped it{': ' if ending.error else ''}{ending.error}")
    try:
        check_python(ending.python, "it was returned")
        return _serializer(ending.serializer, pickles=pickles).load(ending.value)
    except Exception as error:  # unpickling may raise any exception
        raise ResultError(f"the result of {message_id} can't be read here: {type(error).__name__}: {error}") from error


def _serializer(code: int, *, pickles: bool) -> Serializer:
    found = serializer_of_code(code)
    if found.name == "pickle" and not pickles:
        raise MalformedMessage("it is a pickle, which could run any code, but no job of this queue uses pickle")
    return found


def pack_part(number: int, value: bytes, serializer: Serializer, identity: bytes, signer: Signer | None) -> bytes:
    """Encode an item of a stream, and sign it if there is a signer. The signature includes the number: items can't be reordered."""
    python = python_of(serializer, value)
    data = _PART.pack(number, serializer.code if python is None else _CODE + int(python.partition(".")[2])) + value
    return data if signer is None else data + signer.sign(identity, Purpose.RESULT, data)


def read_part(data: bytes, number: int, message_id: str, signer: Signer | None, *, pickles: bool = True) -> Any:
    """Verify and decode an item of a stream. Without `pickles`, load only plain data.

    Raises:
        SignatureError: there is a signer, and the signature is missing or wrong.
        ResultError: this program can't read it.
    """
    if signer is not None:
        data, signature = data[:-SIGNATURE_SIZE], data[-SIGNATURE_SIZE:]
        try:
            signer.verify(bytes.fromhex(message_id), Purpose.RESULT, data, signature)
        except SignatureError:
            text = f"part {number} of {message_id} is not signed with this program's secret (TASKQ_SECRET): refused unread"
            raise SignatureError(text) from None
    try:
        found, serializer = _PART.unpack_from(data)
        if found != number or number > _LAST:
            raise MalformedMessage(f"it has number {found}")
        if serializer >= _CODE:
            check_python(f"3.{serializer - _CODE}", "it was yielded")
            serializer = 0
        return _serializer(serializer, pickles=pickles).load(data[_PART.size :])
    except Exception as error:
        raise ResultError(f"part {number} of {message_id} can't be read here: {type(error).__name__}: {error}") from error
