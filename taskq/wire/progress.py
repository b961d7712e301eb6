"""NEW FILE"""

from __future__ import annotations

import msgspec

__all__ = ["Progress", "pack_progress", "read_progress"]


class Progress(msgspec.Struct, frozen=True):
    """How far a running job says that it is."""

    done: float
    total: float | None = None
    message: str = ""
    #: When it said so.
    at_ms: int = 0
    attempt: int = 1

    @property
    def share(self) -> float | None:
        """From 0 to 1; None when the job hasn't told a total."""
        return min(1.0, max(0.0, self.done / self.total)) if self.total else None


_decode_progress = msgspec.msgpack.Decoder(tuple[float, float | None, str, int, int]).decode


def pack_progress(progress: Progress) -> bytes:
    """Return the bytes of what a job has told."""
    return msgspec.msgpack.encode(msgspec.structs.astuple(progress))


def read_progress(raw: bytes) -> Progress | None:
    """Read what a job has told; None when the bytes are something else."""
    try:
        return Progress(*_decode_progress(raw))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
