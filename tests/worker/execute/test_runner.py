"""One message in a worker: what the supervisor sees, when it isn't run, and which listeners are called."""

from __future__ import annotations

import asyncio
import bdb
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest

from taskq import Drop, JobCancelled, JobTimeout, Outcome, Requeue, Retry, context, events
from taskq.channel import State
from taskq.logs import JsonFormatter, TextFormatter
from taskq.wire.ending import read_ending
from taskq.wire.history import pack_record, record_of, records
from taskq.wire.message import Message, encode, make_body, new_id, removal_mark, wrap_foreign
from taskq.worker.execute.async_runner import AsyncRunner
from taskq.worker.execute.raised import NoDebugger
from taskq.worker.execute.runner import AttemptsExhausted
from taskq.worker.execute.verdict import ACKED, Action, Verdict
from taskq.worker.process.debugger import replace_breakpoint
from tests.worker.conftest import Bench
from tests.worker.stage import MAX_CRASHES, FakeExecutor, FakeWatcher, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def emitted() -> Any:
    """The events that listeners received, as (event, attempt, error, delay)."""
    described: list[tuple[str, int, str | None, float | None]] = []
    names = ("before", "after", "retry", "failed", "timeout", "dropped", "requeued", "cancelled", "parked")

    def listener(name: str) -> Callable[[events.JobEvent], None]:
        return lambda event: described.append(
            (name, event.context.attempt, type(event.error).__name__ if event.error else None, event.delay)
        )

    listeners = [(getattr(events, name), listener(name)) for name in names]
    for signal, receiver in listeners:
        signal.connect(receiver)
    yield described
    for signal, receiver in listeners:
        signal.disconnect(receiver)


# ---- a cancel that comes before the call


def test_a_job_that_was_cancelled_just_before_its_call_is_not_called(stage: Stage) -> None:
    """Given a message that is cancelled while the listeners of `before` run, then its job isn't called, and the requester is known."""
    message = stage.message()

    def cancel(event: events.JobEvent) -> None:
        stage.runner.cancelled = {message.id: "ops"}

    events.before.connect(cancel)
    try:
        verdict = stage.runner.run(message, 100.0, 1234)
    finally:
        events.before.disconnect(cancel)
    assert stage.executor.calls == []
    assert verdict.action is Action.ACK
    assert verdict.ending is not None
    ending = read_ending(verdict.ending.data, message.id, None)
    assert (ending.kind, ending.by) == ("cancelled", "ops")


def test_a_cancel_of_another_message_changes_nothing(stage: Stage) -> None:
    """Given that another message was cancelled before, then a job runs."""
    stage.runner.cancelled = {b"x" * 16: "ops"}
    assert stage.run() is ACKED
    assert len(stage.executor.calls) == 1


