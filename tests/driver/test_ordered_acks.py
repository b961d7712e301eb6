"""Acks of which only the first and the last are compared: whatever happens to the reserved list, they remove no other message."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from taskq.channel import State
from taskq.driver.contract import Command, Rescue, StoredEnding
from taskq.errors import ServerUnavailable
from taskq.wire.message import Message
from taskq.worker.execute.verdict import ACKED, Action, Verdict
from taskq.worker.settler import Settler
from tests.driver.store import Store, id_of, message
from tests.support.servers import ServerProcess

W, OTHER = "worker-1", "worker-2"
Loss = Literal["request", "reply"]
numbers = itertools.count()


class Checked:
    """A connection that loses a request or a reply when asked to, and checks what each settling command has removed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.loses: Loss | None = None
        self.compared_ends = 0

    def call(self, command: Command) -> Any:
        loses, self.loses = self.loses, None
        if loses == "request":
            raise ServerUnavailable("the connection was closed")
        if command.script is not None and command.script.name in ("ack", "reserve"):
            reply = self._checked(command)
        else:
            reply = self._store.do(command)
        if loses == "reply":
            raise ServerUnavailable("the connection was closed", sent=True)
        return reply

    def _checked(self, command: Command) -> Any:
        """Send a settling command: it removes all of its own messages and no other, and stores the results of those that were there."""
        skip = 1 if command.move == "ack" else 3
        last = int(command.words[0]) + 1
        results, arguments = command.words[skip + 1 : last], command.words[last:]
        ids = arguments[skip : len(arguments) - 3 * len(results)]
        before, old = self._store.reserved(W), [self._result(key) for key in results]
        reply = self._store.do(command)
        left = Counter(before + (reply[2] if command.move == "reserve" else []))
        left.subtract(self._store.reserved(W))
        removed = Counter(id_of(raw) for raw, count in left.items() for _ in range(count))
        there = Counter(map(id_of, before))
        assert removed == Counter(ids) & there, "another message was removed, or one of these was not"
        new = arguments[len(arguments) - 3 * len(results) :]
        for place, key in enumerate(results):
            identity, data = new[3 * place], new[3 * place + 2]
            is_fenced = Counter(ids)[identity] == 1
            if is_fenced or not there[identity]:
                assert self._result(key) == ([data] if there[identity] else old[place]), "a result got past the fence, or was not stored"
        self.compared_ends += arguments[skip - 1] == "1"
        return reply

    def _result(self, key: Any) -> list[bytes]:
        return list(self._store.client.lrange(key, 0, -1))


