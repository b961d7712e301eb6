"""From bytes to a run: read, verify, look up, decode, decide the policy."""

from __future__ import annotations

from collections.abc import Collection
from inspect import iscoroutinefunction
from typing import Annotated, Any

import msgspec

from taskq.clock import MAX_DELAY
from taskq.config import ChannelSettings
from taskq.config.modules import unimported_module
from taskq.errors import ArgumentsError, MalformedMessage, MessageError, SignatureError
from taskq.jobs.around.chain import wrapped
from taskq.jobs.builtin import CALL, OBJECT
from taskq.jobs.call import Callee
from taskq.jobs.functions import is_generator
from taskq.jobs.registry import nearest_job
from taskq.jobs.retry import RetryPolicy
from taskq.queue import Queue
from taskq.wire.codec import check_python, check_serializer, load_arguments, serializer_of_code
from taskq.wire.foreign import read_foreign
from taskq.wire.headers import read_headers, write_headers
from taskq.wire.message import FOREIGN, Body, Message, loss_flag
from taskq.wire.signing import result_signer
from taskq.worker.execute.progress import Reporter
from taskq.worker.execute.results import ResultPacker
from taskq.worker.execute.run import Run, RunSpec
from taskq.worker.execute.streams.generators import Generators

__all__ = ["Opened", "UnknownHere", "Unpacker", "result_ttl_of"]


_Seconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_DELAY)]


class UnknownHere(Exception):
    """No job of that name is registered in this worker. Another worker may have it."""


class _Options(msgspec.Struct):
    """The options that a message may have. Unknown keys belong to newer versions, and are ignored."""

    label: str | None = None
    max_attempts: Annotated[int, msgspec.Meta(ge=1)] | None = None
    retry_seconds: Annotated[list[_Seconds], msgspec.Meta(min_length=1)] | None = None
    handle_timeout: _Seconds | None = None
    result_ttl: _Seconds | None = None
    python: str | None = None
    headers: list[str] | None = None


class Opened(msgspec.Struct, frozen=True):
    """A message whose body is read and verified, and whose job is known."""

    body: Body
    spec: RunSpec


