"""Pack calls into messages: all checks and decisions before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from taskq.clock import delay_ms, moment_ms
from taskq.config import Settings
from taskq.errors import MessageTooLarge, PushError, SerializationError, UnknownJob
from taskq.jobs.builtin import CALL, OBJECT
from taskq.jobs.call import Call, Callee
from taskq.jobs.functions import is_generator
from taskq.jobs.named import missing_function
from taskq.jobs.options import PLAIN, PushOptions
from taskq.push.importing import running_import
from taskq.push.view import Push
from taskq.wire.codec import CALLS, CODE, PYTHON, Serializer, check_serializer, dump_arguments
from taskq.wire.headers import check_headers, write_headers
from taskq.wire.message import encode, loss_flag, make_body, new_id
from taskq.wire.signing import Signer

if TYPE_CHECKING:
    from taskq.jobs.typed.validator import Validator

__all__ = ["Outgoing", "Packer", "Watched"]

#: The maximum number of messages in one command.
BATCH = 500
_BUILT_IN = (OBJECT, CALL)


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message ready to be sent.

    Not tracked by the garbage collector (it refers to nothing that could refer back): a large push makes very many.
    """

    channel: str
    identity: bytes
    payload: bytes
    delay_ms: int | None
    at_ms: int | None
    once: bool
    #: True if its result is stored.
    stores_result: bool
    #: True if its job yields items; None if that is unknown.
    is_stream: bool | None


class Watched(Outgoing, frozen=True, gc=False):
    """A message that `pushed` hooks are waiting for."""

    push: Push


class _Form(NamedTuple):
    """The part of a message that is the same for every call of a job."""

    name: str
    serializer: Serializer
    flags: int
    #: Names of the positional parameters, for error messages.
    parameters: tuple[str, ...]
    result_ttl: float
    is_stream: bool | None
    #: Checks the arguments by the type hints, or None.
    validator: Validator | None


def _dump(form: _Form, args: tuple[Any, ...], kwargs: dict[str, Any], what: str) -> bytes:
    """Check the arguments of a call, and turn them into bytes."""
    if form.validator is None:
        return dump_arguments(form.serializer, args, kwargs, what, form.parameters)
    args, kwargs = form.validator.dump(args, kwargs)
    try:
        return dump_arguments(form.serializer, args, kwargs, what, form.parameters)
    except SerializationError as error:
        raise form.validator.explain(error) from error.__cause__


class Packer:
    """Packs the calls of one queue."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limit = settings.max_message_size
        self._signers: dict[str, Signer] = {}
        self._forms: dict[Callee, _Form] = {}
        self._validators: dict[Callee, Validator | None] = {}

    def signer(self, prefix: str) -> Signer | None:
        """Return the signer of the messages under a key prefix, or None without a secret."""
        if not self._settings.secrets:
            return None
        if prefix not in self._signers:
            self._signers[prefix] = Signer(self._settings.secrets, prefix)
        return self._signers[prefix]

    def pack(self, call: Call[Any], channel: str, prefix: str, headers: Mapping[str, str] | None = None) -> Outgoing:
        """Turn a call into a message.

        Args:
            call: the call.
            channel: the name of the channel.
            prefix: the key prefix of the channel.
            headers: the headers of the message. Default: those of the call's options.

        Raises:
            ArgumentsError, DelayError, SerializationError, MessageTooLarge, UnknownJob: as in `Job.push`.
            PushError: the headers are invalid.
        """
        options = call.options
        form = self._forms.get(call.job) or self._form(call.job)
        label = call.label
        if label is not None and form.serializer.code:
            raise SerializationError(
                f"{label}: objects and callables need the serializer pickle; the serializer of this queue is {form.serializer.name}. "
                "Push a decorated job instead"
            )
        arguments = _dump(form, call.args, call.kwargs, label or form.name)
        delay = at = extra = None
        result_ttl = form.result_ttl
        if options is not PLAIN:
            delay = delay_ms(options.delay) if options.delay != 0 else None
            at = moment_ms(options.at) if options.at is not None else None
            extra = _extra(options)
            result_ttl = result_ttl if options.result_ttl is None else options.result_ttl
            headers = options.headers if headers is None else headers
        if headers:
            extra = {**(extra or {}), "headers": write_headers(check_headers(headers, PushError))}
        if label is not None:
            extra = {**(extra or {}), "label": label}
        if CODE in arguments and not form.serializer.code:
            extra = {**(extra or {}), "python": PYTHON}
        if result_ttl:  # part of the message, so that the result is stored as promised even if the decorator changes
            extra = {**(extra or {}), "result_ttl": result_ttl}
        body = make_body(form.name, arguments, form.serializer.code, extra)
        if len(body) > self._limit:
            raise MessageTooLarge(
                f"the call of {label or form.name} takes {len(body):,} bytes, over max_message_size = {self._limit:,}: "
                "store the data elsewhere and pass a reference to it"
            )
        identity = new_id()
        signer = self.signer(prefix) if self._settings.secrets else None
        payload = encode(identity, body, form.flags, signer)
        return Outgoing(channel, identity, payload, delay or None, at, options.once, result_ttl > 0, form.is_stream)

    def validator(self, job: Callee) -> Validator | None:
        """Return the validator of a job, or None, as for a job that only the workers have. The first call resolves the type hints.

        Raises:
            JobDefinitionError: a hint can't be resolved, or can't be checked although the job asks for it.
        """
        if job.function is missing_function:
            return None
        if job not in self._validators:
            self._validators[job] = self._new_validator(job)
        return self._validators[job]

    def _new_validator(self, job: Callee) -> Validator | None:
        serializer = check_serializer(job.options_of_job.serializer or self._settings.serializer)
        choice = job.options_of_job.validate
        if choice is False or (choice is None and not serializer.code) or job.name in _BUILT_IN:
            return None
        from taskq.jobs.typed.validator import Validator  # not needed by an application that uses pickle

        return Validator(job, serializer, is_asked_for=choice is True)

    def _form(self, job: Callee) -> _Form:
        if (importing := running_import()) is not None:
            importing.pushed()
        if job.name.startswith("__main__:"):
            function = job.name.partition(":")[2]
            raise UnknownJob(
                f"{job.name} can't be pushed: no worker can import it from a notebook, a console, python -c or a file that is not a "
                f"module. Move it to a module, push it by value: queue.call({function}.function, ...), or name it with @queue.job(name=...)"
                ", so that queue.work() in this program can run it"
            )
        options = job.options_of_job
        serializer = check_serializer(options.serializer or self._settings.serializer)
        if job.name == CALL and not serializer.code:
            serializer = CALLS
        is_missing = job.function is missing_function
        flags, is_stream = loss_flag(options.on_lost), None if is_missing else is_generator(job.function)
        form = _Form(job.name, serializer, flags, job.signature.names, options.result_ttl, is_stream, self.validator(job))
        # While an app is imported, the next push must get here, too. Jobs by name are made for each push.
        if importing is None and not is_missing:
            self._forms[job] = form
        return form


def _extra(options: PushOptions) -> dict[str, Any] | None:
    chosen: Mapping[str, Any] = {
        "max_attempts": options.max_attempts,
        "retry_seconds": options.retry_seconds,
        "handle_timeout": options.handle_timeout,
    }
    return {name: value for name, value in chosen.items() if value is not None} or None