class SerialWorker(RuleBasedStateMachine):
    """A worker with one job at a time, as its loop behaves, and everything that others do to its messages."""

    server: ServerProcess
    prefix: str
    links: list[Checked]

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(self.server, f"{self.prefix}.{next(numbers)}")
        self.driver = self.store.driver
        self.link = Checked(self.store)
        self.links.append(self.link)
        self.settler = Settler(self.driver, self.link, W, stopping=lambda: False, pause=lambda _: None)  # type: ignore[arg-type]
        #: The rest of the batch, and those of it that have succeeded.
        self.batch: list[Message] = []
        self.succeeded: list[bytes] = []
        #: True once the supervisor has asked for a reconcile that the worker hasn't noticed yet.
        self.asked = False
        self.copies: list[bytes] = []
        self.older: list[list[bytes]] = [[]]

    def teardown(self) -> None:
        self.store.close()

    @initialize()
    def register(self) -> None:
        self.store.register(W, OTHER)

    # ---- the worker

    @precondition(lambda self: not self.batch)
    @rule(count=st.integers(1, 8), notices=st.booleans())
    def reserve(self, count: int, notices: bool) -> None:
        """Reserve. A request to reconcile may arrive after the worker has looked for one."""
        settler = self.settler
        if self.asked and notices:
            self.asked, settler.uncertain = False, True
        if settler.uncertain:
            settler.flush()
            settler.uncertain = False
            self._begin(self.store.do(self.driver.holdings(W)))
            return
        try:
            settled, _, messages = self.link.call(settler.reserve(count))
        except ServerUnavailable:
            settler.uncertain = True
            return
        settler.acks_sent(settled)
        self._begin(messages)

    def _begin(self, messages: list[bytes]) -> None:
        self.batch = [Message(raw) for raw in messages]
        self.succeeded = []
        ids = [one.id for one in self.batch]
        self.settler.is_ordered = len(set(ids)) == len(ids)

    @precondition(lambda self: self.batch)
    @rule(
        action=st.sampled_from([*[Action.ACK] * 5, Action.RETRY, Action.FAIL, Action.REQUEUE]),
        count=st.integers(1, 4),
        has_result=st.booleans(),
    )
    def run(self, action: Action, count: int, has_result: bool) -> None:
        for one in self.batch[:count]:
            if action is Action.ACK and has_result:
                self.settler.keep_ending(one.id, StoredEnding(b"result %d" % next(numbers), 60_000), one.raw, 0.0)
                self.succeeded.append(one.id)
                continue
            verdict = ACKED if action is Action.ACK else Verdict(action=action, message=one.changed(attempts=one.attempts + 1))
            self.settler.settle(one.id, verdict, one.raw)
            if action is Action.ACK:
                self.succeeded.append(one.id)
        del self.batch[:count]

    @rule()
    def flush(self) -> None:
        self.settler.flush()

    @precondition(lambda self: self.batch)
    @rule()
    def release(self) -> None:
        """The worker, or its supervisor, releases what has not started."""
        self.store.do(self.driver.requeue(W, "front", [one.id for one in self.batch]))
        self.batch = []

    # ---- faults

    @rule(loses=st.sampled_from(["request", "reply"]))
    def lose(self, loses: Loss) -> None:
        self.link.loses = loses

    @rule()
    def remember(self) -> None:
        self.older.append(self.store.reserved(W))

    @rule(number=st.integers(0, 5))
    def lose_writes(self, number: int) -> None:
        """A replica takes over that lacks the last writes: the connection breaks."""
        self._put(self.older[number % len(self.older)])
        self.link.loses = "request"

    @rule()
    def lose_data(self) -> None:
        """The server is emptied, without a broken connection; the worker puts back what it has not started, as its loop does."""
        self._put([])
        if self.batch:
            self.settler.uncertain = True
            self.settler.put_back([one.raw for one in self.batch])

    def _put(self, messages: list[bytes]) -> None:
        self.store.client.delete(self.store.keys.reserved(W))
        if messages:
            self.store.client.rpush(self.store.keys.reserved(W), *messages)

    # ---- the supervisors

    @rule()
    def supervisor_settles(self) -> None:
        if self.succeeded:
            self.store.do(self.driver.ack(W, self.succeeded))

    @rule()
    def rescue(self) -> None:
        """The worker is declared lost, and registers again. It may notice that late."""
        self.store.do(self.driver.rescue(Rescue(W)))
        self.store.register(W)
        self.batch, self.asked = [], True

    @rule()
    def promote(self) -> None:
        self.store.do(self.driver.promote())

    # ---- the others

    @rule(count=st.integers(1, 6))
    def push(self, count: int) -> None:
        messages = [message() for _ in range(count)]
        self.store.push(*messages)
        self.copies += messages[:1]

    @precondition(lambda self: self.copies)
    @rule(number=st.integers(0, 3))
    def push_a_copy(self, number: int) -> None:
        self.store.push(self.copies[number % len(self.copies)])

    @rule(count=st.integers(1, 3))
    def other_reserves(self, count: int) -> None:
        self.store.do(self.driver.reserve(OTHER, count, []))

    @rule(where=st.sampled_from(["front", "back"]), first=st.integers(0, 2))
    def other_releases(self, where: Any, first: int) -> None:
        ids = [id_of(raw) for raw in self.store.reserved(OTHER)[first:]]
        self.store.do(self.driver.requeue(OTHER, where, ids))

    @rule(number=st.integers(0, 5))
    def cancel(self, number: int) -> None:
        if waiting := self.store.waiting:
            self.store.do(self.driver.withdraw(waiting[number % len(waiting)]))

    @rule()
    def reload(self) -> None:
        for raw in self.store.in_state(State.FAILED):
            self.store.do(self.driver.restore(State.FAILED, [(raw, Message(raw).changed(attempts=0))]))


class BusyWorker(SerialWorker):
    """The same, beginning with a batch of which two jobs have ended."""

    @initialize()
    def register(self) -> None:
        self.store.register(W)
        self.push(20)
        self.reserve(8, notices=False)
        self.run(Action.ACK, 2, has_result=True)

    @rule(count=st.integers(1, 3))
    def other_reserves(self, count: int) -> None:
        self.store.register(OTHER)
        self.store.do(self.driver.reserve(OTHER, count, []))
        self.store.do(self.driver.dismiss([OTHER.encode()]))  # this one gets its share of all that waits


def play(kind: type[SerialWorker], server: ServerProcess, prefix: str, *, examples: int) -> list[Checked]:
    """Let workers of this kind take random steps, and return their connections."""
    links: list[Checked] = []
    machine = type("Machine", (kind,), {"server": server, "prefix": prefix, "links": links})
    health = [HealthCheck.too_slow]
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=health)
    )
    return links


@pytest.mark.one_python
def test_equal_ends_leave_no_other_middle(server: ServerProcess, prefix: str) -> None:
    """Given a worker that settles in order, whatever happens to its list, then each command removes what it names, and nothing else."""
    links = play(BusyWorker, server, prefix, examples=25)
    assert any(link.compared_ends for link in links)