def test_one_that_is_cancelled_on_its_way_into_the_executor_is_not_called(bench: Bench) -> None:
    """Given a job for a thread, or for the event loop, if it is cancelled after the last check before its call, then it isn't called."""
    calls: list[str] = []
    job = bench.queue.job(name="work", result_ttl=60)(lambda: calls.append("sync"))

    async def work() -> None:
        calls.append("async")

    ajob = bench.queue.job(name="awork", result_ttl=60)(work)

    class Late(FakeExecutor):
        def execute(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
            runner.cancelled = {message.id: "ops"}
            return function(*args, **kwargs)

    runner = AsyncRunner(bench.unpacker(), Late(), FakeWatcher(), "w1", MAX_CRASHES)
    message = bench.pack(job.bind())
    verdict = runner.run(message, 100.0, 1234)
    assert verdict.ending is not None
    assert read_ending(verdict.ending.data, message.id, None).by == "ops"
    message = bench.pack(ajob.bind())
    runner.cancelled = {message.id: "ops"}
    verdict = asyncio.run(runner.arun(message, 100.0, 1234))
    assert verdict.ending is not None
    assert read_ending(verdict.ending.data, message.id, None).by == "ops"
    assert calls == []


# ---- what the supervisor sees


def test_the_supervisor_knows_the_job_before_it_runs(stage: Stage) -> None:
    """Given a job without a limit, then its name and start are written once, without a deadline."""
    stage.run()
    assert stage.watcher.described == [("work", 1234, 0.0, -1)]


def test_the_deadline_begins_and_ends_with_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a limit of 2 s, then the deadline counts from the call, not from the claim, and is removed when the job has ended."""
    monkeypatch.setattr("taskq.worker.execute.runner.monotonic", lambda: 150.0)
    stage = Stage(handle_timeout=2)
    stage.run()
    assert stage.watcher.described == [("work", 1234, 152.0, 5000), ("work", 1234, 0.0, -1)]
    assert stage.executor.calls[0][3] == 2.0


@pytest.mark.parametrize(
    ("options", "attempts", "retry_ms"),
    [({}, 0, 5000), ({}, 2, -1), ({"retry_on": OSError}, 0, -1), ({"give_up_on": JobTimeout}, 0, -1), ({"retry_on": JobTimeout}, 0, 5000)],
)
def test_a_kill_at_the_limit_follows_the_policy(options: dict[str, Any], attempts: int, retry_ms: int) -> None:
    """Given a limit, then the supervisor knows what follows if it has to kill: the same as after JobTimeout."""
    stage = Stage(handle_timeout=2, **options)
    stage.run(attempts=attempts)
    assert stage.watcher.described[0][3] == retry_ms


def test_on_fail_has_a_deadline_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a limit and a job that fails permanently, then on_fail is called with the same limit, and the supervisor knows its deadline."""
    stage = Stage(handle_timeout=2, max_attempts=1)
    verdict = stage.run(ValueError("no"))
    monkeypatch.setattr("taskq.worker.execute.runner.monotonic", lambda: 300.0)
    assert verdict.announce is not None
    verdict.announce()
    job, _, deadline, retry_ms = stage.watcher.described[-1]
    assert (job, deadline, retry_ms) == ("work", 302.0, -1)
    assert stage.executor.calls[1][3] == 2.0


# ---- messages whose last run another process has counted


@pytest.mark.parametrize(
    ("kind", "head", "state", "error"),
    [
        ("timeout", {"attempts": 3}, State.TIMEOUT, JobTimeout),
        ("crashed", {"crashes": 4}, State.FAILED, AttemptsExhausted),
        ("lost", {"crashes": 4}, State.FAILED, AttemptsExhausted),
        ("timeout", {"attempts": 1, "crashes": 4}, State.FAILED, AttemptsExhausted),
        ("failed", {"attempts": 3}, State.FAILED, AttemptsExhausted),
    ],
)
def test_an_exhausted_message_is_settled_without_a_run(
    stage: Stage, kind: Any, head: dict[str, int], state: State, error: type[BaseException]
) -> None:
    """Given a message of which a kill or a crash was the last run, then it isn't run, its bytes stay, and on_fail gets the reason."""
    past = pack_record(record_of(kind, "w0", 0, "it was killed"))
    message = stage.message(history=past, **head)
    verdict = stage.runner.run(message, 100.0, 1234)
    assert (verdict.action, verdict.state, verdict.message) == (Action.FAIL, state, message.raw)
    assert stage.executor.calls == []
    assert verdict.announce is not None
    verdict.announce()
    ((_, (described,), _, _),) = stage.executor.calls
    assert type(described) is error
    assert str(described) == "it was killed"
    assert stage.executor.seen[0].attempt <= stage.executor.seen[0].max_attempts


def test_a_kill_that_the_policy_gives_up_on_is_the_last_run() -> None:
    """Given a job that isn't retried after JobTimeout, if it was killed at its limit with attempts left, then it isn't run again."""
    past = pack_record(record_of("timeout", "w0", 1, "it was killed"))
    for options, action in [({"retry_on": OSError}, Action.FAIL), ({"give_up_on": JobTimeout}, Action.FAIL), ({}, Action.ACK)]:
        verdict = Stage(**options).run(attempts=1, history=past)
        assert verdict.action is action
        assert verdict.state is (State.TIMEOUT if action is Action.FAIL else State.FAILED)
    reloaded = Stage(retry_on=OSError).run(attempts=0, history=past)
    assert reloaded.action is Action.ACK
    other = pack_record(record_of("failed", "w0", 1, "OSError"))
    assert Stage(retry_on=OSError).run(attempts=1, history=other).action is Action.ACK


def test_crashes_up_to_the_limit_are_run(stage: Stage) -> None:
    """Given a message with as many crashes as are allowed, then it runs once more."""
    assert stage.run(crashes=MAX_CRASHES) is ACKED
    assert len(stage.executor.calls) == 1


# ---- messages that never run


def test_an_unknown_job_is_parked(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Given a message of an unknown job, then it is parked with the reason, its attempts as they were. A long name makes no long log."""
    message = Message(encode(new_id(), make_body("elsewhere:job" * 10_000, b"")))
    verdict = stage.runner.run(Message(message.changed(attempts=1)), 1.0, 1)
    assert verdict.action is Action.PARK
    new = Message(verdict.message)
    (record,) = records(new.history_bytes())
    assert (record.kind, new.attempts) == ("parked", 1)
    assert "elsewhere:job" in record.error
    assert len(caplog.text) < 3_000


def test_a_newer_message_is_parked_untouched(stage: Stage) -> None:
    """Given a message of a newer version, then it is parked byte for byte."""
    raw = b"\x02" + stage.message().raw[1:] + b"more"
    verdict = stage.runner.run(Message(raw), 1.0, 1)
    assert (verdict.action, verdict.message) == (Action.PARK, raw)


def test_the_mark_of_a_removed_message_is_settled_without_a_run(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Given the mark that replaced a removed message in a long list, then it is acked: nothing runs, and nothing is logged."""
    assert stage.runner.run(Message(removal_mark(stage.message().raw)), 1.0, 1) is ACKED
    assert not caplog.text


@pytest.mark.parametrize("content", [b"garbage", json.dumps({"job": "work", "args": [1, 2, 3]}).encode()])
def test_what_can_not_be_read_fails_with_its_bytes(stage: Stage, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Given bytes that can't run, then they go to failed, whole, with the reason; on_fail isn't called: nothing is known of the job."""
    verdict = stage.runner.run(Message(wrap_foreign(content)), 1.0, 1)
    assert (verdict.action, verdict.state, verdict.announce) == (Action.FAIL, State.FAILED, None)
    assert Message(verdict.message).content() == content
    assert len(records(Message(verdict.message).history_bytes())) == 1
    assert "moved to failed: " in caplog.text


class _Exits:
    def __reduce__(self) -> Any:
        return exit, (3,)


def test_unpickling_that_exits_is_a_failure(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Given an argument whose unpickling calls exit(), then the message goes to failed, and the log has the exception."""
    message = stage.bench.pack(stage.job.bind(_Exits()))
    verdict = stage.runner.run(message, 1.0, 1)
    assert verdict.action is Action.FAIL
    assert "SystemExit" in records(Message(verdict.message).history_bytes())[0].error
    (record,) = caplog.records
    assert record.exc_info
    assert repr(record.exc_info[1]) == "SystemExit(3)"
    assert record.getMessage().endswith(" moved to failed: SystemExit: 3")


# ---- groups of exceptions


def _group(*errors: BaseException) -> BaseException:
    """Return what two nested task groups raise."""
    return BaseExceptionGroup("unhandled errors in a TaskGroup", [BaseExceptionGroup("unhandled errors in a TaskGroup", list(errors))])


@pytest.mark.parametrize(
    ("errors", "action", "delay_ms"),
    [
        ((Retry("busy", delay=60),), Action.RETRY, 60_000),
        ((Retry(delay=60), ValueError(), Retry(delay=90)), Action.RETRY, 90_000),
        ((Requeue(delay=7), Requeue(delay=8), Drop()), Action.REQUEUE, 8_000),
        ((Drop("gone"),), Action.ACK, 0),
        ((JobCancelled(), Drop("gone")), Action.ACK, 0),
        ((Drop("gone"), ValueError()), Action.RETRY, 5_000),
        ((Requeue(delay=-1), Requeue()), Action.RETRY, 5_000),
        ((PermissionError(), Retry()), Action.FAIL, 0),
    ],
    ids=str,
)
def test_the_most_serious_error_of_a_group_decides(errors: tuple[BaseException, ...], action: Action, delay_ms: int) -> None:
    """Given a job with a task group, then what its tasks raise counts as if the job had raised it; the most serious error decides."""
    verdict = Stage(give_up_on=PermissionError).run(_group(*errors))
    assert (verdict.action, verdict.delay_ms) == (action, delay_ms)


def test_what_a_task_of_a_coroutine_job_raises_counts(bench: Bench) -> None:
    """Given a coroutine job with a real task group, with or without others beside it, then `Retry` in a task retries the job."""

    async def busy() -> None:
        raise Retry("busy", delay=60)

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(10))
            tasks.create_task(busy())

    job = bench.queue.job(name="work")(work)
    alone = AsyncRunner(bench.unpacker(), FakeExecutor(), FakeWatcher(), "w1", MAX_CRASHES)
    verdict = asyncio.run(alone.arun(bench.pack(job.bind()), 100.0, 1234))
    assert (verdict.action, verdict.delay_ms) == (Action.RETRY, 60_000)
    assert [record.error for record in records(Message(verdict.message).history_bytes())] == ["Retry: busy"]


def test_a_cancel_inside_a_group_is_a_cancel(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Given a task group in which JobCancelled was raised, then the job counts as cancelled."""
    assert stage.run(_group(JobCancelled())).action is Action.ACK
    assert "was cancelled by the job itself" in caplog.text


def test_a_limit_inside_a_group_is_a_timeout(stage: Stage, emitted: list[Any]) -> None:
    """Given a sync job whose limit struck in a task group of its own loop, then the message goes to timeout, and listeners learn that."""
    verdict = stage.run(_group(JobTimeout("late")), attempts=2)
    assert (verdict.action, verdict.state) == (Action.FAIL, State.TIMEOUT)
    assert verdict.announce is not None
    verdict.announce()
    assert [event for event, *_ in emitted] == ["before", "timeout", "failed"]


# ---- debuggers


def test_a_job_that_calls_a_debugger_fails_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a job with `breakpoint()` or pdb, alone or in a task group, then it isn't retried, and the error names the ways to debug it."""
    monkeypatch.delenv("PYTHONBREAKPOINT", raising=False)
    monkeypatch.setattr(sys, "breakpointhook", sys.__breakpointhook__)
    replace_breakpoint()
    with pytest.raises(NoDebugger) as caught:
        breakpoint()
    for error in (caught.value, bdb.BdbQuit(), ExceptionGroup("", [bdb.BdbQuit()])):
        verdict = stage.run(error)
        assert verdict.action is Action.FAIL
        (record,) = records(Message(verdict.message).history_bytes())
        assert record.error.startswith("NoDebugger: a worker process has no terminal for a debugger: call the job's function")


def test_a_chosen_debugger_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given PYTHONBREAKPOINT, or a debugger that has set its own hook, then `breakpoint()` in a job does what they say."""
    monkeypatch.setattr(sys, "breakpointhook", sys.__breakpointhook__)
    replace_breakpoint()
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    assert breakpoint() is None  # type: ignore[func-returns-value]
    monkeypatch.setenv("PYTHONBREAKPOINT", "builtins.len")
    assert breakpoint("abc") == 3  # type: ignore[func-returns-value]
    monkeypatch.setattr(sys, "breakpointhook", print)
    replace_breakpoint()
    assert sys.breakpointhook is print


# ---- who is told


def test_events_of_a_run(stage: Stage, emitted: list[Any]) -> None:
    """Given runs of every kind, then listeners are called before each run, and with its outcome once it is settled."""
    runs: list[tuple[Any, dict[str, Any]]] = [
        *(
            (result, {})
            for result in (None, Drop(), Outcome.DROP, Requeue(delay=7), Outcome.REQUEUE, JobCancelled(), Retry(delay=8), ValueError())
        ),
        (ValueError(), {"attempts": 2}),
        (JobTimeout(), {"attempts": 2}),
    ]
    for result, head in runs:
        verdict = stage.run(result, **head)
        assert verdict.announce is not None
        verdict.announce()
    assert emitted == [
        ("before", 1, None, None),
        ("after", 1, None, None),
        ("before", 1, None, None),
        ("dropped", 1, None, None),
        ("before", 1, None, None),
        ("dropped", 1, None, None),
        ("before", 1, None, None),
        ("requeued", 1, None, 7.0),
        ("before", 1, None, None),
        ("requeued", 1, None, 0.0),
        ("before", 1, None, None),
        ("cancelled", 1, None, None),
        ("before", 1, None, None),
        ("retry", 1, "Retry", 8.0),
        ("before", 1, None, None),
        ("retry", 1, "ValueError", 5.0),
        ("before", 3, None, None),
        ("failed", 3, "ValueError", None),
        ("before", 3, None, None),
        ("timeout", 3, "JobTimeout", None),
        ("failed", 3, "JobTimeout", None),
    ]


def test_a_coroutine_that_is_interrupted_at_stop_timeout_is_requeued(bench: Bench, emitted: list[Any]) -> None:
    """Given an async job that is cancelled because the worker must end, then its message is released, and listeners get `requeued`."""

    async def wait() -> None:
        await asyncio.sleep(600)

    message = bench.pack(bench.queue.job(name="wait")(wait).bind())
    runner = AsyncRunner(bench.unpacker(), FakeExecutor(), FakeWatcher(), "w1", MAX_CRASHES)

    async def scene() -> Verdict:
        task = asyncio.ensure_future(runner.arun(message, 0.0, 1234))
        await asyncio.sleep(0)
        runner.must_end = True
        task.cancel()
        return await task

    verdict = asyncio.run(scene())
    assert verdict.action is Action.RELEASE
    assert verdict.announce is not None
    verdict.announce()
    assert emitted == [("before", 1, None, None), ("requeued", 1, None, None)]


def test_messages_that_are_not_run_have_an_event(stage: Stage) -> None:
    """Given a message of an unknown job, and one whose arguments don't fit, then listeners get `parked` and `failed`, and no run."""
    got: list[events.JobEvent] = []
    listener = got.append
    events.parked.connect(listener)
    events.failed.connect(listener)
    try:
        body = make_body("other:job", b"", 0, {"label": "other:label", "headers": ["tenant", "acme"]})
        misfit = wrap_foreign(json.dumps({"job": "work", "args": [1, 2, 3]}).encode())
        for raw in (encode(new_id(), body), misfit, wrap_foreign(b"garbage")):
            verdict = stage.runner.run(Message(raw), 100.0, 1234)
            assert verdict.announce is not None
            verdict.announce()
    finally:
        events.parked.disconnect(listener)
        events.failed.disconnect(listener)
    assert [(event.context.job, event.ran) for event in got] == [("other:label", False), ("work", False), ("", False)]
    assert dict(got[0].context.headers) == {"tenant": "acme"}
    assert got[0].reason.startswith("unknown job 'other:job'")
    assert [type(event.error).__name__ for event in got] == ["UnknownHere", "ArgumentsError", "MalformedMessage"]


def test_a_kill_at_the_limit_is_a_timeout_for_listeners(stage: Stage, emitted: list[Any]) -> None:
    """Given a message whose last run was killed at its limit, then listeners get the timeout and the failure."""
    past = pack_record(record_of("timeout", "w0", 0, "killed"))
    verdict = stage.run(attempts=3, history=past)
    assert verdict.announce is not None
    verdict.announce()
    assert emitted == [("timeout", 3, "JobTimeout", None), ("failed", 3, "JobTimeout", None)]


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(1), KeyboardInterrupt()])
def test_an_on_fail_that_raises_is_logged(stage: Stage, caplog: pytest.LogCaptureFixture, error: BaseException) -> None:
    """Given an on_fail that raises anything, then that is logged, and nothing comes out."""
    verdict = stage.run(ValueError("no"), attempts=2)
    stage.executor.result = error
    assert verdict.announce is not None
    verdict.announce()
    assert "on_fail of work" in caplog.text
    assert type(error).__name__ in caplog.text


def test_the_context_ends_with_the_run(stage: Stage) -> None:
    """Given a job that ran or failed, then taskq.current() is known inside it, and no longer afterwards."""
    stage.run(ValueError())
    assert stage.executor.seen[0].job == "work"
    with pytest.raises(context.TaskqError):
        context.current()


def test_the_last_failure_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """Given a failure in the last attempt, then the log has job, attempt and traceback, as an error."""
    Stage(max_attempts=1).run(ValueError("no"))
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage().endswith("failed in attempt 1 of 1: ValueError: no")
    assert record.exc_info
    assert (repr(record.exc_info[1]), record.exc_info[2] is not None) == ("ValueError('no')", True)
    assert record.filename == "failures.py"
    entry = json.loads(JsonFormatter().format(record))
    assert entry["traceback"].startswith("Traceback (most recent")
    assert entry["traceback"].endswith("\nValueError: no")
    assert (entry["taskq_job"], entry["taskq_attempt"], len(entry["taskq_id"]), entry["taskq_channel"]) == ("work", 1, 32, "default")
    assert f"ValueError: no\n{entry['traceback']}" in TextFormatter().format(record)


def test_a_failure_before_the_last_is_one_warning(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Given a failure with another attempt to come, then the log has one line with the delay, as a warning."""
    stage.run(ValueError("no"))
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert record.getMessage().endswith("failed in attempt 1 of 3; retries in 5 s: ValueError: no")
    assert json.loads(JsonFormatter().format(record))["taskq_job"] == "work"
    caplog.clear()
    Stage(retry_seconds=0.243886).run(ValueError("no"))
    assert "retries in 0.244 s: ValueError: no" in caplog.text


def test_a_deliberate_retry_is_information(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Given a job that asks for a retry, then the log has one line, as information; if no attempt is left, it is an error."""
    caplog.set_level(logging.INFO)
    stage.run(Retry("busy", delay=60))
    Stage(max_attempts=1).run(Retry("busy"))
    asked, last = caplog.records
    assert (asked.levelname, asked.exc_info, last.levelname) == ("INFO", None, "ERROR")
    assert asked.getMessage().endswith("asked for a retry in attempt 1 of 3; retries in 60 s: Retry: busy")
