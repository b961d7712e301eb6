"""The parts of a message that all calls of a job with the same options share, so that a large push decides them once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from taskq.errors import MessageTooLarge, SerializationError
from taskq.push.view import Push
from taskq.wire.codec import CODE, PYTHON, Serializer, dump_arguments
from taskq.wire.message import encode, encode_all, make_body, message_id, new_id
from taskq.wire.signing import Signer

if TYPE_CHECKING:
    from taskq.jobs.typed.validator import Validator

__all__ = ["BATCH", "Envelope", "Form", "Outgoing", "Route", "Watched"]

#: The maximum number of messages in one command.
BATCH = 500


class Route(NamedTuple):
    """The place and the time of a message. One command sends messages of the same route, in their order."""

    channel: str
    delay_ms: int | None
    at_ms: int | None
    once: bool


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message ready to be sent.

    Not tracked by the garbage collector (it refers to nothing that could refer back): a large push makes very many.
    """

    route: Route
    payload: bytes
    #: True if its result is stored.
    stores_result: bool
    #: True if its job yields items; None if that is unknown.
    is_stream: bool | None

    @property
    def identity(self) -> bytes:
        return message_id(self.payload)


class Watched(Outgoing, frozen=True, gc=False):
    """A message that `pushed` hooks are waiting for."""

    push: Push


class Form(msgspec.Struct, frozen=True):
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


class Envelope(msgspec.Struct, frozen=True):
    """The part of a message that is the same for every call of a job with the same options."""

    form: Form
    route: Route
    #: The name in error messages: the label of the call, or the job's name.
    what: str
    #: The options in the message.
    options: dict[str, Any] | None
    stores_result: bool
    signer: Signer | None
    #: The maximum size of a body in bytes.
    limit: int

    def pack(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outgoing:
        """Turn the arguments of one call into a message; see `body`."""
        payload = encode(new_id(), self.body(args, kwargs), self.form.flags, self.signer)
        return Outgoing(self.route, payload, self.stores_result, self.form.is_stream)

    def seal(self, bodies: list[bytes]) -> list[Outgoing]:
        """Turn bodies into messages, and empty the list of them."""
        route, stores_result, is_stream = self.route, self.stores_result, self.form.is_stream
        payloads = encode_all(bodies, self.form.flags, self.signer)
        outs = [Outgoing(route, payload, stores_result, is_stream) for payload in payloads]
        bodies.clear()
        return outs

    def body(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Turn the arguments of one call into the body of a message.

        Raises:
            ArgumentsError, SerializationError: an argument doesn't fit its type hint, or can't be stored.
            MessageTooLarge: the message is larger than `max_message_size`.
        """
        form, options = self.form, self.options
        if form.validator is None:
            arguments = dump_arguments(form.serializer, args, kwargs, self.what, form.parameters)
        else:
            arguments = _dump_typed(form, form.validator, args, kwargs, self.what)
        if arguments.find(CODE) >= 0 and not form.serializer.code:
            options = {**(options or {}), "python": PYTHON}
        body = make_body(form.name, arguments, form.serializer.code, options)
        if len(body) > self.limit:
            raise MessageTooLarge(
                f"the call of {self.what} takes {len(body):,} bytes, over max_message_size = {self.limit:,}: "
                "store the data elsewhere and pass a reference to it"
            )
        return body


def _dump_typed(form: Form, validator: Validator, args: tuple[Any, ...], kwargs: dict[str, Any], what: str) -> bytes:
    args, kwargs = validator.dump(args, kwargs)
    try:
        return dump_arguments(form.serializer, args, kwargs, what, form.parameters)
    except SerializationError as error:
        raise validator.explain(error) from error.__cause__
