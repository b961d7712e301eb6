"""Encoding of a progress report."""

from __future__ import annotations

import math

import msgspec

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


_decode_progress = msgspec.msgpack.Decoder(tuple[float, float | None, str, int, int]).decode


def pack_progress(progress: Progress) -> bytes:
    """Encode a progress report."""
    return msgspec.msgpack.encode(msgspec.structs.astuple(progress))


def read_progress(raw: bytes) -> Progress | None:
    """Decode a progress report. Return None for other bytes."""
    try:
        done, total, message, at_ms, attempt = _decode_progress(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not (math.isfinite(done) and (total is None or math.isfinite(total))):
        return None
    return Progress(done, total, message[:MESSAGE_LIMIT], at_ms, attempt)
