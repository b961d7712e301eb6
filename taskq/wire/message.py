"""The bytes of a message. docs/wire-format.md describes the layout, too.

A fixed head of 25 bytes, big-endian:

    0   version   u8    1; 0 = a plain JSON message with a head; 2 to 7 = written by a newer taskq; 8 = see `removal_mark`
    1   crashes   u8    number of crashes while it ran
    2   id        16    time-ordered: 48 bits of milliseconds, 32 bits of counter, 48 random bits of the producer
    18  attempts  u16   number of failed attempts
    20  flags     u8    see `Flag`
    21  size      u32   size of the body in bytes, including the signature
    25  body      msgpack [job, arguments, serializer?, options?], then the signature if flagged (16 bytes)
    ..  history   records, each a u32 size and msgpack: one for each failed attempt, crash or parking

Head and history change as the message moves; body and flags never do. So a script can count a crash and add a record without
decoding, and the signature remains valid. Version, crashes and id have the same place in every future version.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Sequence
from enum import IntFlag
from typing import TYPE_CHECKING, Any

import msgspec

from taskq.clock import now_ms
from taskq.errors import ArgumentsError, MalformedMessage, UnsupportedVersion
from taskq.wire.signing import SIGNATURE_SIZE, Signer

__all__ = [
    "HEAD_SIZE",
    "REMOVED",
    "Body",
    "Flag",
    "Message",
    "check_message_id",
    "describe_malformed",
    "encode",
    "encode_all",
    "is_stamped",
    "loss_flag",
    "make_body",
    "message_id",
    "new_id",
    "removal_mark",
    "wrap_foreign",
]

_HEAD = struct.Struct(">BB16sHBI")
_ID = struct.Struct(">QI6s")
HEAD_SIZE = _HEAD.size
VERSION = 1
FOREIGN = 0
#: The first byte of a message is at most this; text and pickles begin with a higher one.
LAST_VERSION = 8
#: Marks the place of a message that was removed from the middle of a long list.
REMOVED = 8
MAX_COUNT = 65535


class Flag(IntFlag):
    """Flags in the head of a message. Signed."""

    SIGNED = 1
    #: The job's `on_lost` policy. Without either flag, the channel's policy applies.
    LOST_IS_TIMEOUT = 2
    LOST_IS_RETRY = 4


if TYPE_CHECKING:
    Options = dict[str, Any]
else:
    # No mapping or list in a list: a crafted mapping may have keys whose hashes collide, and decoding it would take hours.
    _Plain = str | int | float | bool | None
    Options = dict[str, _Plain | list[_Plain]]


class Body(msgspec.Struct, array_like=True, frozen=True):
    """The call in a message: decided at the push, never changed."""

    job: str
    arguments: bytes
    serializer: int = 0
    options: Options | None = None

    @property
    def label(self) -> str:
        """The name that operators see: of an object or a callable, not of the built-in job that runs it."""
        return str((self.options or {}).get("label") or self.job)


_encode_body = msgspec.msgpack.Encoder().encode
_decode_body = msgspec.msgpack.Decoder(Body).decode
_read_head = _HEAD.unpack_from
#: An int, because an operation on members of `Flag` takes longer than decoding a body.
_SIGNED = int(Flag.SIGNED)


class _Ids:
    """Generates ids that increase within a process and are unique across processes.

    Without a lock: a signal handler or a destructor may push in the middle of a push of the same thread. The counter makes an id
    unique, and taking the next number is atomic.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._producer = os.urandom(6)
        self._last = 0
        self._count = itertools.count(1)

    def next(self) -> bytes:
        count = next(self._count)
        # Never decreasing, even if the wall clock steps back: ids order the messages of one producer.
        stamp = self._last = max(now_ms(), self._last)
        return _ID.pack(stamp + (count >> 32), count & 0xFFFFFFFF, self._producer)[2:]

    def next_several(self, number: int) -> list[bytes]:
        stamp = self._last = max(now_ms(), self._last)
        return [((stamp << 32) + count).to_bytes(10, "big") + self._producer for count in itertools.islice(self._count, number)]


_ids = _Ids()
# A forked child with its parent's random part could generate the same ids.
os.register_at_fork(after_in_child=_ids.restart)
new_id = _ids.next


def encode(identity: bytes, body: bytes, flags: int = 0, signer: Signer | None = None) -> bytes:
    """Return the bytes of a new message.

    Args:
        identity: 16 bytes from `new_id`.
        body: from `make_body`.
        flags: `Flag` values; SIGNED is added if there is a signer.
        signer: signs id, flags and body; None: the message is not signed.
    """
    if signer is not None:
        flags |= Flag.SIGNED
        body += signer.sign(identity, flags, body)
    return _HEAD.pack(VERSION, 0, identity, 0, flags, len(body)) + body


def encode_all(bodies: Sequence[bytes], flags: int = 0, signer: Signer | None = None) -> list[bytes]:
    """Return the bytes of new messages with increasing ids, in less time than `encode` takes for each."""
    new = zip(_ids.next_several(len(bodies)), bodies, strict=True)
    if signer is not None:
        return [encode(identity, body, flags, signer) for identity, body in new]
    return [_HEAD.pack(VERSION, 0, identity, 0, flags, len(body)) + body for identity, body in new]


def make_body(job: str, arguments: bytes, serializer: int = 0, options: dict[str, Any] | None = None) -> bytes:
    """Encode a body. Default values are left out."""
    if options:
        return _encode_body((job, arguments, serializer, options))
    if serializer:
        return _encode_body((job, arguments, serializer))
    return _encode_body((job, arguments))


