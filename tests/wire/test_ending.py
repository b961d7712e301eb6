"""How a message ended, as bytes: they come back as they were, and only from who may write them."""

from __future__ import annotations

import pickle

import pytest

from taskq.errors import JobFailed, MalformedMessage, NoResult, ResultCancelled, ResultError, SignatureError
from taskq.wire.ending import Ending, ending_of, pack_ending, read_ending, value_of
from taskq.wire.history import record_of
from taskq.wire.message import encode, make_body
from taskq.wire.signing import Signer

ID, OTHER = b"i" * 16, b"o" * 16
DONE = Ending("done", 5, 1, "w1", value=pickle.dumps([1, "a"]))
SIGNER = Signer(["secret"], "queue", "result")


@pytest.mark.parametrize("signer", [None, SIGNER], ids=["plain", "signed"])
def test_an_ending_comes_back(signer: Signer | None) -> None:
    """Given an ending, when it is packed and read, then it is the same, and its value is what the job returned."""
    read = read_ending(pack_ending(DONE, ID, signer), ID, signer)
    assert read == DONE
    assert value_of(read, ID.hex()) == [1, "a"]


def test_a_result_of_somebody_else_is_refused_unread() -> None:
    """Given a secret, if a result is unsigned, changed, another message's, or signed as a message, then nothing of it is decoded."""
    good = pack_ending(DONE, ID, SIGNER)
    message = encode(ID, make_body("job", b""), 0, Signer(["secret"], "queue"))
    for data, identity in [(good[:-16], ID), (good[:-1] + b"x", ID), (good, OTHER), (b"x" + good[1:], ID), (message[25:], ID), (b"", ID)]:
        with pytest.raises(SignatureError, match="refused unread"):
            read_ending(data, identity, SIGNER)


def test_bytes_that_are_not_a_result_are_rejected() -> None:
    """Given other bytes, then the error reports that they can't be read."""
    for data in (b"", b"\xc1"):
        with pytest.raises(MalformedMessage, match="can't be read"):
            read_ending(data, ID, None)


def test_a_signed_result_without_a_secret_is_reported() -> None:
    """Given a signed result and a program without a secret, then the error reports that, and names the variable that sets it."""
    with pytest.raises(SignatureError, match=r"is signed, but this program has no secret.*TASKQ_SECRET"):
        read_ending(pack_ending(DONE, ID, SIGNER), ID, None)


def test_each_other_end_is_an_error_of_its_own() -> None:
    """Given endings without a value, then each raises what it is, with its facts; and a failure can be pickled."""
    failed = ending_of(record_of("failed", "w1", 2, ValueError("no")))
    with pytest.raises(JobFailed, match="ValueError: no") as caught:
        value_of(failed, "1")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.type, again.attempt, again.traceback) == ("ValueError", 2, caught.value.traceback)
    with pytest.raises(ResultCancelled, match="cancelled by ops@box") as caught:
        value_of(Ending("cancelled", 5, 0, "ops@box"), "1")
    assert caught.value.by == "ops@box"
    with pytest.raises(NoResult, match="dropped it: too old"):
        value_of(Ending("dropped", 5, 1, "w1", "too old"), "1")


def test_a_value_that_can_t_be_read_here_is_an_error() -> None:
    """Given a pickle of a class that this program doesn't have, then the error reports that instead of the exception of unpickling."""
    with pytest.raises(ResultError, match="can't be read here: ModuleNotFoundError"):
        value_of(Ending("done", 5, 1, value=b"cnowhere_at_all\nThing\n."), "1")
    with pytest.raises(ResultError, match="unknown serializer code 9"):
        value_of(Ending("done", 5, 1, serializer=9), "1")
