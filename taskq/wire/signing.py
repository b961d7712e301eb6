"""Signatures: who may say what a worker runs.

Keyed BLAKE2b (RFC 7693) over the channel's prefix, the id, the flags and the body. The counts in the head and the history are
left out: the scripts change them, and they don't decide what runs. With the channel in it, a message can't be moved to another.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskq.config import Settings
from taskq.errors import SignatureError

__all__ = ["SIGNATURE_SIZE", "Signer", "result_signer"]

SIGNATURE_SIZE = 16


class Signer:
    """Signs with the first of several secrets and accepts all of them, so that a secret can be replaced without a stop."""

    __slots__ = ("_context", "_equal", "_hash", "_keys")

    def __init__(self, secrets: Sequence[str], prefix: str, what: str = "message") -> None:
        """`what` is signed goes into the signature: a result can't be passed off as a message."""
        if not secrets:
            raise ValueError("a signer needs at least one secret")
        import hmac  # with both comes OpenSSL, which only who has a secret needs
        from hashlib import blake2b

        self._equal, self._hash = hmac.compare_digest, blake2b
        # BLAKE2b takes keys of up to 64 bytes; a digest of the secret takes secrets of any length.
        self._keys = tuple(blake2b(secret.encode(), person=b"taskq key").digest() for secret in secrets)
        self._context = b"taskq " + what.encode() + b"\0" + prefix.encode() + b"\0"

    def sign(self, identity: bytes, flags: int, body: bytes) -> bytes:
        """Return the 16 bytes of signature by the first secret."""
        return self._digest(self._keys[0], identity, flags, body)

    def verify(self, identity: bytes, flags: int, body: bytes, signature: bytes) -> None:
        """Check a signature against every secret.

        Raises:
            SignatureError: it is missing or wrong.
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
    """Who signs and verifies the results of what moves under a prefix; None without a secret."""
    return Signer(settings.secrets, prefix, "result") if settings.secrets else None
