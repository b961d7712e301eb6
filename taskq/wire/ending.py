"""How a message ended, as the bytes that are kept for those who wait for it: what the job returned, or why it returned nothing."""

from __future__ import annotations

import struct
from typing import Any, Literal

import msgspec

from taskq.errors import JobFailed, MalformedMessage, NoResult, ResultCancelled, ResultError, SignatureError
from taskq.wire.codec import Serializer, check_python, python_of, serializer_of_code
from taskq.wire.history import Record
from taskq.wire.signing import SIGNATURE_SIZE, Signer

__all__ = ["Ending", "ending_of", "pack_ending", "pack_part", "read_ending", "read_part", "value_of"]

_PART = struct.Struct(">QB")
#: In the serializer's place of a part: a pickle with code by value, and above this the minor version of the Python that can run it.
_CODE = 128
#: Where the flags of a message stand in what is signed.
_NO_FLAGS = 0


class Ending(msgspec.Struct, array_like=True, frozen=True):
    """How a message ended, and when."""

    kind: Literal["done", "failed", "timeout", "cancelled", "dropped"]
    at_ms: int
    #: Which run it was, the first is 1; 0: it never ran.
    attempt: int
    #: The worker, or who cancelled.
    by: str = ""
    error: str = ""
    traceback: str = ""
    #: What the job returned, and the code of the serializer that wrote it.
    value: bytes = b""
    serializer: int = 0
    #: Whether the job was a generator.
    is_stream: bool = False
    #: The version of Python that alone can run the code in the value, if there is code in it.
    python: str | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ending).decode


def ending_of(record: Record) -> Ending:
    """Return the ending of a message whose last record this is."""
    kind: Literal["failed", "timeout"] = "timeout" if record.kind == "timeout" else "failed"
    return Ending(kind, record.at_ms, record.attempt, record.worker, record.error, record.traceback)


def pack_ending(ending: Ending, identity: bytes, signer: Signer | None) -> bytes:
    """Return the bytes of an ending, signed when there is a signer."""
    data = _encode(ending)
    return data if signer is None else data + signer.sign(identity, _NO_FLAGS, data)


def read_ending(data: bytes, identity: bytes, signer: Signer | None) -> Ending:
    """Verify and decode an ending. With a signer nothing is decoded before the signature was found right.

    Raises:
        SignatureError: there is a signer, and the signature is missing or wrong; or there is none, and it is signed.
        MalformedMessage: the bytes can't be read.
    """
    if signer is not None:
        data, signature = data[:-SIGNATURE_SIZE], data[-SIGNATURE_SIZE:]
        try:
            signer.verify(identity, _NO_FLAGS, data, signature)
        except SignatureError:
            text = f"the result of {identity.hex()} is not signed with this program's secret (TASKQ_SECRET): refused unread"
            raise SignatureError(text) from None
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if signer is None and _is_signed(data):
            text = f"the result of {identity.hex()} is signed, but this program has no secret: set the workers' secret (TASKQ_SECRET)"
            raise SignatureError(text) from None
        raise MalformedMessage(f"the result of {identity.hex()} can't be read: {error}") from None


def _is_signed(data: bytes) -> bool:
    """Whether an ending stands before what may be a signature."""
    try:
        _decode(data[:-SIGNATURE_SIZE])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def value_of(ending: Ending, message_id: str) -> Any:
    """Return what the job returned.

    Raises:
        JobFailed, ResultCancelled, NoResult: it returned nothing.
        ResultError: this program can't read what it returned.
    """
    if ending.kind in ("failed", "timeout"):
        raise JobFailed(ending.error, ending.traceback, ending.attempt)
    if ending.kind == "cancelled":
        raise ResultCancelled(f"message {message_id} was cancelled by {ending.by}", ending.by)
    if ending.kind == "dropped":
        raise NoResult(f"message {message_id} has no result: its job dropped it{': ' if ending.error else ''}{ending.error}")
    try:
        check_python(ending.python, "it was returned")
        return serializer_of_code(ending.serializer).load(ending.value)
    except Exception as error:  # unpickling raises whatever a class likes
        raise ResultError(f"the result of {message_id} can't be read here: {type(error).__name__}: {error}") from error


def pack_part(number: int, value: bytes, serializer: Serializer, identity: bytes, signer: Signer | None) -> bytes:
    """Return the bytes of what a job has yielded. Its number is signed too: parts can't change places."""
    python = python_of(serializer, value)
    data = _PART.pack(number, serializer.code if python is None else _CODE + int(python.partition(".")[2])) + value
    return data if signer is None else data + signer.sign(identity, _NO_FLAGS, data)


def read_part(data: bytes, number: int, message_id: str, signer: Signer | None) -> Any:
    """Verify a part and return what the job has yielded.

    Raises:
        SignatureError: there is a signer, and the signature is missing or wrong.
        ResultError: this program can't read it.
    """
    if signer is not None:
        data, signature = data[:-SIGNATURE_SIZE], data[-SIGNATURE_SIZE:]
        try:
            signer.verify(bytes.fromhex(message_id), _NO_FLAGS, data, signature)
        except SignatureError:
            text = f"part {number} of {message_id} is not signed with this program's secret (TASKQ_SECRET): refused unread"
            raise SignatureError(text) from None
    try:
        told, serializer = _PART.unpack_from(data)
        if told != number:
            raise MalformedMessage(f"it has number {told}")
        if serializer >= _CODE:
            check_python(f"3.{serializer - _CODE}", "it was yielded")
            serializer = 0
        return serializer_of_code(serializer).load(data[_PART.size :])
    except Exception as error:
        raise ResultError(f"part {number} of {message_id} can't be read here: {type(error).__name__}: {error}") from error
