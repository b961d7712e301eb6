"""Stored results: decided with the verdict, and only if the message has a result_ttl."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from taskq import Drop, Outcome, Retry
from taskq.channel import State
from taskq.errors import ResultError, SignatureError
from taskq.wire.codec import check_serializer
from taskq.wire.ending import Ending, read_ending, value_of
from taskq.wire.history import pack_record, record_of
from taskq.wire.signing import result_signer
from taskq.worker.execute.results import CannotStore, ResultPacker
from taskq.worker.execute.runner import Runner
from taskq.worker.execute.verdict import ACKED, Action, Verdict
from tests.worker.conftest import Bench
from tests.worker.stage import FakeExecutor, FakeWatcher, Stage


@pytest.fixture
def stage() -> Stage:
    """A job that keeps its results for a minute."""
    return Stage(result_ttl=60)


def _stored(verdict: Verdict) -> Ending:
    assert verdict.ending is not None
    assert verdict.ending.ttl_ms == 60_000
    return read_ending(verdict.ending.data, b"", None)


def test_a_job_that_keeps_none_stays_on_the_fast_path() -> None:
    """Given a job without result_ttl, then its verdict is the plain one for any return value, and a failure stores nothing either."""
    stage = Stage()
    assert stage.run(5) is ACKED
    assert stage.run(ValueError(), attempts=2).ending is None


@pytest.mark.parametrize(("value", "expected"), [(5, 5), (None, None), ({"a": [1]}, {"a": [1]}), (Outcome.ACK, None)])
def test_the_return_value_of_a_job_is_stored(stage: Stage, value: Any, expected: Any) -> None:
    """Given a job that returns something, nothing, or ACK, then that is kept with its attempt and worker."""
    verdict = stage.run(value, attempts=1)
    ending = _stored(verdict)
    assert verdict.action is Action.ACK
    assert (ending.kind, ending.attempt, ending.by) == ("done", 2, "w1")
    assert value_of(ending, "1") == expected


@pytest.mark.parametrize("result", [Outcome.DROP, Drop("old")])
def test_a_dropped_message_stores_its_reason(stage: Stage, result: Any) -> None:
    """Given a job that drops its message, then that is kept."""
    assert _stored(stage.run(result)).kind == "dropped"


@pytest.mark.parametrize("result", [ValueError("no"), Retry("later"), Outcome.RETRY, Outcome.REQUEUE])
def test_while_another_run_follows_nothing_is_stored(stage: Stage, result: Any) -> None:
    """Given a run that isn't the last, then callers keep waiting."""
    assert stage.run(result).ending is None


def test_the_last_failure_is_stored(stage: Stage) -> None:
    """Given the last attempt, when it fails, then its error and traceback are kept."""
    ending = _stored(stage.run(ValueError("no"), attempts=2))
    assert (ending.kind, ending.attempt, ending.error) == ("failed", 3, "ValueError: no")
    assert "Traceback" in ending.traceback


def test_a_last_attempt_that_the_supervisor_counted_is_stored(stage: Stage) -> None:
    """Given a message whose last run was killed at its limit, when it is settled without a run, then that is what is kept."""
    past = pack_record(record_of("timeout", "w0", 3, "killed at its limit"))
    verdict = stage.run(attempts=3, history=past)
    assert (verdict.state, _stored(verdict).kind, _stored(verdict).error) == (State.TIMEOUT, "timeout", "killed at its limit")
    assert stage.executor.calls == []


def test_arguments_that_can_t_be_read_are_a_failure_for_the_caller(stage: Stage) -> None:
    """Given a message whose arguments no longer fit the function, then callers that wait for it get the error."""
    other = stage.bench.queue.job(name="other", result_ttl=60)(lambda x, y: None)
    packed = stage.bench.pack(other.bind(1, 2))
    other.signature = stage.job.signature
    assert "ArgumentsError" in _stored(stage.runner.run(packed, 100.0, 1234)).error


