"""The driver in memory answers as a server does: the same moves on both give the same replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskq.channel import State
from taskq.config import load_settings
from taskq.driver.contract import Command, Driver, Parts, StoredEnding
from taskq.driver.find import AROUND
from taskq.driver.load import load_driver
from taskq.driver.steps import run
from taskq.errors import NoResult, ResultTimeout, TaskqError
from taskq.handle.status import ask_status
from taskq.handle.subject import Subject
from taskq.testing.driver import MemoryDriver, MemoryLink
from taskq.testing.store import WORKER, ChannelStore, Store
from taskq.wire.message import encode, make_body, new_id

pytestmark = pytest.mark.one_python
Call = Callable[[Command], Any]


def _memory() -> tuple[Store, MemoryDriver, Call]:
    store = Store()
    place = store.places["place"] = ChannelStore()
    return store, MemoryDriver(store, place, "prefix", lambda identity, state: state), MemoryLink(store.lock).call


def _moves(driver: Driver, call: Call, take: Callable[[], bytes]) -> list[Any]:
    """Make the moves of a worker and of an application, and return what is seen of them."""
    seen: list[Any] = []
    ids = [new_id() for _ in range(8)]
    raws = [encode(identity, make_body("job", b"", 0, None), 0) for identity in ids]
    ending = StoredEnding(b"ending", 60_000)

    def look() -> None:
        seen.append([call(driver.count(state)) for state in State if state is not State.RESERVED])

    call(driver.push(raws[:5]))
    call(driver.push_later(raws[5:7], delay_ms=60_000))
    call(driver.push_once(raws[7], ids[7].hex()))
    look()
    seen.append([call(driver.position(State.DELAYED, raw)) is not None for raw in raws])
    around = [call(driver.find(State.WAITING, identity.hex(), AROUND, 10)) for identity in ids]
    seen.append([(searched, found == [raw]) for raw, (searched, *found) in zip(raws, around, strict=True)])
    seen.append([call(driver.withdraw(raws[4])), call(driver.withdraw(raws[4])), call(driver.withdraw(raws[6]))])
    seen.append(call(driver.cancel(State.DELAYED, raws[5], ending)))
    seen.append([call(driver.result(ids[5].hex())), call(driver.wait_for_result(ids[5].hex(), 0.01)), call(driver.result(ids[0].hex()))])
    for number, settle in enumerate(
        (
            driver.finish(WORKER, ids[0], StoredEnding(b"done", 60_000)),
            driver.fail(WORKER, State.FAILED, ids[1], raws[1], ending),
            driver.retry(WORKER, ids[2], 60_000, raws[2]),
            driver.park(WORKER, ids[3], raws[3]),
        )
    ):
        assert take() == raws[number]
        seen.append([call(driver.held(WORKER)), call(driver.holdings(WORKER)) == [raws[number]]])
        seen.append([call(driver.request_cancel(WORKER, raws[number], b"")), call(driver.request_cancel(WORKER, raws[7], b""))])
        seen.append([call(settle), call(settle), call(driver.held(WORKER))])
    look()
    take()
    seen.append(call(driver.requeue(WORKER, "back", [ids[7]])))
    seen += [len(call(driver.find(state, identity.hex(), 0, 10))) for state in State if state is not State.RESERVED for identity in ids]
    seen.append([run(ask_status(driver, Subject(one.hex(), "c", None, None, True, True)), call).state for one in ids[2:4]])
    seen.append([len(call(driver.page(state, 0, 10))) for state in (State.WAITING, State.DELAYED, State.FAILED)])
    seen.append([call(driver.restore(State.FAILED, [(raws[1], raws[1])])), call(driver.result(ids[1].hex()))])
    seen.append(
        [call(driver.flush(State.PARKED, 10)), call(driver.remove(State.DELAYED, raws[2])), call(driver.remove(State.DELAYED, raws[2]))]
    )
    call(driver.report_progress(ids[0].hex(), b"half", 60_000))
    seen.append(call(driver.progress([ids[0].hex(), ids[1].hex()])))
    look()
    return seen


def _stream(driver: Driver, call: Call, identity: bytes) -> list[Any]:
    """Write and read the stream of two runs of a job."""
    name = identity.hex()
    seen = [
        call(driver.begin(WORKER, identity, 60_000, b"run1")),
        call(driver.part(WORKER, identity, Parts(1, (b"a",), 60_000, 10, b"run1"))),
    ]
    seen += [call(driver.read(name, 0, 10)), call(driver.wait_for_parts(name, 0, 10, 0.01))[0][1]]
    seen.append(call(driver.begin(WORKER, identity, 60_000, b"run2", b"run1")))
    seen += [call(driver.part(WORKER, identity, Parts(number, (b"b",) * 2, 60_000, 10, b"run2"))) for number in (3, 4)]
    seen.append(call(driver.finish(WORKER, identity, StoredEnding(b"end", 60_000, True))))
    return [*seen, call(driver.read(name, 0, 10)), call(driver.read(name, 3, 1))]


def test_the_replies_are_those_of_a_server(url: str, prefix: str) -> None:
    server = load_driver(url, load_settings({"channels": {"default": {"channel": prefix}}}).channel_or_default("default"))
    link = server.link()
    link.call(server.heartbeat(WORKER, {}, lease_ms=60_000, register=True))
    store, memory, call = _memory()

    def take() -> bytes:
        return link.call(server.reserve(WORKER, 1, ()))[2][0]  # type: ignore[no-any-return]

    def take_in_memory() -> bytes:
        taken = store.take()
        assert taken is not None
        return taken[1]

    expected = _moves(server, link.call, take)
    assert _moves(memory.as_driver(), call, take_in_memory) == expected
    streams = []
    for driver, execute, reserve in ((server, link.call, take), (memory.as_driver(), call, take_in_memory)):
        for state in (State.WAITING, State.DELAYED):
            execute(driver.flush(state, 100))
        execute(driver.push([raw := encode(identity := new_id(), make_body("job", b"", 0, None), 0)]))
        assert reserve() == raw
        streams.append(_stream(driver, execute, identity))
    assert streams[1] == streams[0]
    link.close()


def test_a_wait_in_memory_ends_at_once() -> None:
    store, driver, call = _memory()
    raw = encode(identity := new_id(), make_body("job", b"", 0, None), 0)
    with pytest.raises(NoResult):
        call(driver.wait_for_result(identity.hex(), 60))
    call(driver.push([raw]))
    for state in ("waiting", "reserved", "parked"):
        with pytest.raises(ResultTimeout, match=state):
            call(driver.wait_for_result(identity.hex(), 60))
        with pytest.raises(ResultTimeout, match=state):
            call(driver.wait_for_parts(identity.hex(), 0, 1, 60))
        store.take()
        if state == "reserved":
            call(driver.park(WORKER, identity, raw))


def test_the_moves_of_supervisors_are_missing() -> None:
    _, driver, _ = _memory()
    with pytest.raises(TaskqError, match="heartbeat_all needs a server: use the mode worker in this test"):
        driver.as_driver().heartbeat_all([], lease_ms=1)
