"""One stored message as an operator sees it. Reading it runs no code of it, and needs neither the app nor the secret."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from taskq.channel import State
from taskq.errors import MalformedMessage, MessageError
from taskq.inspector.render import call_text, data_of, text_of
from taskq.inspector.unpickle import look_into
from taskq.wire.codec import SerializerName, load_arguments, serializer_of_code
from taskq.wire.foreign import job_of, read_foreign
from taskq.wire.headers import read_headers
from taskq.wire.history import Record, is_verified, records
from taskq.wire.message import FOREIGN, Flag, Message, is_stamped, message_id
from taskq.wire.signing import Signer

__all__ = ["NOT_VERIFIED", "Entry", "Place", "Signers", "entry_id", "fresh", "is_job", "read_entry"]

#: Marks data that is not signed with the secret.
NOT_VERIFIED = "(not verified)"

#: The code of pickle, which is inspected and never loaded.
_PICKLE = 0
_INSPECTED = serializer_of_code(_PICKLE)._replace(load=look_into)
#: An int: an operation on members of `Flag` takes as long as a tenth of reading a message.
_SIGNED = int(Flag.SIGNED)
#: The maximum number of bytes of arguments that are decoded, by serializer. MessagePack allows keys whose hashes collide: decoding them
#: takes quadratic time.
_MOST: dict[SerializerName, int] = {"pickle": 1 << 26, "json": 1 << 23, "msgpack": 1 << 17}
#: The maximum number of characters of a job's name and of a reason, and of records of a history.
_NAME, _REASON, _RECORDS = 500, 2000, 300


class Place(msgspec.Struct, frozen=True):
    """The place where a message was found."""

    channel: str
    state: State
    #: The server's time, in milliseconds since the epoch.
    now_ms: float
    #: The worker process that reserved the message, or "".
    worker: str = ""
    #: The time when it is due (delayed) or was moved (failed, timeout, parked), in milliseconds since the epoch.
    score_ms: float = 0.0


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One stored message."""

    #: 32 hexadecimal digits; "raw-..." for bytes that another client pushed and no worker has reserved yet.
    id: str
    channel: str
    state: State
    #: The job's name; for an object or callable, its label. "" if the bytes can't be read.
    job: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    #: The reason why the arguments, or the whole message, can't be shown.
    unreadable: str
    #: The headers of the message: strings to strings.
    headers: Mapping[str, str]
    #: The number of failed attempts, and the maximum; None if only the app defines it.
    attempts: int
    max_attempts: int | None
    #: The number of crashes of its worker process.
    crashes: int
    #: The time of the push by the producer's clock, or None if unknown.
    pushed_at_ms: int | None
    #: Seconds since it moved to its state (failed, timeout, parked), otherwise since the push.
    age: float | None
    #: Seconds until it is due; None if it isn't delayed.
    due: float | None
    #: The worker process that reserved it, or "".
    worker: str
    #: The error of its last run, or the reason why it is parked.
    error: str
    history: tuple[Record, ...]
    size: int
    is_signed: bool
    #: True if the signature is valid; None without a secret (TASKQ_SECRET).
    verified: bool | None
    #: For each record of the history, True if its signature is valid; empty without a secret.
    verified_records: tuple[bool, ...]
    is_foreign: bool
    raw: bytes
    #: The job that runs the message, if `job` is one of its aliases; otherwise "".
    alias_of: str = ""

    @property
    def job_text(self) -> str:
        """The name of the job for people."""
        return f"{self.job} (alias of {self.alias_of})" if self.alias_of else self.job

    def arguments(self, limit: int = 1 << 20) -> str:
        """Return the arguments in the form of a call, cut to `limit` characters."""
        return text_of(_pushed(self.raw), limit) if self.unreadable and not self.job else call_text(self.args, self.kwargs, limit)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as JSON data, as `taskq show --json` prints it."""
        fields = msgspec.structs.asdict(self)
        for name in ("args", "kwargs", "history", "verified_records", "raw"):
            del fields[name]
        fields["state"] = self.state.value
        if self.due is not None and not math.isfinite(self.due):
            fields["due"] = str(self.due)
        fields["args"] = data_of(self.args) if self.args else []
        fields["kwargs"] = data_of(dict(self.kwargs)) if self.kwargs else {}
        verified = self.verified_records or (None,) * len(self.history)
        fields["history"] = [_record_data(*pair) for pair in zip(self.history, verified, strict=True)] if self.history else []
        return fields


class _Content(msgspec.Struct, frozen=True):
    """The content of a message's body."""

    job: str = ""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    max_attempts: int | None = None
    unreadable: str = ""
    headers: Mapping[str, str] = {}


def entry_id(raw: bytes) -> str:
    """Return the id by which an operator names a message."""
    if is_stamped(raw):
        return message_id(raw).hex()
    import hashlib  # it loads OpenSSL; few messages need it

    return "raw-" + hashlib.blake2b(raw, digest_size=14).hexdigest()


class Signers(NamedTuple):
    """The signers of a channel: of its messages, and of the records in their histories."""

    messages: Signer
    records: Signer


