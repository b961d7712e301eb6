"""Pack calls into messages: all checks and decisions before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from taskq.clock import delay_ms, moment_ms
from taskq.config import Settings
from taskq.errors import PushError, SerializationError, UnknownJob
from taskq.jobs.builtin import CALL, OBJECT
from taskq.jobs.call import Call, Callee
from taskq.jobs.functions import is_generator
from taskq.jobs.named import missing_function
from taskq.jobs.options import PLAIN, PushOptions
from taskq.push.envelope import Envelope, Form, Outgoing, Route
from taskq.push.importing import running_import
from taskq.wire.codec import CALLS, check_serializer
from taskq.wire.headers import check_headers, write_headers
from taskq.wire.message import loss_flag
from taskq.wire.signing import Signer

if TYPE_CHECKING:
    from taskq.jobs.typed.validator import Validator

__all__ = ["Packer"]

_BUILT_IN = (OBJECT, CALL)


class Packer:
    """Packs the calls of one queue."""

    def __init__(self, settings: Settings, prefix_of: Callable[[str], str]) -> None:
        """`prefix_of` returns the key prefix of a channel, or raises UnknownChannel."""
        self._settings = settings
        self._prefix_of = prefix_of
        self._limit = settings.max_message_size
        self._signers: dict[str, Signer] = {}
        self._forms: dict[Callee, Form] = {}
        #: For calls without options, headers and label.
        self._plain: dict[Callee, Envelope] = {}
        self._validators: dict[Callee, Validator | None] = {}

    def signer(self, prefix: str) -> Signer | None:
        """Return the signer of the messages under a key prefix, or None without a secret."""
        if not self._settings.secrets:
            return None
        if prefix not in self._signers:
            self._signers[prefix] = Signer(self._settings.secrets, prefix)
        return self._signers[prefix]

    def pack(self, call: Call[Any], headers: Mapping[str, str] | None = None) -> Outgoing:
        """Turn a call into a message; see `envelope`. Raises also the errors of `Envelope.pack`."""
        return self.envelope(call.job, call.options, headers, call.label).pack(call.args, call.kwargs)

    def envelope(self, job: Callee, options: PushOptions, headers: Mapping[str, str] | None = None, label: str | None = None) -> Envelope:
        """Decide all of a message but the arguments.

        Args:
            job: the job.
            options: the options of the push.
            headers: the headers of the message. Default: those of the options.
            label: the name that operators see instead of the job's.

        Raises:
            DelayError, SerializationError, UnknownChannel, UnknownJob: as in `Job.push`.
            PushError: the headers are invalid.
        """
        is_plain = options is PLAIN and not headers and label is None
        if is_plain and (found := self._plain.get(job)) is not None:
            return found
        channel = options.channel or job.options_of_job.channel
        prefix = self._prefix_of(channel)
        form = self._forms.get(job) or self._form(job)
        if label is not None and form.serializer.code:
            raise SerializationError(
                f"{label}: objects and callables need the serializer pickle; the serializer of this queue is {form.serializer.name}. "
                "Push a decorated job instead"
            )
        delay = delay_ms(options.delay) if options.delay != 0 else None
        at = moment_ms(options.at) if options.at is not None else None
        result_ttl = form.result_ttl if options.result_ttl is None else options.result_ttl
        chosen: dict[str, Any] = {
            "max_attempts": options.max_attempts,
            "retry_seconds": options.retry_seconds,
            "handle_timeout": options.handle_timeout,
            "headers": _written(options.headers if headers is None else headers),
            "label": label,
            # Part of the message, so that the result is stored as promised even if the decorator changes.
            "result_ttl": result_ttl or None,
        }
        extra = {name: value for name, value in chosen.items() if value is not None} or None
        route = Route(channel, delay or None, at, options.once)
        made = Envelope(form, route, label or form.name, extra, result_ttl > 0, self.signer(prefix), self._limit)
        if is_plain and job in self._forms:
            self._plain[job] = made
        return made

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

    def _form(self, job: Callee) -> Form:
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
        form = Form(job.name, serializer, flags, job.signature.names, options.result_ttl, is_stream, self.validator(job))
        # While an app is imported, the next push must get here, too. Jobs by name are made for each push.
        if importing is None and not is_missing:
            self._forms[job] = form
        return form


def _written(headers: Mapping[str, str] | None) -> list[str] | None:
    return write_headers(check_headers(headers, PushError)) if headers else None
