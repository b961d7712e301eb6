"""Messages that an earlier version of taskq pushed still run."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import taskq
from taskq import Call
from taskq.channel import State
from taskq.inspector import Inspector
from taskq.wire.codec import check_serializer
from taskq.wire.message import Message
from taskq.wire.signing import Signer
from tests.e2e.apps.earlier import leaf
from tests.e2e.apps.stored import STORED, queue
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.store import Store

#: relay.push(leaf, 7, Backoff(), Cancelled.TOO_LATE, Progress(1, 2), Status(state="done")), pushed when the job was in `taskq.job`.
FLAT_MODULES = bytes.fromhex(
    "010001a21c078e3400000001ccdc2aff808e000000000001a392bc74657374732e6532652e617070732e6561726c6965723a72656c6179c501828005"
    "957701000000000000288c097461736b712e6a6f62948c095f66696e645f6a6f629493948c1674657374732e6532652e617070732e6561726c696572"
    "948c046c65616694869452944b078c0e6d7367737065632e5f7574696c73948c0772656275696c649493948c0b7461736b712e7265747279948c0742"
    "61636b6f66669493947d94288c046261736594473ff00000000000008c06666163746f72944740000000000000008c03636170944740ac2000000000"
    "008c066a6974746572948875869452948c107461736b712e63616e63656c6c696e67948c0943616e63656c6c65649493948c08746f6f206c61746594"
    "859452948c0e7461736b712e6177616974696e67948c0850726f6772657373949394284b014b028c00944b004b01749452946809681a8c0653746174"
    "75739493947d94288c057374617465948c04646f6e65948c07617474656d7074944b008c02627994681d8c08656e6465645f6174944e8c056572726f"
    "7294681d8c0870726f6772657373944e758694529474942e"
)


def test_a_pickle_that_names_former_modules_runs(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given a message whose pickle names modules of taskq that have moved since, then its job runs with the same values."""
    assert b"taskq.job" in FLAT_MODULES
    assert b"taskq.awaiting" in FLAT_MODULES
    store.client.lpush(store.keys.waiting, FLAT_MODULES)
    assert run_burst(start_worker, "earlier") == 0
    assert ledger.values("leaf") == [7]


def test_messages_of_the_first_wire_format_run(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given messages in each state, as the first release of the wire format stored them, then each runs with its arguments and attempts.

    Those of `shop:note` run by its alias, also the parked one.
    """
    for one in STORED:
        raw, state = bytes.fromhex(one["message"]), State(one["state"])
        if state is State.WAITING:
            store.client.lpush(store.keys.waiting, raw)
        else:
            store.client.zadd(store.keys.of(state), {raw: 1})
    inspector = Inspector(queue)
    (entry,) = inspector.entries("default", State.FAILED)
    assert (entry.job, entry.alias_of, entry.attempts, entry.error) == ("shop:note", "shop:renamed", 3, "the last one")
    assert inspector.reload("default", State.FAILED) == 1
    inspector.close()
    assert run_burst(start_worker, "stored") == 0

    renamed = "shop:renamed"
    expected = {one["case"]: [renamed, 1, "None"] for one in STORED}
    expected |= {"json": ["shop:data", 1, "[1, None, 'ü']"], "signed json": ["shop:data", 1, "None"]}
    expected |= {"msgpack": ["shop:packed", 1, repr(b"\xff")], "signed msgpack": ["shop:packed", 1, "b''"]}
    expected |= {"keywords": [renamed, 1, "{'a': (1, 2)}"], "history": [renamed, 3, "None"], "requeued": [renamed, 2, "None"]}
    expected |= {"object": ["tests.e2e.apps.stored:Report", 1, "None"], "stamped JSON": ["shop:data", 2, "None"]}
    assert {case: ledger.values(case) for case in expected} == {case: [values] for case, values in expected.items()}


@pytest.mark.one_python
def test_signatures_of_the_first_wire_format_are_verified() -> None:
    """Given the signed messages of the first release of the wire format, then their signatures are still valid."""
    signer = Signer(["the secret of the fixtures"], "queue")
    signed = [Message(bytes.fromhex(one["message"])) for one in STORED if one["case"].startswith("signed")]
    assert [message.body(signer).job for message in signed] == ["shop:note", "shop:data", "shop:packed"]


class _Unlabelled(Call[Any]):
    """A call whose pickle is that of a call before calls had labels."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        slots = {"args": self.args, "job": self.job, "kwargs": self.kwargs, "options": self.options}
        return object.__new__, (Call,), (None, slots)


def test_a_call_that_was_pickled_without_a_label_can_be_pushed(store: Store) -> None:
    """Given the pickle of a call from before calls had labels, when it is loaded, then it can be changed and packed as any other."""
    bound = leaf.bind(7)
    call: Call[None] = pickle.loads(pickle.dumps(_Unlabelled(bound.job, bound.args, bound.kwargs, bound.options)))
    assert type(call) is Call
    assert call.label is None
    assert call.with_options(delay=1).args == (7,)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("awaiting", "Progress"),
        ("awaiting", "Status"),
        ("buffer", "Buffer"),
        ("call", "Call"),
        ("cancelling", "Cancelled"),
        ("job", "Job"),
        ("result", "Handle"),
        ("retry", "Backoff"),
        ("stream", "AsyncStream"),
        ("stream", "Stream"),
    ],
)
def test_every_public_name_is_found_by_its_former_module(module: str, name: str) -> None:
    """Given a pickle that names a public class by its module in 0.1, as functions by value do, then it is loaded."""
    assert check_serializer("pickle").load(f"ctaskq.{module}\n{name}\n.".encode()) is getattr(taskq, name)


def test_a_function_by_value_that_uses_the_state_is_loaded() -> None:
    """Given the pickle of `taskq.state` from 0.1, which every lambda that uses it contains, then it is loaded."""
    assert type(check_serializer("pickle").load(b"ctaskq.lifespan\nResources\n)\x81.")) is type(taskq.state)
