"""Signatures: only producers that know the secret can make a worker run a job."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import MessageError, SignatureError
from taskq.wire.message import Flag, Message, encode, make_body, new_id
from taskq.wire.signing import SIGNATURE_SIZE, Signer

secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@given(secrets, st.binary(min_size=16, max_size=16), st.integers(0, 255), st.binary(max_size=500))
def test_what_is_signed_is_verified(secret: str, identity: bytes, flags: int, body: bytes) -> None:
    """Given any secret and content, then its signature has its size and is right."""
    signer = Signer([secret], "queue")
    signature = signer.sign(identity, flags, body)
    assert len(signature) == SIGNATURE_SIZE
    signer.verify(identity, flags, body, signature)


@given(secrets, secrets)
def test_another_secret_makes_another_signature(one: str, other: str) -> None:
    """Given two secrets, then neither accepts what the other signed, unless they are the same."""
    signature = Signer([one], "queue").sign(b"i" * 16, 1, b"body")
    if one == other:
        return
    with pytest.raises(SignatureError, match="wrong"):
        Signer([other], "queue").verify(b"i" * 16, 1, b"body", signature)


def test_a_long_secret_counts_whole() -> None:
    """Given secrets longer than a key of BLAKE2b that differ in their last letter, then they are two secrets."""
    signature = Signer(["x" * 500 + "a"], "queue").sign(b"i" * 16, 1, b"body")
    with pytest.raises(SignatureError):
        Signer(["x" * 500 + "b"], "queue").verify(b"i" * 16, 1, b"body", signature)


def test_a_message_can_t_be_moved_to_another_channel() -> None:
    """Given a message signed for one channel, when it is moved to another, then it is refused there."""
    raw = encode(new_id(), make_body("x:y", b""), 0, Signer(["s"], "mail"))
    assert Message(raw).body(Signer(["s"], "mail")).job == "x:y"
    with pytest.raises(SignatureError, match="another channel"):
        Message(raw).body(Signer(["s"], "mail2"))


def test_a_secret_is_replaced_without_a_stop() -> None:
    """Given workers that know the new and the old secret, then both are accepted, the first signs, and afterwards the old is refused."""
    old, both, new = Signer(["old"], "q"), Signer(["new", "old"], "q"), Signer(["new"], "q")
    body = make_body("x:y", b"")
    by_old, by_both = encode(new_id(), body, 0, old), encode(new_id(), body, 0, both)
    assert Message(by_old).body(both).job == "x:y"
    assert Message(by_both).body(new).job == "x:y"
    with pytest.raises(SignatureError):
        Message(by_old).body(new)
    with pytest.raises(SignatureError):
        Message(by_both).body(old)


def test_an_unsigned_message_is_rejected_with_the_reason() -> None:
    """Given a worker with a secret, when a message isn't signed, then the error names the setting, and is a MessageError."""
    raw = encode(new_id(), make_body("x:y", b""))
    with pytest.raises(SignatureError, match="TASKQ_SECRET") as caught:
        Message(raw).body(Signer(["s"], "q"))
    assert isinstance(caught.value, MessageError)


def test_a_signed_message_is_read_where_no_secret_is_set() -> None:
    """Given a worker without a secret, when messages are signed, then it runs them: producers can be given a secret first."""
    raw = encode(new_id(), make_body("x:y", b"a"), Flag.LOST_IS_TIMEOUT, Signer(["s"], "q"))
    assert Message(raw).body().arguments == b"a"


def test_the_borders_between_what_is_signed_can_t_be_moved() -> None:
    """Given one signature, when bytes go from the prefix to the id or from the id to the body, then it is wrong."""
    signature = Signer(["s"], "ab").sign(b"i" * 16, 1, b"body")
    with pytest.raises(SignatureError):
        Signer(["s"], "a").verify(b"b" + b"i" * 16, 1, b"body", signature)
    with pytest.raises(SignatureError):
        Signer(["s"], "ab").verify(b"i" * 16, ord("b"), b"ody", signature)


@pytest.mark.parametrize("length", [1, 15, 17, 32])
def test_a_signature_of_another_length_is_wrong(length: int) -> None:
    """Given fewer or more bytes than a signature has, then it is wrong."""
    signer = Signer(["s"], "q")
    signature = signer.sign(b"i" * 16, 1, b"body")
    with pytest.raises(SignatureError):
        signer.verify(b"i" * 16, 1, b"body", (signature * 2)[:length])


def test_a_signer_needs_a_secret() -> None:
    """Given no secret at all, then no signer exists: nothing is signed with an empty key by mistake."""
    with pytest.raises(ValueError, match="at least one secret"):
        Signer([], "q")


def test_a_signer_does_not_show_its_secret() -> None:
    """Given a signer, when it is printed, then its secret isn't."""
    assert "hunter2" not in repr(Signer(["hunter2"], "q"))
