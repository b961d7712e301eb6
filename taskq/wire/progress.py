"""Encoding of a progress report."""

from __future__ import annotations

import math

import msgspec

from taskq.wire.signing import Purpose, Signer

__all__ = ["MESSAGE_LIMIT", "Progress", "pack_progress", "read_progress"]


#: The maximum number of characters of a message.
MESSAGE_LIMIT = 500


class Progress(msgspec.Struct, frozen=True):
    """Progress reported by a running job."""

    done: float
    total: float | None = None
    message: str = ""
    #: The time of the report, in milliseconds since the epoch.
    at_ms: int = 0
    attempt: int = 1

    @property
    def share(self) -> float | None:
        """The completed fraction from 0 to 1, or None if the job reported no total."""
        return min(1.0, max(0.0, self.done / self.total)) if self.total else None


class _Stored(msgspec.Struct, array_like=True, frozen=True):
    done: float
    total: float | None
    message: str
    at_ms: int
    attempt: int
    #: Over the message's id and the fields above; missing without a secret.
    signature: bytes = b""


_decode = msgspec.msgpack.Decoder(_Stored).decode
_encode = msgspec.msgpack.Encoder().encode


def pack_progress(progress: Progress, identity: bytes = b"", signer: Signer | None = None) -> bytes:
    """Encode the progress of a message, and sign it if there is a signer."""
    total = None if progress.total is None else float(progress.total)
    # As they are decoded: the signature is verified over the same bytes.
    fields = (float(progress.done), total, progress.message, progress.at_ms, progress.attempt)
    data = _encode(fields)
    return data if signer is None else _encode((*fields, signer.sign(identity, Purpose.PROGRESS, data)))


def read_progress(raw: bytes, identity: bytes = b"", signer: Signer | None = None) -> Progress | None:
    """Decode the progress of a message. Return None for other bytes, and with a signer for those without a valid signature."""
    try:
        *fields, signature = msgspec.structs.astuple(_decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if signer is not None and not signer.is_valid(identity, Purpose.PROGRESS, _encode(fields), signature):
        return None
    done, total, message, at_ms, attempt = fields
    if not (math.isfinite(done) and (total is None or math.isfinite(total))):
        return None
    return Progress(done, total, message[:MESSAGE_LIMIT], at_ms, attempt)
