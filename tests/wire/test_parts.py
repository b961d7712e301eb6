"""The parts of a stream as bytes: they come back as they were, in their places, and only from who may write them."""

from __future__ import annotations

import pickle

import pytest

from taskq.errors import ResultError, SignatureError
from taskq.wire.codec import check_serializer
from taskq.wire.ending import pack_part, read_part
from taskq.wire.signing import Signer

ID = b"i" * 16
PICKLE = check_serializer("pickle")
UNKNOWN = pack_part(1, b"", PICKLE._replace(code=9), ID, None)
SIGNER = Signer(["secret"], "queue", "result")


@pytest.mark.parametrize("signer", [None, SIGNER], ids=["plain", "signed"])
def test_a_part_comes_back(signer: Signer | None) -> None:
    """Given a value that a job has yielded, when it is packed and read, then it is the same."""
    assert read_part(pack_part(3, pickle.dumps([1]), PICKLE, ID, signer), 3, ID.hex(), signer) == [1]
    assert read_part(pack_part(4, b'{"a":1}', check_serializer("json"), ID, signer), 4, ID.hex(), signer) == {"a": 1}


def test_a_part_in_another_place_is_refused() -> None:
    """Given signed parts, if one is changed, another message's, or in another's place, then it isn't read."""
    good = pack_part(3, pickle.dumps([1]), PICKLE, ID, SIGNER)
    with pytest.raises(ResultError, match="it has number 3"):
        read_part(good, 4, ID.hex(), SIGNER)
    for data, identity in [(good[:-1] + b"x", ID), (good[:-16], ID), (good, b"o" * 16), (b"", ID)]:
        with pytest.raises(SignatureError, match="refused unread"):
            read_part(data, 3, identity.hex(), SIGNER)


def test_a_part_that_can_t_be_read_here_is_an_error() -> None:
    """Given bytes that are not an item, or a pickle of an unknown class, then the error contains the number of the item."""
    for data in (b"", b"short", pack_part(1, b"cnowhere_at_all\nThing\n.", PICKLE, ID, None), UNKNOWN):
        with pytest.raises(ResultError, match=f"part 1 of {ID.hex()} can't be read here"):
            read_part(data, 1, ID.hex(), None)


def test_code_that_another_python_yielded_is_never_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a part that holds code of another minor version, then it is refused before it is unpickled: that could crash."""
    value = PICKLE.dump(lambda: 5)
    assert read_part(pack_part(1, value, PICKLE, ID, None), 1, ID.hex(), None)() == 5
    with monkeypatch.context() as patched:
        patched.setattr("taskq.wire.codec.PYTHON", "3.99")
        foreign = pack_part(1, value, PICKLE, ID, None)
    with pytest.raises(ResultError, match=r"yielded by Python 3\.99 as code"):
        read_part(foreign, 1, ID.hex(), None)
