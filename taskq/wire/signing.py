"""Signatures: only producers that know the secret can make a worker run a job.

Keyed BLAKE2b (RFC 7693) over the channel's prefix, the id, the flags and the body. The counters in the head and the history are
not signed: the scripts change them, and they don't decide which job runs. Because the prefix is signed, a message can't be moved
to another channel.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskq.config import Settings
from taskq.errors import SignatureError

__all__ = ["SIGNATURE_SIZE", "Signer", "result_signer"]

SIGNATURE_SIZE = 16


class Signer:
    """Signs with the first of several secrets and accepts all of them, so that a secret can be changed without downtime."""

    __slots__ = ("_context", "_equal", "_hash", "_keys")

    def __init__(self, secrets: Sequence[str], prefix: str, what: str = "message") -> None:
        """`what` is part of the signed data, so that a result can't be used as a message."""
        if not secrets:
            raise ValueError("a signer needs at least one secret")
        import hmac  # both import OpenSSL, which is needed only with a secret
        from hashlib import blake2b

        self._equal, self._hash = hmac.compare_digest, blake2b
        # BLAKE2b takes keys of up to 64 bytes; a digest of the secret takes secrets of any length.
        self._keys = tuple(blake2b(secret.encode(), person=b"taskq key").digest() for secret in secrets)
        self._context = b"taskq " + what.encode() + b"\0" + prefix.encode() + b"\0"

    def sign(self, identity: bytes, flags: int, body: bytes) -> bytes:
        """Return the signature by the first secret: 16 bytes."""
        return self._digest(self._keys[0], identity, flags, body)

    def verify(self, identity: bytes, flags: int, body: bytes, signature: bytes) -> None:
        """Check a signature against every secret.

        Raises:
            SignatureError: the signature is missing or wrong.
        """
        if not signature:
            raise SignatureError("the message is not signed, but this worker has a secret (TASKQ_SECRET): refused unread")
        for key in self._keys:
            if self._equal(self._digest(key, identity, flags, body), signature):
                return
        raise SignatureError("the signature is wrong: pushed with another secret, into another channel, or changed on the way")

    def _digest(self, key: bytes, identity: bytes, flags: int, body: bytes) -> bytes:
        digest = self._hash(self._context, key=key, digest_size=SIGNATURE_SIZE)
        digest.update(identity + bytes((flags,)) + body)
        return digest.digest()


def result_signer(settings: Settings, prefix: str) -> Signer | None:
    """Return the signer of the results under a key prefix, or None without a secret."""
    return Signer(settings.secrets, prefix, "result") if settings.secrets else None
