"""Any moves in any order: a message that was pushed is always in exactly one place, until it was settled or deleted."""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from taskq.channel import State
from taskq.driver.contract import Blame, Rescue
from taskq.wire.message import Message
from tests.driver.store import LEASE_MS, RECORD, Store, id_of, message
from tests.support.servers import ServerProcess

WORKERS = ("worker-1", "worker-2", "worker-3")
FAULTS = ["crash", "timeout", "bystander"]
ASIDE = (State.FAILED, State.TIMEOUT, State.PARKED)
workers = st.sampled_from(WORKERS)
places = st.integers(0, 5)
numbers = itertools.count()


class Moves(RuleBasedStateMachine):
    """A channel, and the ids of the messages that must be somewhere in it."""

    server: ServerProcess
    prefix: str

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(self.server, f"{self.prefix}.{next(numbers)}", failed_limit=1000)
        self.driver = self.store.driver
        self.alive: set[bytes] = set()

    def teardown(self) -> None:
        self.store.close()

    def _of(self, worker: str, place: int) -> bytes | None:
        """A message that a worker has, or had a moment ago, or that another has."""
        held = self.store.reserved(worker) or self.store.everything()
        return held[place % len(held)] if held else None

    @rule(count=st.integers(1, 4))
    def push(self, count: int) -> None:
        messages = [message() for _ in range(count)]
        self.store.push(*messages)
        self.alive.update(map(id_of, messages))

    @rule(at_ms=st.sampled_from([1, 2, 3, 10**13]), once=st.booleans())
    def push_later(self, at_ms: int, once: bool) -> None:
        raw = message()
        if once:
            for _ in range(2):
                self.store.do(self.driver.push_once(raw, id_of(raw).hex(), at_ms=at_ms))
        else:
            self.store.do(self.driver.push_later([raw], at_ms=at_ms))
        self.alive.add(id_of(raw))

    @rule(limit=st.integers(1, 3))
    def promote(self, limit: int) -> None:
        self.store.do(self.driver.promote(limit))

    @rule(worker=workers)
    def beat(self, worker: str) -> None:
        self.store.do(self.driver.heartbeat(worker, {"pid": 1}, lease_ms=LEASE_MS, register=True))

    @rule(worker=workers, count=st.integers(0, 4), done=st.integers(0, 3))
    def reserve(self, worker: str, count: int, done: int) -> None:
        ids = [id_of(raw) for raw in self.store.reserved(worker)[:done]]
        self.store.do(self.driver.reserve(worker, count, ids))
        self.alive.difference_update(ids)

    @rule(worker=workers, place=places)
    def ack(self, worker: str, place: int) -> None:
        raw = self._of(worker, place)
        if raw is not None and self.store.do(self.driver.ack(worker, [id_of(raw)])):
            self.alive.discard(id_of(raw))

    @rule(worker=workers, place=places, delay_ms=st.sampled_from([0, 10**9]))
    def retry(self, worker: str, place: int, delay_ms: int) -> None:
        raw = self._of(worker, place)
        if raw is not None:
            changed = Message(raw).changed(attempts=Message(raw).attempts + 1)
            self.store.do(self.driver.retry(worker, id_of(raw), delay_ms, changed))

    @rule(worker=workers, where=st.sampled_from(["front", "back", "later"]), first=places, second=places)
    def requeue(self, worker: str, where: str, first: int, second: int) -> None:
        found = [self._of(worker, first), self._of(worker, second)]
        ids = [id_of(raw) for raw in found if raw is not None]
        if ids:
            self.store.do(self.driver.requeue(worker, where, ids, 5))  # type: ignore[arg-type]

    @rule(worker=workers, place=places, state=st.sampled_from(ASIDE))
    def set_aside(self, worker: str, place: int, state: State) -> None:
        raw = self._of(worker, place)
        if raw is None:
            return
        if state is State.PARKED:
            self.store.do(self.driver.park(worker, id_of(raw), raw))
        else:
            self.store.do(self.driver.fail(worker, state, id_of(raw), raw))

    @rule(worker=workers, blame=st.sampled_from(["", "head", "all", "id"]), place=places, fault=st.sampled_from(FAULTS))
    def rescue(self, worker: str, blame: str, place: int, fault: str) -> None:
        raw = self._of(worker, place)
        who = (id_of(raw) if raw else b"") if blame == "id" else blame
        blamed = (Blame(who, fault, RECORD, 5),) if who else ()  # type: ignore[arg-type]
        self.store.do(self.driver.rescue(Rescue(worker, blamed=blamed)))

    @rule(state=st.sampled_from(ASIDE), place=places)
    def reload(self, state: State, place: int) -> None:
        aside = self.store.in_state(state)
        if aside:
            raw = aside[place % len(aside)]
            self.store.do(self.driver.restore(state, [(raw, Message(raw).changed(attempts=0))]))

    @precondition(lambda self: self.alive)
    @rule(place=places)
    def withdraw(self, place: int) -> None:
        found = self.store.everything()
        raw = found[place % len(found)]
        if self.store.do(self.driver.withdraw(raw)):
            self.alive.discard(id_of(raw))

    @invariant()
    def every_message_is_in_one_place(self) -> None:
        found = [id_of(raw) for raw in self.store.everything()]
        assert len(found) == len(set(found)), "a message is there twice"
        assert set(found) == self.alive


def test_a_message_is_always_in_exactly_one_place(server: ServerProcess, prefix: str) -> None:
    """Given any moves by any workers in any order, then no message is lost and none is doubled."""
    machine = type("Machine", (Moves,), {"server": server, "prefix": prefix})
    health = [HealthCheck.too_slow]
    run_state_machine_as_test(
        machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=health)
    )
