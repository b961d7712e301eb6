"""What follows from a run: by what the job returned or raised, and by its policy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from taskq import Drop, JobTimeout, Outcome, Requeue, Retry
from taskq.channel import State
from taskq.errors import JobControl
from taskq.wire.history import pack_record, record_of, records
from taskq.wire.message import Message
from taskq.worker.execute.verdict import ACKED, Action
from tests.worker.stage import FakeExecutor, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize("result", [None, 0, "done", object(), ValueError, "retry", [Outcome.RETRY]])
def test_any_value_is_an_ack(stage: Stage, result: Any) -> None:
    """Given a job that returns anything but an Outcome, then it is done."""
    assert stage.run(result) is ACKED


@pytest.mark.parametrize(
    ("result", "action", "delay_ms"),
    [
        (Outcome.ACK, Action.ACK, 0),
        (Outcome.DROP, Action.ACK, 0),
        (Outcome.REQUEUE, Action.REQUEUE, 0),
        (Outcome.RETRY, Action.RETRY, 5000),
        (Drop("late"), Action.ACK, 0),
        (Requeue(), Action.REQUEUE, 0),
        (Requeue("wait", delay=0.25), Action.REQUEUE, 250),
        (Retry(), Action.RETRY, 5000),
        (Retry("wait", delay=0.5), Action.RETRY, 500),
        (Retry(delay=0), Action.RETRY, 0),
        (ValueError("no"), Action.RETRY, 5000),
        (SystemExit(3), Action.RETRY, 5000),
        (KeyboardInterrupt(), Action.RETRY, 5000),
        (GeneratorExit(), Action.RETRY, 5000),
        (JobTimeout("slow"), Action.RETRY, 5000),
        (Requeue(delay=-1), Action.RETRY, 5000),
        (Retry(delay=float("nan")), Action.RETRY, 5000),
    ],
    ids=repr,
)
def test_the_first_of_three_runs(stage: Stage, result: Any, action: Action, delay_ms: int) -> None:
    """Given a job in its first attempt, then what it returned or raised decides the move and the delay; on_fail isn't called."""
    verdict = stage.run(result)
    assert (verdict.action, verdict.delay_ms) == (action, delay_ms)
    if verdict.announce is not None:
        verdict.announce()
    assert stage.failures == []
    if action is Action.RETRY:
        new = Message(verdict.message)
        assert new.attempts == 1
        (record,) = records(new.history_bytes())
        assert (record.attempt, record.worker) == (1, "w1")
        assert record.kind == ("timeout" if isinstance(result, JobTimeout) else "failed")


@pytest.mark.parametrize(
    ("result", "state", "error"),
    [
        (ValueError("no"), State.FAILED, "ValueError: no"),
        (Outcome.RETRY, State.FAILED, "Retry: the job returned Outcome.RETRY"),
        (Retry("busy", delay=1), State.FAILED, "Retry: busy"),
        (SystemExit(3), State.FAILED, "SystemExit: 3"),
        (JobTimeout("slow"), State.TIMEOUT, "JobTimeout: slow"),
    ],
    ids=repr,
)
def test_the_last_run(stage: Stage, result: Any, state: State, error: str) -> None:
    """Given a job in its last attempt, if it fails, then it goes to failed or timeout with the error, and on_fail gets the exception."""
    past = pack_record(record_of("failed", "w0", 1, "ValueError: before"))
    verdict = stage.run(result, attempts=2, history=past)
    assert (verdict.action, verdict.state) == (Action.FAIL, state)
    new = Message(verdict.message)
    assert new.attempts == 3
    assert [(record.attempt, record.error) for record in records(new.history_bytes())] == [(1, "ValueError: before"), (3, error)]
    assert verdict.announce is not None
    assert stage.failures == []
    verdict.announce()
    (latest,) = stage.executor.calls[1][1]
    assert f"{type(latest).__name__}: {latest}" == error
    assert (stage.executor.seen[1].attempt, stage.executor.seen[1].max_attempts) == (3, 3)


