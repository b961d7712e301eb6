"""The parts of a stream as bytes: they come back as they were, in their places, and only from who may write them."""

from __future__ import annotations

import pickle

import pytest

from taskq.ending import pack_part, read_part
from taskq.errors import ResultError, SignatureError
from taskq.signing import Signer

ID = b"i" * 16
SIGNER = Signer(["secret"], "queue", "result")


@pytest.mark.parametrize("signer", [None, SIGNER], ids=["plain", "signed"])
def test_a_part_comes_back(signer: Signer | None) -> None:
    """Given a value that a job has yielded, when it is packed and read, then it is the same."""
    assert read_part(pack_part(3, pickle.dumps([1]), 0, ID, signer), 3, ID.hex(), signer) == [1]
    assert read_part(pack_part(4, b'{"a":1}', 1, ID, signer), 4, ID.hex(), signer) == {"a": 1}


def test_a_part_in_another_place_is_refused() -> None:
    """Given signed parts, if one is changed, another message's, or in another's place, then it isn't read."""
    good = pack_part(3, pickle.dumps([1]), 0, ID, SIGNER)
    with pytest.raises(ResultError, match="it says that it is number 3"):
        read_part(good, 4, ID.hex(), SIGNER)
    for data, identity in [(good[:-1] + b"x", ID), (good[:-16], ID), (good, b"o" * 16), (b"", ID)]:
        with pytest.raises(SignatureError, match="refused unread"):
            read_part(data, 3, identity.hex(), SIGNER)


def test_a_part_that_can_t_be_read_here_is_an_error() -> None:
    """Given bytes that are no part, or a pickle of a class that this program doesn't have, then the error says which part it was."""
    for data in (b"", b"short", pack_part(1, b"cnowhere_at_all\nThing\n.", 0, ID, None), pack_part(1, b"", 9, ID, None)):
        with pytest.raises(ResultError, match=f"part 1 of {ID.hex()} can't be read here"):
            read_part(data, 1, ID.hex(), None)
