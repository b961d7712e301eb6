"""Acks of a concurrent worker, of which only the first and the last may be compared: they remove no other message."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from taskq.driver.contract import Rescue
from taskq.errors import ServerUnavailable
from taskq.wire.message import Message
from taskq.worker.concurrent.completions import Completions
from taskq.worker.concurrent.lane_pool import LanePool
from taskq.worker.execute.verdict import Action, Verdict
from tests.driver.test_ordered_acks import Checked, SerialWorker, W, play
from tests.support.servers import ServerProcess
from tests.worker.concurrent.test_lane_pool import StubLane


class ConcurrentWorker(SerialWorker):
    """A worker with six lanes, as its pump behaves, and everything that others do to its messages."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = LanePool()
        lanes: list[Any] = [StubLane(number) for number in range(6)]
        self.lanes.add(lanes)

    @precondition(lambda self: True)
    @rule(count=st.integers(1, 6), notices=st.booleans())
    def reserve(self, count: int, notices: bool) -> None:
        """Reserve. A request to reconcile may arrive after the worker has looked for one."""
        settler = self.settler
        if self.asked and notices:
            self.asked, settler.uncertain = False, True
        if settler.uncertain:
            self.lanes.expect(ordered=False)
            self.flush()
            settler.uncertain = False
            self._begin([raw for raw in self.store.do(self.driver.holdings(W)) if Message(raw).id not in self.lanes.known])
        elif (room := min(count, self.lanes.room)) > 0:
            self._order()
            try:
                settled, _, batch = self.link.call(settler.reserve(room))
            except ServerUnavailable:
                settler.uncertain = True
                return
            settler.acks_sent(settled)
            self.lanes.release(self.lanes.settled())
            self._open(batch)

    @rule()
    def receive(self) -> None:
        """The server has moved a message by the blocking reserve."""
        if self.lanes.free and not self.settler.uncertain and self.store.waiting:
            raw = self.store.client.lmove(self.store.keys.waiting, self.store.keys.reserved(W), "RIGHT", "RIGHT")
            self._open([raw])

    def _open(self, batch: list[bytes]) -> None:
        messages = [raw for raw in batch if Message(raw).id not in self.lanes.known]
        self.lanes.expect(ordered=len({Message(raw).id for raw in messages}) == len(batch))
        self._begin(messages)

    def _begin(self, messages: list[bytes]) -> None:
        different = list({Message(raw).id: Message(raw) for raw in messages}.values())
        if len(different) > self.lanes.free:
            self.flush()
        free = self.lanes.free
        for one in different[:free]:
            self.lanes.take(one, None)
        self.settler.release("front", [one.id for one in different[free:]])

    def _order(self) -> None:
        Completions.order_acks(SimpleNamespace(lanes=self.lanes, _settler=self.settler))  # type: ignore[arg-type]

    @precondition(lambda self: self.lanes.busy)
    @rule(
        action=st.sampled_from([*[Action.ACK] * 5, Action.RETRY, Action.FAIL, Action.REQUEUE]),
        which=st.lists(st.integers(0, 5), max_size=6),
    )
    def run(self, action: Action, which: list[int]) -> None:
        """Some of the jobs end, in any order."""
        busy = self.lanes.busy
        for lane in {number: busy[number] for number in which if number < len(busy)}.values():
            one = lane.message
            if action is Action.ACK:
                self.settler.keep(one.id, 0.0)
                self.lanes.done(lane)
            else:
                verdict = Verdict(action=action, message=one.changed(attempts=one.attempts + 1))
                self.settler.settle(one.id, verdict, one.raw)
                self.lanes.release([lane])

    @rule()
    def flush(self) -> None:
        self._order()
        self.settler.flush()
        self.lanes.release(self.lanes.settled())

    @precondition(lambda self: self.lanes.busy)
    @rule(first=st.integers(0, 5))
    def release(self, first: int) -> None:
        """The worker, or its supervisor, releases what has not started."""
        unstarted = self.lanes.busy[first:]
        self.store.do(self.driver.requeue(W, "front", [lane.message.id for lane in unstarted]))
        self.lanes.release(unstarted)

    @rule()
    def lose_data(self) -> None:
        """The server is emptied, without a broken connection; the worker puts back what it runs."""
        self._put([])
        if running := self.lanes.busy:
            self.settler.put_back([lane.message.raw for lane in running])

    @rule()
    def rescue(self) -> None:
        """The worker is declared lost, and registers again. It may notice that late."""
        self.store.do(self.driver.rescue(Rescue(W)))
        self.store.register(W)
        self.asked = True


@pytest.mark.one_python
def test_ordered_acks_of_a_concurrent_worker_remove_no_other_message(server: ServerProcess, prefix: str) -> None:
    """Given jobs that end in any order, whatever happens to the list, then each command removes what it names, and nothing else."""
    links = play(ConcurrentWorker, server, prefix, examples=15)
    assert any(link.compared_ends for link in links)


@pytest.mark.one_python
def test_jobs_that_end_in_any_order_are_settled_alone(server: ServerProcess, prefix: str) -> None:
    """Given four running jobs, if some of them end, in any order, then the others stay in the reserved list."""
    links: list[Checked] = []
    machine = type("Machine", (ConcurrentWorker,), {"server": server, "prefix": prefix, "links": links})()
    machine.register()
    for count in (1, 2, 3, 4):
        for ended in itertools.permutations(range(4), count):
            machine.push(count=8)
            machine.reserve(count=4, notices=False)
            running = machine.store.reserved(W)
            machine.run(action=Action.ACK, which=list(ended))
            machine.flush()
            assert machine.store.reserved(W) == [raw for number, raw in enumerate(running) if number not in ended]
            machine.run(action=Action.ACK, which=[0, 1, 2, 3])
            machine.flush()
    assert links[0].compared_ends > 64
    machine.teardown()
