"""The simulation finds bugs: each test breaks a rule of taskq on purpose, and the checks notice it

Each scenario passes with taskq as it is, so it is also the test of that rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from taskq.channel import State
from taskq.driver.contract import Command, StoredEnding
from taskq.driver.redis.driver import RedisDriver
from taskq.driver.redis.fence import Fence
from taskq.supervisor.services.cancels import Cancels
from taskq.supervisor.services.rescue import Rescuer
from taskq.tools.simulation.faults import Fault
from taskq.tools.simulation.hunt import hunt
from taskq.tools.simulation.run import Simulator
from taskq.tools.simulation.scenario import Act, Scenario
from taskq.wire.history import Record
from taskq.wire.message import Message, encode, make_body
from taskq.worker.execute import runner
from tests.simulation.scenarios import message, scenario

Break = Callable[[pytest.MonkeyPatch], None]


def leave_commands_on_their_way(patch: pytest.MonkeyPatch) -> None:
    """A link that has given a command up sends the next one while the first may still arrive."""
    patch.setattr(Fence, "_shut", staticmethod(lambda connection, old, listed: True))


def remember_cancels(patch: pytest.MonkeyPatch) -> None:
    """A cancel that arrives after a run is kept for the next run of the same message."""

    class Kept:
        def __get__(self, one: Any, owner: object) -> Any:
            return vars(one).setdefault("kept", {})

        def __set__(self, one: Any, value: dict[bytes, str]) -> None:
            vars(one)["kept"] = value or self.__get__(one, None)

    patch.setattr(runner.Runner, "cancelled", Kept(), raising=False)


def read_one_page(patch: pytest.MonkeyPatch) -> None:
    """The rescue never reads more than the first hundred workers."""
    original = RedisDriver.heartbeats
    patch.setattr(RedisDriver, "heartbeats", lambda self, skip, count, age_ms: original(self, 0, count, age_ms))


def trust_the_servers_clock(patch: pytest.MonkeyPatch) -> None:
    """A worker is lost when the server's clock says that its last heartbeat is a lease old."""

    def check(self: Any, page: Sequence[bytes], began: float, seen: float) -> int:
        seconds, _ = self._channel.ask(self._channel.driver.time())
        for entry, value in zip(page[::2], page[1::2], strict=True):
            worker = entry.decode()
            if float(value) <= (int(seconds) - self._patience(worker)) * 1000:
                self._rescue(worker, value)
        return 0

    patch.setattr(Rescuer, "_check", check)


def keep_no_message(patch: pytest.MonkeyPatch) -> None:
    """A job that has failed permanently is dropped instead of stored."""

    def fail(
        self: RedisDriver, worker: str, state: State, message_id: bytes, message: bytes, ending: StoredEnding | None = None
    ) -> Command:
        return self.ack(worker, [message_id])

    patch.setattr(RedisDriver, "fail", fail)


def retry_without_fence(patch: pytest.MonkeyPatch) -> None:
    """A retry stores the message without taking it from the reserved list."""
    patch.setattr(RedisDriver, "retry", lambda self, worker, identity, delay_ms, raw: self.push_later([raw], delay_ms=delay_ms))


def store_no_result(patch: pytest.MonkeyPatch) -> None:
    """A finished message is removed without its result."""
    patch.setattr(RedisDriver, "finish", lambda self, worker, identity, ending: self.ack(worker, [identity]))
    patch.setattr(RedisDriver, "_results", lambda self, ids, endings: ([], list(ids)))


def count_two_attempts(patch: pytest.MonkeyPatch) -> None:
    """A failed run counts two attempts."""
    original = runner.with_record
    patch.setattr(runner, "with_record", lambda raw, record, *, attempts, **more: original(raw, record, attempts=attempts + 1, **more))


def drop_the_options(patch: pytest.MonkeyPatch) -> None:
    """A failed run stores the message with its call only."""
    original = runner.with_record

    def with_record(message: Message, record: Record, **more: Any) -> bytes:
        body = message.body()
        return original(Message(encode(message.id, make_body(body.job, body.arguments))), record, **more)

    patch.setattr(runner, "with_record", with_record)


def interrupt_no_job(patch: pytest.MonkeyPatch) -> None:
    """A cancel request reaches no running job."""
    patch.setattr(Cancels, "_notify", lambda self, child, running, request, now: None)