class Unwritable:
    """Its pickling fails in the way the test requires."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        raise self.error


@pytest.mark.parametrize("value", [Unwritable(ValueError("x")), Unwritable(KeyboardInterrupt()), threading.Lock()])
def test_a_value_that_can_t_be_stored_fails_permanently_at_once(stage: Stage, value: Any) -> None:
    """Given a value that can't be pickled then the message fails in its first attempt: what the job did is done."""
    verdict = stage.run(value)
    assert (verdict.action, verdict.state) == (Action.FAIL, State.FAILED)
    assert _stored(verdict).error.startswith("CannotStore: the job returned")


class Refund(Exception):
    """An exception that can be pickled, and not unpickled: pickle calls the class with `args`, here one text."""

    def __init__(self, order: int, reason: str) -> None:
        super().__init__(f"order {order}: {reason}")


def test_an_exception_that_can_t_be_unpickled_is_text_when_raised_and_refused_when_returned(stage: Stage) -> None:
    """Given such an exception, if the job raises it, then its text is stored; if it returns it, then only the reader gets an error."""
    assert _stored(stage.run(Refund(5, "late"), attempts=2)).error == "Refund: order 5: late"
    packer = ResultPacker(None, 10_000)
    with pytest.raises(ResultError, match=r"TypeError: .*missing 1 required .*'reason'"):
        value_of(packer.done(check_serializer("pickle"), Refund(5, "late"), 1, "w1"), "1")


def test_a_data_only_job_keeps_data_only() -> None:
    """Given a JSON job, then its result is JSON, and what JSON can't hold is a failure."""
    stage = Stage(result_ttl=60, serializer="json")
    assert _stored(stage.run({"a": 1})).value == b'{"a":1}'
    assert stage.run({1, 2}).action is Action.FAIL


def test_a_signed_queue_signs_its_results() -> None:
    """Given a secret, then what is kept can be read with it, and is refused with another."""
    bench = Bench(secret="s1")
    job = bench.queue.job(name="work", result_ttl=60)(lambda: 5)
    executor = FakeExecutor()
    executor.result = 5
    message = bench.pack(job.bind())
    verdict = Runner(bench.unpacker(), executor, FakeWatcher(), "w1", 3).run(message, 100.0, 1234)
    assert verdict.ending is not None
    assert value_of(read_ending(verdict.ending.data, message.id, result_signer(bench.queue.settings, "queue")), "1") == 5
    with pytest.raises(SignatureError):
        read_ending(verdict.ending.data, message.id, result_signer(Bench(secret="s2").queue.settings, "queue"))


def test_a_result_over_the_limit_can_t_be_stored() -> None:
    """Given a limit, then a value with more bytes is refused with both numbers."""
    with pytest.raises(CannotStore, match=r"102 bytes, over max_message_size = 100"):
        ResultPacker(None, 100).value(check_serializer("json"), "x" * 100)


def test_a_result_that_would_arrive_changed_can_t_be_stored() -> None:
    """Given a job with the serializer json, then a result that its caller would get as another type is refused, at any depth."""
    for value in (State.FAILED, {"n": [Counter("a")]}):
        with pytest.raises(CannotStore, match="would be restored as"):
            ResultPacker(None, 10_000).value(check_serializer("json"), value)


def test_code_that_another_python_returned_is_never_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a result that holds code of another minor version, then it is refused before it is unpickled: that could crash."""
    with monkeypatch.context() as patched:
        patched.setattr("taskq.wire.codec.PYTHON", "3.99")
        ending = ResultPacker(None, 10_000).done(check_serializer("pickle"), lambda: 5, 1, "w1")
    with pytest.raises(ResultError, match=r"returned by Python 3\.99 as code"):
        value_of(ending, "1")
    assert value_of(ResultPacker(None, 10_000).done(check_serializer("pickle"), lambda: 5, 1, "w1"), "1")() == 5