def loss_flag(on_lost: str | None) -> int:
    """Return the flag of a job's `on_lost` policy."""
    return _LOSS[on_lost]


_LOSS = {None: 0, "timeout": int(Flag.LOST_IS_TIMEOUT), "retry": int(Flag.LOST_IS_RETRY)}


def wrap_foreign(raw: bytes, flags: int = 0) -> bytes:
    """Put a head before bytes that another client pushed, so that they have an id, can be counted and settled."""
    return _HEAD.pack(FOREIGN, 0, new_id(), 0, flags, len(raw)) + raw


def removal_mark(raw: bytes) -> bytes:
    """Return the bytes that take the place of a removed message where the server can't remove it from a list in bounded time.

    A worker that reserves them settles them without a run. They have the id of the message, so the list stays in the order of the ids.
    """
    return bytes((REMOVED, 0)) + (message_id(raw) if is_stamped(raw) else new_id()) + bytes(HEAD_SIZE - 18)


def is_stamped(raw: bytes) -> bool:
    """Return True if the bytes begin with a head of any version, followed by as many bytes as the head announces."""
    if len(raw) < HEAD_SIZE or raw[0] > LAST_VERSION:
        return False
    # In a later version, only the first 18 bytes are known.
    return raw[0] > VERSION or HEAD_SIZE + _HEAD.unpack_from(raw)[-1] <= len(raw)


def message_id(raw: bytes) -> bytes:
    """Return the id in the head of a message. The bytes must be stamped."""
    return raw[2:18]


def describe_malformed(raw: bytes) -> str:
    """Describe bytes that are not stamped."""
    what = "a message that is cut off" if len(raw) >= HEAD_SIZE and raw[0] <= VERSION else "not a message"
    return f"{len(raw)} bytes that begin with {raw[:12]!r} are {what}"


class Message:
    """A message with a decoded head. Body and history are decoded on request."""

    __slots__ = ("attempts", "crashes", "flags", "id", "raw", "size", "version")
    version: int
    crashes: int
    id: bytes
    attempts: int
    flags: int
    #: Bytes of the body, its signature included.
    size: int

    def __init__(self, raw: bytes) -> None:
        """Decode the head.

        Raises:
            MalformedMessage: the head is missing, or the body is cut off.
        """
        try:
            self.version, self.crashes, self.id, self.attempts, self.flags, self.size = _read_head(raw)
        except struct.error:
            raise MalformedMessage(describe_malformed(raw)) from None
        if (self.version > VERSION or HEAD_SIZE + self.size > len(raw)) and not is_stamped(raw):
            raise MalformedMessage(describe_malformed(raw))
        self.raw = raw

    @property
    def hex_id(self) -> str:
        return self.id.hex()

    @property
    def pushed_at_ms(self) -> int:
        """The time of the push by the producer's clock, in milliseconds since the epoch; part of the id."""
        return int.from_bytes(self.id[:6], "big")

    @property
    def is_foreign(self) -> bool:
        return self.version == FOREIGN

    def content(self) -> bytes:
        """Return the bytes of the body, without its signature. For a plain JSON message, the bytes that the other client pushed."""
        end = HEAD_SIZE + self.size
        if self.flags & _SIGNED and self.version != FOREIGN:
            end -= SIGNATURE_SIZE
        return self.raw[HEAD_SIZE:end]

    def body(self, signer: Signer | None = None) -> Body:
        """Verify and decode the body. With a signer, nothing is decoded before the signature is verified.

        Raises:
            SignatureError: there is a signer, and the signature is missing or wrong.
            UnsupportedVersion: a newer taskq wrote the message.
            MalformedMessage: the body can't be decoded.
        """
        if self.version > VERSION:
            raise UnsupportedVersion(f"the message has version {self.version}; this taskq reads up to version {VERSION}: update it")
        content = self.content() if self.flags & _SIGNED else self.raw[HEAD_SIZE : HEAD_SIZE + self.size]
        if signer is not None:
            signature = self.raw[HEAD_SIZE + len(content) : HEAD_SIZE + self.size]
            signer.verify(self.id, self.flags, content, signature)
        if self.version == FOREIGN:
            raise MalformedMessage("a plain JSON message has no body; read its content")
        try:
            return _decode_body(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedMessage(f"the body can't be read: {error}") from None

    def history_bytes(self) -> bytes:
        """Return the encoded records after the body."""
        if self.version > VERSION:
            return b""
        return self.raw[HEAD_SIZE + self.size :]

    def changed(self, *, attempts: int | None = None, crashes: int | None = None, history: bytes | None = None) -> bytes:
        """Return the bytes of this message with other counters or another history. The body is unchanged."""
        if self.version > VERSION:
            return self.raw
        attempts = min(self.attempts if attempts is None else attempts, MAX_COUNT)
        crashes = self.crashes if crashes is None else crashes
        tail = self.history_bytes() if history is None else history
        head = _HEAD.pack(self.version, crashes, self.id, attempts, self.flags, self.size)
        return head + self.raw[HEAD_SIZE : HEAD_SIZE + self.size] + tail


def check_message_id(message_id: object) -> str:
    """Return a message id in lower case, without surrounding spaces.

    Raises:
        ArgumentsError: it is not 32 hexadecimal digits.
    """
    if isinstance(message_id, str):
        text = message_id.strip().lower()
        if len(text) == 32 and all(letter in "0123456789abcdef" for letter in text):
            return text
    raise ArgumentsError(f"invalid message id {message_id!r}: expected 32 hexadecimal digits")
