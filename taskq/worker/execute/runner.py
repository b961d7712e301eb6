"""Runs one message, in named steps that end in one verdict. Nothing here talks to the server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any, Protocol

from taskq import context as contexts
from taskq import events
from taskq.channel import Outcome, State
from taskq.clock import delay_ms, monotonic, now_ms
from taskq.driver.contract import StoredEnding
from taskq.errors import (
    DelayError,
    Drop,
    JobCancelled,
    JobControl,
    JobTimeout,
    MessageError,
    Requeue,
    Retry,
    TaskqError,
    UnsupportedVersion,
)
from taskq.events import JobEvent
from taskq.handle.cancel import CANCELLED_SECONDS
from taskq.jobs.builtin import OBJECT
from taskq.jobs.retry import RetryPolicy
from taskq.logs import log_last, log_retried
from taskq.wire.ending import Ending, ending_of
from taskq.wire.history import record_of, text_of, verified_records, with_record
from taskq.wire.message import REMOVED, Message
from taskq.worker.execute.announce import both, event_of
from taskq.worker.execute.executor import Executor
from taskq.worker.execute.raised import control_of, explained, is_timeout, retry_delay
from taskq.worker.execute.results import UNRUN, CannotStore, NothingRan
from taskq.worker.execute.run import Run
from taskq.worker.execute.unpacker import Opened, UnknownHere, Unpacker
from taskq.worker.execute.unrun import Unrun
from taskq.worker.execute.verdict import ACKED, Action, Verdict

__all__ = ["AttemptsExhausted", "Runner", "Watcher"]

_log = logging.getLogger("taskq.worker")


class AttemptsExhausted(TaskqError):
    """Passed to on_fail if no exception is known: the worker process died or was killed in every run."""


class Watcher(Protocol):
    """Protocol: receives the running job and its deadline. The supervisor reads them from the scoreboard."""

    def describe(self, job: str, since_ms: int, deadline: float, retry_ms: int) -> None: ...


class Runner:
    """Runs the messages of one channel, one at a time."""

    def __init__(self, unpacker: Unpacker, executor: Executor, watcher: Watcher, worker: str, max_crashes: int) -> None:
        self._unpacker = unpacker
        self._results = unpacker.results
        unpacker.generators.worker = worker
        #: The running message if it was cancelled, and the requester. Cleared before the next run.
        self.cancelled: dict[bytes, str] = {}
        self._executor = executor
        self._execute = executor.execute
        self._watcher = watcher
        self._worker = worker
        self._max_crashes = max_crashes
        self._unrun = Unrun(unpacker.channel, unpacker.results, worker)

    def loss_flag(self, raw: bytes) -> int:
        """Return the `on_lost` flag for the head of a plain JSON message."""
        return self._unpacker.loss_flag(raw)

    def run(self, message: Message, started: float, since_ms: int, opened: Opened | None = None) -> Verdict:
        """Open the message, run its job, and decide what follows.

        Args:
            message: stamped, reserved and claimed by this worker.
            started: monotonic time of the claim.
            since_ms: the same as epoch milliseconds.
            opened: the message, if it was opened before.
        """
        run = self.prepare(message, opened)
        return self._run(message, run, started, since_ms) if type(run) is Run else run  # type: ignore[return-value]

    def prepare(self, message: Message, opened: Opened | None = None) -> Run | Verdict:
        """Open a message. Return a verdict if its job can't run, or must not run again."""
        # Without `open`: on the fast path, one more call and one more object count.
        try:
            body = self._unpacker.read(message) if opened is None else opened.body
        except UnsupportedVersion as error:
            if message.version == REMOVED:
                return ACKED
            return self._unrun.parked(message, None, error)
        except MessageError as error:
            return self._unrun.unreadable(message, None, error)
        try:
            spec = self._unpacker.find(body.job) if opened is None else opened.spec
        except UnknownHere as error:
            return self._unrun.parked(message, body, error)
        policy = spec.policy if body.options is None else self._unpacker.policy(spec, body.options)
        try:
            run = self._unpacker.run(message, body, spec, policy)
        except BaseException as error:  # unpickling runs the application's code, which may raise anything
            return self._unrun.unreadable(message, body, error)
        if (message.attempts or message.crashes) and self._is_exhausted(message, policy):
            return self._exhausted(message, run)
        return run

    def _run(self, message: Message, run: Run, started: float, since_ms: int) -> Verdict:
        contexts.enter(run)
        if events.before.receivers:
            events.emit(events.before, JobEvent(context=run.context, worker=self._worker))
        timeout = run.timeout
        if timeout:
            self._limit(run, since_ms)
        else:
            self._watcher.describe(run.label, since_ms, 0.0, -1)
        try:
            try:
                if self.cancelled and message.id in self.cancelled:  # before there was a call to interrupt
                    return self._was_cancelled(run, 0.0)
                value = self._execute(run.spec.function, run.args, run.kwargs, timeout)
            finally:
                if timeout:  # listeners and waits for the server don't count against the job's limit
                    self._watcher.describe(run.label, since_ms, 0.0, -1)
                run.leave()
        except BaseException as error:
            return self._raised(message, run, error, monotonic() - started).caused_by(error)
        return self._ended_with(message, run, value, started)

    def _limit(self, run: Run, since_ms: int) -> None:
        """Write the running job, its deadline, and the retry delay after a kill, to the scoreboard."""
        deadline = monotonic() + run.timeout
        wait = run.policy.delay_after(run.message.attempts + 1, JobTimeout())
        self._watcher.describe(run.label, since_ms, deadline, -1 if wait is None else delay_ms(wait))

    # ---- outcomes of a run

    def _ended_with(self, message: Message, run: Run, value: Any, started: float) -> Verdict:
        if type(value) is Outcome:
            return self._chosen(message, run, value, monotonic() - started)
        if value is not None:
            if isinstance(value, JobControl):  # returned instead of raised: it means the same
                return self._raised(message, run, value, monotonic() - started)
            if isinstance(value, UNRUN) and not run.spec.is_stream:
                return self._failed_run(message, run, NothingRan(value), monotonic() - started)
        if run.result_ttl or events.after.receivers:
            return self._returned(message, run, value, monotonic() - started)
        return ACKED

    def _returned(self, message: Message, run: Run, value: Any, seconds: float) -> Verdict:
        if not run.result_ttl:
            return Verdict(action=Action.ACK, announce=event_of(events.after, run.context, self._worker, seconds=seconds))
        try:
            ending = self._results.done(run.spec.results, value, message.attempts + 1, self._worker)
        except CannotStore as error:
            return self._failed_run(message, run, error, seconds)
        announce = event_of(events.after, run.context, self._worker, seconds=seconds)
        return Verdict(action=Action.ACK, ending=self._pack(run, ending), announce=announce)

    def _chosen(self, message: Message, run: Run, outcome: Outcome, seconds: float) -> Verdict:
        if run.message.id in self.cancelled and outcome in (Outcome.RETRY, Outcome.REQUEUE):
            return self._was_cancelled(run, seconds)
        if outcome is Outcome.RETRY:
            return self._failed_run(message, run, Retry("the job returned Outcome.RETRY"), seconds)
        if outcome is Outcome.REQUEUE:
            announce = event_of(events.requeued, run.context, self._worker, seconds=seconds, delay=0.0)
            return Verdict(action=Action.REQUEUE, announce=announce)
        if outcome is Outcome.DROP:
            return self._dropped(message, run, "", seconds)
        return self._returned(message, run, None, seconds)

    def _dropped(self, message: Message, run: Run, reason: str, seconds: float) -> Verdict:
        ending = Ending("dropped", now_ms(), message.attempts + 1, self._worker, reason)
        announce = event_of(events.dropped, run.context, self._worker, seconds=seconds, reason=reason)
        return Verdict(action=Action.ACK, ending=self._pack(run, ending), announce=announce)

    def _raised(self, message: Message, run: Run, error: BaseException, seconds: float) -> Verdict:
        if run.message.id in self.cancelled:
            return self._was_cancelled(run, seconds)
        try:
            control = control_of(error)
            wait = delay_ms(control.delay) if isinstance(control, Requeue) else 0
        except DelayError as wrong:
            return self._failed_run(message, run, wrong, seconds)
        error = explained(error)
        if isinstance(control, JobCancelled):
            return self._was_cancelled(run, seconds)
        if isinstance(control, Drop):
            reason = text_of(control.reason)
            _log.info("%s %s was dropped: %s", run.context.job, run.context.id, reason or "no reason given")
            return self._dropped(message, run, reason, seconds)
        if isinstance(control, Requeue):
            announce = event_of(events.requeued, run.context, self._worker, seconds=seconds, delay=wait / 1000)
            return Verdict(action=Action.REQUEUE, delay_ms=wait, announce=announce)
        return self._failed_run(message, run, error, seconds)

    def _pack(self, run: Run, ending: Ending) -> StoredEnding | None:
        return self._results.pack(run.message.id, ending, run.result_ttl, is_stream=run.spec.is_stream)

    def _was_cancelled(self, run: Run, seconds: float) -> Verdict:
        by = self.cancelled.pop(run.message.id, "the job itself")
        context = run.context
        _log.warning("%s %s was cancelled by %s in attempt %d", context.job, context.id, by, context.attempt)
        ending = Ending("cancelled", now_ms(), run.message.attempts + 1, by)
        is_stream = run.spec.is_stream and run.result_ttl > 0
        stored = self._results.pack(run.message.id, ending, run.result_ttl or CANCELLED_SECONDS, is_stream=is_stream)
        announce = event_of(events.cancelled, context, self._worker, seconds=seconds, reason=f"cancelled by {by}")
        return Verdict(action=Action.ACK, ending=stored, announce=announce)

    # ---- what follows from a failed run

    def _failed_run(self, message: Message, run: Run, error: BaseException, seconds: float) -> Verdict:
        context, timed_out = run.context, is_timeout(error)
        attempts = message.attempts + 1
        record = record_of("timeout" if timed_out else "failed", self._worker, attempts, error)
        new = with_record(message, record, attempts=attempts, signer=self._results.signer)
        try:
            wait = retry_delay(run.policy, attempts, error)
        except DelayError as wrong:
            return self._failed_run(message, run, wrong, seconds)
        if wait is None:
            log_last(context, attempts, error, record.error, record.traceback)
            state = State.TIMEOUT if timed_out else State.FAILED
            stored = self._pack(run, ending_of(record))
            return Verdict(action=Action.FAIL, message=new, state=state, ending=stored, announce=self._after_failure(run, error, seconds))
        log_retried(context, attempts, error, record.error, wait)
        announce = event_of(events.retry, context, self._worker, seconds=seconds, error=error, delay=wait)
        if timed_out:
            announce = both(event_of(events.timeout, context, self._worker, seconds=seconds, error=error), announce)
        return Verdict(action=Action.RETRY, message=new, delay_ms=delay_ms(wait), announce=announce)

    def _is_exhausted(self, message: Message, policy: RetryPolicy) -> bool:
        if message.attempts >= policy.max_attempts or message.crashes > self._max_crashes:
            return True
        if not message.attempts or policy.delay_after(message.attempts, JobTimeout()) is not None:
            return False
        # The policy gives up on JobTimeout. A kill at the limit counts as one, although it raised no exception.
        past = verified_records(message, self._results.signer)
        return bool(past) and past[-1].kind == "timeout"

    def _exhausted(self, message: Message, run: Run) -> Verdict:
        """The supervisor counted the last attempt (a kill, a crash); only the settling is left."""
        past = verified_records(message, self._results.signer)
        last = past[-1] if past else record_of("failed", self._worker, message.attempts, "no attempt is left")
        state = State.TIMEOUT if last.kind == "timeout" and message.crashes <= self._max_crashes else State.FAILED
        error: BaseException = JobTimeout(last.error) if state is State.TIMEOUT else AttemptsExhausted(last.error)
        context = run.context
        _log.error("%s %s failed permanently: %s", context.job, context.id, last.error)
        stored = self._pack(run, ending_of(last))
        return Verdict(
            action=Action.FAIL, message=message.raw, state=state, ending=stored, announce=self._after_failure(run, error, 0.0, ran=False)
        )

    # ---- notifications

    def _after_failure(self, run: Run, error: BaseException, seconds: float, *, ran: bool = True) -> Callable[[], None]:
        def announce() -> None:
            event = JobEvent(context=run.context, worker=self._worker, seconds=seconds, error=error, ran=ran)
            if is_timeout(error):
                events.emit(events.timeout, event)
            events.emit(events.failed, event)
            self._call_on_fail(run, error)

        return partial(copy_context().run, announce)

    def _call_on_fail(self, run: Run, error: BaseException) -> None:
        on_fail = run.on_fail
        if on_fail is None:
            return
        contexts.enter(run)
        deadline = monotonic() + run.timeout if run.timeout else 0.0
        self._watcher.describe(run.label, now_ms(), deadline, -1)
        try:
            self._executor.execute(on_fail, (error,), {}, run.timeout)
        except BaseException:
            what = "fail()" if run.name == OBJECT else "on_fail"
            _log.exception("%s of %s %s raised; the message stays in failed", what, run.context.job, run.context.id)