def fail_in_a_service(patch: pytest.MonkeyPatch) -> None:
    """A service raises. The supervisor logs that and continues."""
    patch.setattr(Cancels, "tick", lambda self, now: 1 // 0)


#: What is broken, the rule that notices it, and a scenario that shows it.
CASES: list[tuple[Break, str, Callable[[int], Scenario]]] = [
    (
        remember_cancels,
        "nothing lost",
        lambda seed: scenario(
            seed,
            message(0, (1.0, "raise"), (0.0, "ok"), on_fail=2.0),
            acts=[Act("cancel", 0, 0.5, 1), Act("reload", 0, 0.0)],
            faults=[Fault("hold-reply", "HGETALL", 2, 0.7)],
            max_attempts=1,
        ),
    ),
    (
        leave_commands_on_their_way,
        "one holder",
        lambda seed: scenario(seed, message(0, (0.0, "requeue"), (20.0, "ok")), faults=[Fault("hold", "requeue", 1, 8.0)]),
    ),
    (
        leave_commands_on_their_way,
        "one holder",
        lambda seed: scenario(seed, message(0, (0.0, "raise"), (20.0, "ok")), faults=[Fault("hold", "retry", 1, 8.0)]),
    ),
    (
        read_one_page,
        "nothing stranded",
        lambda seed: scenario(seed, message(0, (1.0, "ok")), faults=[Fault("kill-machine", "run", 1, 0.0, 0.5)], lost_workers=120),
    ),
    (
        trust_the_servers_clock,
        "one holder",
        lambda seed: scenario(
            seed, message(0, (20.0, "ok")), message(1, (20.0, "ok")), hosts=2, faults=[Fault("clock", "run", 1, 60.0, 0.5)], quiet=20.0
        ),
    ),
    (
        trust_the_servers_clock,
        "nothing stranded",
        lambda seed: scenario(
            seed, message(0, (20.0, "ok")), faults=[Fault("clock", "run", 1, -3600.0, 0.5), Fault("kill-machine", "run", 1, 0.0, 0.505)]
        ),
    ),
    (keep_no_message, "nothing lost", lambda seed: scenario(seed, message(0, (0.0, "raise")), max_attempts=1)),
    (retry_without_fence, "one place", lambda seed: scenario(seed, message(0, (0.0, "raise"), (0.0, "ok")))),
    (store_no_result, "result stored", lambda seed: scenario(seed, message(0, (0.0, "ok"), result_ttl=60.0))),
    (count_two_attempts, "attempts explained", lambda seed: scenario(seed, message(0, (0.0, "raise"), (0.0, "ok")))),
    (drop_the_options, "headers kept", lambda seed: scenario(seed, message(0, (0.0, "raise"), (0.0, "ok")))),
    (fail_in_a_service, "no crash", lambda seed: scenario(seed, message(0, (0.0, "ok")))),
    (interrupt_no_job, "cancelled", lambda seed: scenario(seed, message(0, (60.0, "ok")), acts=[Act("cancel", 0, 1.0, 1)])),
]
NAMES = [
    *(
        "stale cancel",
        "late requeue",
        "late retry",
        "a hundred lost workers",
        "clock set forward",
        "clock set back",
        "dropped failure",
        "no fence",
    ),
    *("no result", "two attempts", "headers dropped", "an error in a service", "cancel without effect"),
]


@pytest.mark.parametrize(("break_it", "rule", "make"), CASES, ids=NAMES)
def test_a_broken_rule_is_found(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, break_it: Break, rule: str, make: Callable[[int], Scenario]
) -> None:
    """Given a scenario, when its rule is broken in taskq's code, then a seed notices it; before that, none of five does."""
    assert [simulator.run(make(seed)).failure for seed in range(5)] == [None] * 5
    break_it(monkeypatch)
    # Most break at once; for a step of the clock, two services must run before the next heartbeat, which one seed in five does.
    outcomes = (simulator.run(make(seed)).failure for seed in range(50))
    assert rule in (failure.check for failure in outcomes if failure is not None)


def test_chance_finds_a_broken_rule(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given code that loses what has failed permanently, when the seeds are run, then one finds it, and prints a smaller scenario."""
    keep_no_message(monkeypatch)
    report = hunt(simulator, 0, 100)
    assert report.found is not None
    assert report.found.check == "nothing lost"
    assert len([line for line in report.found.scenario if line.startswith("message")]) == 1
    assert not [line for line in report.found.scenario if line.startswith("fault")]
    assert any("starts message" in line for line in report.found.history)
