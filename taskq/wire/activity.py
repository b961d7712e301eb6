"""The activity of a worker process: the fields of a hash that its supervisor writes with each heartbeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from taskq.wire.signing import Purpose, Signer

__all__ = ["is_verified_activity", "read_activity", "signed_activity"]

_SIGNATURE = "signature"
#: Not signed: the reason why the server unregistered the worker, which scripts write, too.
_FATE = "fate"
_NO_MESSAGE = bytes(16)


def signed_activity(worker: str, fields: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """Return the fields of a worker with their signature."""
    texts = {name: str(value) for name, value in fields.items()}
    return {**fields, _SIGNATURE: signer.sign(_NO_MESSAGE, Purpose.WORKER, _signed(worker, texts)).hex()}


def read_activity(reply: Sequence[bytes]) -> dict[str, str]:
    """Return the fields of a stored hash: [field, value, ...]."""
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in pairs}


def is_verified_activity(worker: str, fields: Mapping[str, str], signer: Signer) -> bool:
    """Return True if a supervisor with the secret wrote these fields for this worker."""
    try:
        signature = bytes.fromhex(fields.get(_SIGNATURE, ""))
    except ValueError:
        return False
    return signer.is_valid(_NO_MESSAGE, Purpose.WORKER, _signed(worker, fields), signature)


def _signed(worker: str, fields: Mapping[str, str]) -> bytes:
    pairs = sorted((name, value.encode(errors="replace")) for name, value in fields.items() if name not in (_SIGNATURE, _FATE))
    return msgspec.msgpack.encode((worker, pairs))