def read_entry(raw: bytes, place: Place, about: Callable[[str], tuple[int | None, str]], signers: Signers | None = None) -> Entry:
    """Read a stored message.

    Args:
        raw: its bytes.
        place: where they were found.
        about: a function that returns the `max_attempts` of a job, or None; and the job's name, if it was asked by an alias.
        signers: verify the message and its history; None: don't.
    """
    message, content = _open(raw)
    attempts, alias_of = about(content.job)
    own = None if message is None or message.version == FOREIGN else message
    pushed = own.pushed_at_ms if own else None
    past = tuple(records(history)[-_RECORDS:]) if message is not None and (history := message.history_bytes()) else ()
    sure = tuple(is_verified(one, message.id, signers.records) for one in past) if message is not None and signers else ()
    since = place.score_ms if place.score_ms and place.state is not State.DELAYED else pushed
    return Entry(
        id=message.hex_id if message else entry_id(raw),
        channel=place.channel,
        state=place.state,
        job=content.job,
        args=content.args,
        kwargs=content.kwargs,
        unreadable=content.unreadable,
        headers=content.headers,
        attempts=message.attempts if message else 0,
        max_attempts=content.max_attempts or attempts,
        crashes=message.crashes if message else 0,
        pushed_at_ms=pushed,
        age=None if since is None else max(0.0, (place.now_ms - since) / 1000),
        due=max(0.0, (place.score_ms - place.now_ms) / 1000) if place.state is State.DELAYED else None,
        worker=place.worker,
        error=("" if all(sure[-1:]) else f"{NOT_VERIFIED} ") + past[-1].error if past else "",
        history=past,
        size=len(raw),
        is_signed=own is not None and bool(own.flags & _SIGNED),
        verified=_is_verified(message, signers.messages) if signers else None,
        verified_records=sure,
        is_foreign=own is None,
        raw=raw,
        alias_of=alias_of,
    )


def _pushed(raw: bytes) -> bytes:
    """Return the bytes that another client pushed, without the head and the history that taskq added; other bytes unchanged."""
    try:
        message = Message(raw) if is_stamped(raw) else None
    except MessageError:
        return raw
    return message.content() if message and message.is_foreign else raw


def _is_verified(message: Message | None, signer: Signer) -> bool:
    try:
        return message is not None and bool(message.body(signer))
    except MessageError:
        return False


def _record_data(record: Record, verified: bool | None) -> dict[str, Any]:
    data = msgspec.structs.asdict(record)
    del data["signature"]
    return {**data, "verified": verified}


def _open(raw: bytes) -> tuple[Message | None, _Content]:
    try:
        message = Message(raw)
    except MalformedMessage:
        message = None
    try:
        if message is None:
            return None, _foreign(raw)
        return message, _foreign(message.content()) if message.version == FOREIGN else _own(message)
    except MessageError as error:
        return message, _Content(unreadable=str(error)[:_REASON])


def _foreign(content: bytes) -> _Content:
    if len(content) > _MOST["json"]:
        return _Content(job_of(content)[:_NAME], unreadable=f"the arguments can't be shown: {_too_large(content, 'json')}")
    call = read_foreign(content)
    return _Content(call.job[:_NAME], tuple(call.args), call.kwargs, call.max_attempts, headers=call.headers or {})


def _own(message: Message) -> _Content:
    body = message.body()
    label, attempts, headers = body.job[:_NAME], None, {}
    if body.options:
        label, attempts = body.label[:_NAME], body.options.get("max_attempts")
        attempts = attempts if isinstance(attempts, int) else None
        try:
            headers = read_headers(body.options.get("headers") or [])
        except MessageError as error:
            return _Content(label, max_attempts=attempts, unreadable=f"the message can't run: {error}"[:_REASON])
    try:
        args, kwargs = _arguments(body.serializer, body.arguments)
    except Exception as error:  # the bytes may come from any program
        reason = f"the arguments can't be shown: {error}"[:_REASON]
        return _Content(label, max_attempts=attempts, headers=headers, unreadable=reason)
    return _Content(label, args, kwargs, attempts, headers=headers)


def _arguments(code: int, data: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
    serializer = _INSPECTED if code == _PICKLE else serializer_of_code(code)
    if len(data) > _MOST[serializer.name]:
        raise MalformedMessage(_too_large(data, serializer.name))
    return load_arguments(serializer, data)


def _too_large(data: bytes, name: SerializerName) -> str:
    return f"{len(data):,} bytes, over the limit of {_MOST[name]:,} for {name}"


def fresh(raw: bytes) -> bytes:
    """Return a message as if it had never run; other bytes are returned unchanged."""
    try:
        return Message(raw).changed(attempts=0, crashes=0)
    except MalformedMessage:
        return raw


def is_job(raw: bytes, wanted: str) -> bool:
    """Return True if a message is of the given job: its full name, or the part after the module."""
    name = job_of(raw, as_label=True)
    return name == wanted or name.rpartition(":")[2] == wanted