@pytest.mark.parametrize("result", [Outcome.REQUEUE, Requeue(), Outcome.DROP, Drop(), None])
def test_the_last_run_may_end_well(stage: Stage, result: Any) -> None:
    """Given a job in its last attempt that doesn't fail, then its message is done, or runs again without using an attempt."""
    verdict = stage.run(result, attempts=2)
    assert verdict.action in (Action.ACK, Action.REQUEUE)
    assert stage.failures == []


@pytest.mark.parametrize(
    ("options", "error", "action"),
    [
        ({"give_up_on": KeyError}, KeyError("x"), Action.FAIL),
        ({"give_up_on": KeyError}, ValueError("x"), Action.RETRY),
        ({"retry_on": OSError}, OSError("x"), Action.RETRY),
        ({"retry_on": OSError}, ValueError("x"), Action.FAIL),
        ({"retry_on": OSError}, JobTimeout("x"), Action.FAIL),
        ({"retry_on": OSError}, Retry("x"), Action.RETRY),
        ({"retry_on": OSError}, Outcome.RETRY, Action.RETRY),
        ({"give_up_on": BaseException}, Retry("x"), Action.RETRY),
        ({"max_attempts": 1}, ValueError("x"), Action.FAIL),
    ],
)
def test_exceptions_decide_but_a_wish_to_retry_is_granted(options: dict[str, Any], error: Any, action: Action) -> None:
    """Given retry_on or give_up_on, then the exception decides about another run; a job that raises Retry gets one."""
    assert Stage(**options).run(error).action is action


def test_a_list_of_intervals_is_followed() -> None:
    """Given retry_seconds = [1, 2], then each failed attempt has a separate delay."""
    stage = Stage(retry_seconds=[1, 2], max_attempts=5)
    assert [stage.run(ValueError(), attempts=attempts).delay_ms for attempts in range(4)] == [1000, 2000, 2000, 2000]


class _Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("reason", ["fine", "a\udcff", 404, ValueError("an exception"), {"a"}, _Unspeakable(), "x" * 10_000_000])
def test_a_drop_may_give_any_reason(reason: Any) -> None:
    """Given a job that drops its message with any object as the reason, and stores its result, then the reason can be stored."""
    verdict = Stage(result_ttl=60).run(Drop(reason))
    assert verdict.action is Action.ACK
    assert verdict.ending is not None
    assert len(verdict.ending.data) < 10_000


@pytest.mark.parametrize(
    ("control", "action", "delay_ms"),
    [(Retry("busy", delay=30), Action.RETRY, 30_000), (Requeue("closed", delay=60), Action.REQUEUE, 60_000), (Drop("old"), Action.ACK, 0)],
)
@pytest.mark.parametrize("options", [{}, {"result_ttl": 60}], ids=["not kept", "kept"])
def test_a_returned_control_has_the_effect_of_a_raised_one(
    monkeypatch: pytest.MonkeyPatch, control: JobControl, action: Action, delay_ms: int, options: dict[str, Any]
) -> None:
    """Given a job that returns Retry, Requeue or Drop instead of raising it, then the effect is the same."""
    monkeypatch.setattr(FakeExecutor, "execute", lambda *_: control)
    verdict = Stage(**options).run()
    assert verdict is not ACKED
    assert (verdict.action, verdict.delay_ms) == (action, delay_ms)


async def _later() -> AsyncIterator[int]:
    yield 1


async def _forgotten() -> None: ...


@pytest.mark.parametrize("make", [lambda: (n for n in [1]), _later, _forgotten], ids=["sync", "async", "coroutine"])
@pytest.mark.parametrize("options", [{}, {"result_ttl": 60}], ids=["not kept", "kept"])
def test_a_returned_generator_fails_permanently(make: Callable[[], Any], options: dict[str, Any]) -> None:
    """Given a plain job that returns a generator or a coroutine, then it fails permanently in its first attempt: their code has not run."""
    verdict = Stage(**options).run(make())
    assert (verdict.action, verdict.state) == (Action.FAIL, State.FAILED)
    (record,) = records(Message(verdict.message).history_bytes())
    kind = "coroutine" if make is _forgotten else "generator"
    assert f"returned a {kind}, whose code has not run" in record.error
