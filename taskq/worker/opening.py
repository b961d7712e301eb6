"""From bytes to a call that can run: read, verify, look up, decode, decide the policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from taskq.builtin import CALL, OBJECT
from taskq.clock import MAX_DELAY
from taskq.codec import check_serializer, load_arguments, serializer_of_code
from taskq.config import ChannelSettings
from taskq.context import Context
from taskq.errors import ArgumentsError, MalformedMessage, MessageError, SignatureError
from taskq.foreign import read_foreign
from taskq.job import Job
from taskq.message import Body, Message, loss_flag
from taskq.options import OnFail
from taskq.queue import Queue
from taskq.retry import RetryPolicy

__all__ = ["Opener", "Plan", "UnknownHere"]


_Seconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_DELAY)]


class UnknownHere(Exception):
    """No job of that name is registered in this worker: another may have it."""


class Plan(msgspec.Struct, frozen=True):
    """A call that can run, and how."""

    #: The registered name; what operators see is in the context.
    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    #: Who is told when the job has failed for good.
    on_fail: OnFail | None
    policy: RetryPolicy
    timeout: float
    context: Context


class _Options(msgspec.Struct):
    """What a message may say of its own run. A key that isn't here belongs to a newer version, and is passed over."""

    label: str | None = None
    max_attempts: Annotated[int, msgspec.Meta(ge=1)] | None = None
    retry_seconds: Annotated[list[_Seconds], msgspec.Meta(min_length=1)] | None = None
    handle_timeout: _Seconds | None = None


class Opener:
    """Opens the messages of one channel."""

    def __init__(self, queue: Queue, channel: ChannelSettings) -> None:
        self._queue = queue
        self._channel = channel
        self._signer = queue.packer.signer(channel.channel)
        self._policies: dict[str, RetryPolicy] = {}

    def read(self, message: Message) -> Body:
        """Return what the message says, verified. Of a JSON message the arguments stay as they are.

        Raises:
            MessageError: it can't be read, or must not be believed.
        """
        if not message.is_foreign:
            body = message.body(self._signer)
            if body.options:
                _check_options(body.options)
            return body
        if self._signer is not None:
            raise SignatureError("the message isn't signed, and this worker has a secret (TASKQ_SECRET): it was refused")
        call = read_foreign(message.content())
        options = None if call.max_attempts is None else {"max_attempts": call.max_attempts}
        return Body(call.job, msgspec.json.encode([call.args, call.kwargs]), check_serializer("json").code, options)

    def loss_flag(self, raw: bytes) -> int:
        """What the job of a foreign message says for the case that its worker dies; nothing when there is no such job."""
        try:
            return loss_flag(self.find(read_foreign(raw).job).options_of_job.on_lost)
        except (MessageError, UnknownHere):
            return 0

    def find(self, name: str) -> Job[Any, Any]:
        """Return the job of that exact name.

        Raises:
            UnknownHere: it isn't registered in this worker.
        """
        job = self._queue.jobs.get(name)
        if job is None:
            raise UnknownHere(f"no worker of this version knows the job {name!r}")
        return job

    def policy(self, job: Job[Any, Any], options: dict[str, Any] | None) -> RetryPolicy:
        """Decide when the job runs again: the message's own options, then the job's, then the channel's."""
        policy = self._policies.get(job.name)
        if policy is None:
            policy = self._policies[job.name] = self._policy_of_job(job)
        if not options:
            return policy
        told: dict[str, Any] = {name: options[name] for name in ("max_attempts", "retry_seconds") if options.get(name) is not None}
        if "retry_seconds" in told:
            told |= {"retry_seconds": tuple(map(float, told["retry_seconds"])), "backoff": None}
        return msgspec.structs.replace(policy, **told) if told else policy

    def plan(self, message: Message, body: Body, job: Job[Any, Any], policy: RetryPolicy) -> Plan:
        """Decode the arguments and put together what runs.

        Raises:
            MessageError, ArgumentsError: the arguments can't be read, or don't fit.
            Exception: whatever unpickling raises.
        """
        args, kwargs = self._arguments(message, body, job)
        job.signature.check(job.name, args, kwargs)
        own = body.options.get("handle_timeout") if body.options else None
        timeout = own if own is not None else job.options_of_job.handle_timeout
        timeout = self._channel.handle_timeout if timeout is None else timeout
        on_fail = getattr(args[0], "fail", None) if job.name == OBJECT and args else job.options_of_job.on_fail
        context = self.context(message, body, policy)
        return Plan(job.name, job.function, args, kwargs, on_fail, policy, float(timeout), context)

    def context(self, message: Message, body: Body, policy: RetryPolicy) -> Context:
        """What the job can know of its run."""
        name = (body.options or {}).get("label") or body.job
        return Context(
            id=message.hex_id,
            job=name,
            channel=self._channel.name,
            attempt=message.head.attempts + 1,
            max_attempts=policy.max_attempts,
            pushed_at_ms=message.pushed_at_ms,
        )

    def _arguments(self, message: Message, body: Body, job: Job[Any, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        written = serializer_of_code(body.serializer)
        expected = check_serializer(job.options_of_job.serializer or self._queue.settings.serializer)
        # A data-only job must never be made to unpickle. A JSON message of another client only holds data: always welcome,
        # but for the built-in jobs, which take objects.
        if message.is_foreign:
            if job.name in (OBJECT, CALL):
                raise MalformedMessage(f"a JSON message can't run {job.name}")
        elif written is not expected:
            raise MalformedMessage(f"the arguments are {written.name}, but {job.name} takes {expected.name}")
        try:
            return load_arguments(written, body.arguments)
        except (MalformedMessage, ArgumentsError):
            raise
        except Exception as error:
            raise MalformedMessage(f"the arguments of {job.name} can't be read: {type(error).__name__}: {error}") from error

    def _policy_of_job(self, job: Job[Any, Any]) -> RetryPolicy:
        options, channel = job.options_of_job, self._channel
        seconds = channel.retry_seconds if options.retry_seconds is None else options.retry_seconds
        return RetryPolicy(
            max_attempts=options.max_attempts or channel.max_attempts,
            retry_seconds=tuple(map(float, seconds)) if isinstance(seconds, (tuple, list)) else (float(seconds),),
            backoff=options.backoff if options.retry_seconds is None else None,
            retry_on=options.retry_on,
            give_up_on=options.give_up_on,
        )


def _check_options(options: dict[str, Any]) -> None:
    try:
        msgspec.convert(options, _Options)
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"the options of the message can't be read: {error}") from None
