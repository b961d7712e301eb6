"""Signatures: only programs that know the secret can make a worker run a job, or decide what users see of it.

Keyed BLAKE2b (RFC 7693) over the channel's prefix, the id, the flags and the body. The counters in the head are not signed: the
scripts change them, and they don't decide which job runs. Because the prefix is signed, a message can't be moved to another channel.
Results, records and reports have separate signatures: see `Purpose`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from taskq.config import Settings
from taskq.errors import SignatureError

if TYPE_CHECKING:
    from hashlib import blake2b

__all__ = ["SIGNATURE_SIZE", "Purpose", "Signer", "result_signer"]

SIGNATURE_SIZE = 16


class Purpose(IntEnum):
    """The kinds of data that `result_signer` signs, in place of the flags of a message: no kind can be used as another one."""

    RESULT = 0
    RECORD = 1
    PROGRESS = 2
    CANCEL = 3
    WORKER = 4


class Signer:
    """Signs with the first of several secrets and accepts all of them, so that a secret can be changed without downtime."""

    __slots__ = ("_begun", "_equal")

    def __init__(self, secrets: Sequence[str], prefix: str, what: str = "message") -> None:
        """`what` is part of the signed data, so that a result can't be used as a message."""
        if not secrets:
            raise ValueError("a signer needs at least one secret")
        import hmac  # both import OpenSSL, which is needed only with a secret
        from hashlib import blake2b

        self._equal = hmac.compare_digest
        # BLAKE2b takes keys of up to 64 bytes; a digest of the secret takes secrets of any length.
        keys = [blake2b(secret.encode(), person=b"taskq key").digest() for secret in secrets]
        context = b"taskq " + what.encode() + b"\0" + prefix.encode() + b"\0"
        # A copy of a digest that has read key and context takes two thirds of the time of a new one.
        self._begun = tuple(blake2b(context, key=key, digest_size=SIGNATURE_SIZE) for key in keys)

    def sign(self, identity: bytes, flags: int, body: bytes) -> bytes:
        """Return the signature by the first secret: 16 bytes."""
        return self._digest(self._begun[0], identity, flags, body)

    def verify(self, identity: bytes, flags: int, body: bytes, signature: bytes) -> None:
        """Check a signature against every secret.

        Raises:
            SignatureError: the signature is missing or wrong.
        """
        if not signature:
            raise SignatureError("the message is not signed, but this worker has a secret (TASKQ_SECRET): refused unread")
        for begun in self._begun:
            if self._equal(self._digest(begun, identity, flags, body), signature):
                return
        raise SignatureError("the signature is wrong: pushed with another secret, into another channel, or changed on the way")

    def is_valid(self, identity: bytes, flags: int, body: bytes, signature: bytes) -> bool:
        """Return True if the signature is valid."""
        try:
            self.verify(identity, flags, body, signature)
        except SignatureError:
            return False
        return True

    def _digest(self, begun: blake2b, identity: bytes, flags: int, body: bytes) -> bytes:
        digest = begun.copy()
        digest.update(identity + bytes((flags,)) + body)
        return digest.digest()


def result_signer(settings: Settings, prefix: str) -> Signer | None:
    """Return the signer of results, and of all other data but messages, under a key prefix. None without a secret."""
    return Signer(settings.secrets, prefix, "result") if settings.secrets else None