class Unpacker:
    """Unpacks the messages of one channel."""

    def __init__(self, queue: Queue, channel: ChannelSettings, reporter: type[Reporter] = Reporter) -> None:
        self._queue = queue
        self.channel = channel
        self._signer = queue.outbox.packer.signer(channel.channel)
        self._specs: dict[str, RunSpec] = {}
        signer = result_signer(queue.settings, channel.channel)
        self.results = ResultPacker(signer, queue.settings.max_message_size)
        self._reporter = reporter(lambda: queue.sender(channel.name).driver, signer)
        self.generators = Generators(lambda: queue.sender(channel.name), self.results)

    def read(self, message: Message) -> Body:
        """Return the verified body of a message. The arguments of a plain JSON message stay as they are.

        Raises:
            MessageError: it can't be read, or can't be trusted.
        """
        if message.version != FOREIGN:
            body = message.body(self._signer)
            if body.options:
                _check_options(body.options)
            return body
        if self._signer is not None:
            raise SignatureError("the message is not signed, but this worker has a secret (TASKQ_SECRET): refused")
        call = read_foreign(message.content())
        options: dict[str, Any] = {}
        if call.max_attempts is not None:
            options["max_attempts"] = call.max_attempts
        if call.headers:
            options["headers"] = write_headers(call.headers)
        return Body(call.job, msgspec.json.encode([call.args, call.kwargs]), check_serializer("json").code, options or None)

    def loss_flag(self, raw: bytes) -> int:
        """Return the `on_lost` flag of a plain JSON message's job, or 0 if the job is unknown."""
        try:
            return loss_flag(self.find(read_foreign(raw).job).job.options_of_job.on_lost)
        except (MessageError, UnknownHere):
            return 0

    def open(self, message: Message) -> Opened:
        """Read and verify a message, and find its job.

        Raises:
            MessageError: it can't be read, or its signature is wrong.
            UnknownHere: its job isn't registered in this worker.
        """
        body = self.read(message)
        return Opened(body, self.find(body.job))

    def find(self, name: str) -> RunSpec:
        """Return the run specification of a job by its exact name.

        Raises:
            UnknownHere: it isn't registered in this worker.
        """
        spec = self._specs.get(name)
        if spec is None:
            job = self._queue.jobs.get(name)
            if job is None:
                raise UnknownHere(f"unknown job {name!r}: this app has {_similar(name, self._queue.jobs.names())}")
            spec = self._specs[name] = self._spec(job)
        return spec

    def policy(self, spec: RunSpec, options: dict[str, Any] | None) -> RetryPolicy:
        """Return the retry policy: options of the message come first, then those of the job, then the settings of the channel."""
        if not options:
            return spec.policy
        changed: dict[str, Any] = {name: options[name] for name in ("max_attempts", "retry_seconds") if options.get(name) is not None}
        if "retry_seconds" in changed:
            changed |= {"retry_seconds": tuple(map(float, changed["retry_seconds"])), "backoff": None}
        return msgspec.structs.replace(spec.policy, **changed) if changed else spec.policy

    def run(self, message: Message, body: Body, spec: RunSpec, policy: RetryPolicy) -> Run:
        """Decode the arguments and return the run.

        Raises:
            MessageError, ArgumentsError: the arguments can't be read, or don't fit the job's signature.
            Exception: any exception of unpickling.
        """
        args, kwargs = self._arguments(message, body, spec)
        spec.job.signature.check(body.job, args, kwargs)
        if spec.validator is not None:
            args, kwargs = spec.validator.load(args, kwargs)
        timeout, label, options, result_ttl = spec.timeout, spec.job.name, body.options, 0.0
        headers: list[str] | None = None
        if options:
            result_ttl = result_ttl_of(body)
            timeout = float(options.get("handle_timeout", timeout))
            label = options.get("label") or label
            headers = options.get("headers")
        return Run(spec, message, args, kwargs, policy, timeout, label, result_ttl, headers)

    def _arguments(self, message: Message, body: Body, spec: RunSpec) -> tuple[tuple[Any, ...], dict[str, Any]]:
        expected, job = spec.serializer, spec.job
        written = expected if body.serializer == expected.code else serializer_of_code(body.serializer)
        # A message must never make a data-only job unpickle. A plain JSON message holds only data: any job accepts it, except for
        # the built-in jobs, which take objects.
        if message.version == FOREIGN:
            if job.name in (OBJECT, CALL):
                raise MalformedMessage(f"a JSON message can't run {job.name}")
        elif written is not expected:
            raise MalformedMessage(f"the arguments were serialized with {written.name}, but {job.name} expects {expected.name}")
        if body.options:
            check_python(body.options.get("python"), "it was pushed")
        try:
            return load_arguments(written, body.arguments)
        except (MalformedMessage, ArgumentsError):
            raise
        except Exception as error:
            raise MalformedMessage(f"the arguments of {job.name} can't be read: {type(error).__name__}: {error}") from error

    def _spec(self, job: Callee) -> RunSpec:
        options, channel = job.options_of_job, self.channel
        policy = RetryPolicy(
            max_attempts=options.max_attempts or channel.max_attempts,
            retry_seconds=channel.retry_delays if options.retry_seconds is None else options.retry_seconds,
            backoff=options.backoff if options.retry_seconds is None else None,
            retry_on=options.retry_on,
            give_up_on=options.give_up_on,
        )
        timeout = channel.handle_timeout if options.handle_timeout is None else options.handle_timeout
        serializer = check_serializer(options.serializer or self._queue.settings.serializer)
        validator = self._queue.outbox.packer.validator(job)
        results, items = (serializer, serializer) if validator is None else validator.serializers()
        is_stream = is_generator(job.function)
        function = self.generators.function_of(job.function, items) if is_stream else job.function
        function = wrapped(self._queue.wrappers, function, job=job.name, channel=channel.name)
        return RunSpec(
            job=job,
            policy=policy,
            timeout=float(timeout),
            serializer=serializer,
            validator=validator,
            results=results,
            channel=channel.name,
            concurrency=channel.concurrency,
            lost_is_timeout=channel.on_lost == "timeout",
            max_crashes=channel.max_crashes,
            is_object=job.name == OBJECT,
            reporter=self._reporter,
            function=function,
            is_async=iscoroutinefunction(function),
            is_stream=is_stream,
        )


def _similar(name: str, names: Collection[str]) -> str:
    """Describe what an app has instead of a job: perhaps the same job, in a module that was imported under another name."""
    for other in names:
        if other.endswith(f".{name}") or name.endswith(f".{other}"):
            return f"{other!r} instead; import the module under the same name in producers and workers"
        if other.replace(":", ".") == name:
            return f"{other!r} instead; push it by that name, with the colon"
    if (module := unimported_module(name)) is not None:
        return f"no job of that name; the module {module} was not imported: add it to the setting `imports`"
    close = nearest_job(name, names)
    return "no job of that name" if close is None else f'no job of that name; did you mean "{close}"?'


def result_ttl_of(body: Body) -> float:
    """Return the seconds that the result is stored, according to the message; 0: not at all."""
    return float((body.options or {}).get("result_ttl") or 0)


def _check_options(options: dict[str, Any]) -> None:
    try:
        msgspec.convert(options, _Options)
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"the options of the message can't be read: {error}") from None
    if options.get("headers"):
        read_headers(options["headers"])
