"""The effects of a cancel request, and the old name of one."""

from __future__ import annotations

import pickle

import pytest

from taskq import Cancelled, Queue
from taskq.wire.message import encode, make_body, new_id

#: `Cancelled.ASKED`, pickled when that was the only name: by name, as Python 3.11 does, and by value.
OLD_PICKLES = (
    b"cbuiltins\ngetattr\n(ctaskq.handle.cancel\nCancelled\nVASKED\ntR.",
    b"ctaskq.handle.cancel\nCancelled\n(Vasked\ntR.",
)


def test_the_old_name_is_the_same_member() -> None:
    """Given the old name, then it is the same member, with the same value, and is not listed twice."""
    assert Cancelled.ASKED is Cancelled.REQUESTED
    assert Cancelled("asked") is Cancelled["ASKED"] is Cancelled.REQUESTED
    assert Cancelled.REQUESTED.value == Cancelled.REQUESTED == "asked"
    assert [one.name for one in Cancelled] == ["NOW", "REQUESTED", "TOO_LATE"]


@pytest.mark.parametrize("data", [*OLD_PICKLES, pickle.dumps(Cancelled.REQUESTED)])
def test_the_member_survives_a_pickle(data: bytes) -> None:
    """Given pickles of today and of the old name, when they are loaded, then the member is the same."""
    assert pickle.loads(data) is Cancelled.REQUESTED


@pytest.mark.parametrize("ttl", [float("inf"), float("nan"), -1.0, 1e300, "soon"])
def test_a_forged_lifetime_of_the_result_is_ignored(url: str, prefix: str, ttl: object) -> None:
    """Given a message whose result is to be stored for no possible time, when it is cancelled, then it is, with the usual lifetime."""
    queue = Queue(url, channels={prefix: {}})
    handle = queue.handle(new_id().hex(), channel=prefix)
    raw = encode(bytes.fromhex(handle.id), make_body("x:y", b"[]", 1, {"result_ttl": ttl}))
    sender = queue.sender(prefix)
    sender.call(sender.driver.push([raw]))
    assert handle.cancel() is Cancelled.NOW
    assert handle.status().state == "cancelled"
    queue.close()
