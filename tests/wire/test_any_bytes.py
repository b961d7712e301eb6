"""Any bytes in the server: each decoder returns a bounded value, or raises the error that its docstring names, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskq.config import load_settings
from taskq.driver.redis.driver import RedisDriver
from taskq.errors import MessageError, ResultError
from taskq.handle.cancel import CancelRequest, pack_request, read_request
from taskq.handle.status import Status, ask_status
from taskq.handle.subject import Subject
from taskq.wire.activity import is_verified_activity, read_activity, signed_activity
from taskq.wire.codec import check_serializer
from taskq.wire.ending import Ending, pack_ending, pack_part, read_ending, read_part
from taskq.wire.foreign import job_of, read_foreign
from taskq.wire.history import Record, add_record, is_verified, pack_record, records, unparked
from taskq.wire.message import Message, encode, make_body
from taskq.wire.progress import Progress, pack_progress, read_progress
from taskq.wire.signing import Signer
from tests.support.hostile import any_bytes, damaged

IDENTITY = bytes(range(16))
MESSAGES, REPORTS = Signer(["secret"], "queue"), Signer(["secret"], "queue", "result")
JSON = check_serializer("json")

RECORD = Record("failed", 1_700_000_000_000, "w1", 1, "ValueError: é", "Traceback")
MESSAGE = encode(IDENTITY, make_body("x:y", b"[[1],{}]", 1, {"max_attempts": 3, "retry_seconds": [1.0]}), 0, MESSAGES)
ENDING = Ending("done", 1_700_000_000_000, 1, "w1", value=b"[1]", serializer=1)
PROGRESS = Progress(1.0, 4.0, "é", 1_700_000_000_000, 1)
REQUEST = CancelRequest("ops", True, 1_700_000_000_000, b"data", 1000)


def _history(raw: bytes, signer: Signer | None) -> None:
    found = records(raw)
    assert sum(len(one.error) + len(one.traceback) + len(one.worker) for one in found) <= len(raw)
    for one in found:
        if signer is not None:
            is_verified(one, IDENTITY, signer)
    assert len(add_record(raw, RECORD, IDENTITY, signer)) <= 65_536 + 100
    unparked(raw, IDENTITY, signer)


def _message(raw: bytes, signer: Signer | None) -> None:
    message = Message(raw)
    _history(message.history_bytes(), REPORTS if signer else None)
    message.changed(attempts=1)
    message.body(signer)


def _status(raw: bytes, signer: Signer | None) -> None:
    """Ask for the status of a message whose progress and result are these bytes."""
    driver = RedisDriver("redis://localhost", load_settings(environ={}).channel("default"))
    steps = ask_status(driver, Subject(IDENTITY.hex(), "default", signer))
    next(steps)
    steps.send([raw])
    with pytest.raises(StopIteration) as stopped:
        steps.send(raw)
    assert isinstance(stopped.value.value, Status)


def _progress(raw: bytes, signer: Signer | None) -> None:
    found = read_progress(raw, IDENTITY, signer)
    assert found is None or len(found.message) <= 500


#: What reads bytes, with and without a secret; valid bytes of its kind; and what it may raise.
DECODERS: dict[str, tuple[Callable[[bytes, Signer | None], object], list[bytes], tuple[type[Exception], ...]]] = {
    "message": (_message, [MESSAGE + pack_record(RECORD), MESSAGE + pack_record(RECORD, IDENTITY, REPORTS)], (MessageError,)),
    "job": (lambda raw, _: job_of(raw), [MESSAGE, b'{"job":"x:y"}'], ()),
    "JSON message": (
        lambda raw, _: read_foreign(raw),
        [b'{"job":"x:y","args":[1],"kwargs":{"a":[null]},"max_attempts":3}'],
        (MessageError,),
    ),
    "history": (_history, [pack_record(RECORD) * 3, pack_record(RECORD, IDENTITY, REPORTS) * 2], ()),
    "result": (
        lambda raw, signer: read_ending(raw, IDENTITY, signer),
        [pack_ending(ENDING, IDENTITY, None), pack_ending(ENDING, IDENTITY, REPORTS)],
        (MessageError,),
    ),
    "item of a stream": (
        lambda raw, signer: read_part(raw, 1, IDENTITY.hex(), signer or REPORTS),
        [pack_part(1, b"[1]", JSON, IDENTITY, REPORTS), pack_part(1, b"[1]", JSON, IDENTITY, None)],
        (MessageError, ResultError),
    ),
    "progress": (_progress, [pack_progress(PROGRESS), pack_progress(PROGRESS, IDENTITY, REPORTS)], ()),
    "status": (
        _status,
        [pack_ending(ENDING, IDENTITY, None), pack_progress(PROGRESS), pack_ending(ENDING, IDENTITY, REPORTS)],
        (MessageError,),
    ),
    "cancel request": (
        lambda raw, signer: read_request(raw, IDENTITY, signer),
        [pack_request(REQUEST, IDENTITY, None), pack_request(REQUEST, IDENTITY, REPORTS)],
        (MessageError,),
    ),
}


@pytest.mark.parametrize("is_signed", [False, True], ids=["no secret", "secret"])
@pytest.mark.parametrize("name", DECODERS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_bytes_are_a_value_or_an_error(name: str, is_signed: bool, data: st.DataObject) -> None:
    """Given any bytes, or valid ones with a few changes, then reading them gives a bounded value, or an error of taskq."""
    decode, valid, errors = DECODERS[name]
    raw = data.draw(any_bytes | damaged(st.sampled_from(valid)))
    signer = (MESSAGES if name == "message" else REPORTS) if is_signed else None
    with contextlib.suppress(*errors):
        decode(raw, signer)


#: What is signed, and how its signature is checked.
SIGNED: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "message": (MESSAGE[25:], lambda raw: Message(MESSAGE[:21] + len(raw).to_bytes(4) + raw).body(MESSAGES)),
    "result": (pack_ending(ENDING, IDENTITY, REPORTS), lambda raw: read_ending(raw, IDENTITY, REPORTS)),
    "item of a stream": (pack_part(1, b"[1]", JSON, IDENTITY, REPORTS), lambda raw: read_part(raw, 1, IDENTITY.hex(), REPORTS)),
    "progress": (pack_progress(PROGRESS, IDENTITY, REPORTS), lambda raw: _sure(read_progress(raw, IDENTITY, REPORTS), PROGRESS)),
    "cancel request": (
        pack_request(REQUEST, IDENTITY, REPORTS),
        lambda raw: _sure(_unsigned(read_request(raw, IDENTITY, REPORTS)), _unsigned(REQUEST)),
    ),
    "record": (
        pack_record(RECORD, IDENTITY, REPORTS)[4:],
        lambda raw: _sure([is_verified(one, IDENTITY, REPORTS) for one in records(len(raw).to_bytes(4) + raw)], [True]),
    ),
}


def _sure(found: object, expected: object) -> None:
    if found != expected:
        raise MessageError("not verified")


def _unsigned(request: CancelRequest) -> tuple[Any, ...]:
    return request.by, request.kill, request.at_ms, request.data, request.ttl_ms


@pytest.mark.parametrize("name", SIGNED)
@settings(deadline=None)
@given(data=st.data())
def test_no_changed_byte_is_verified(name: str, data: st.DataObject) -> None:
    """Given signed bytes of which one bit is changed, then they are not verified: they are refused, or not shown as true."""
    raw, check = SIGNED[name]
    check(raw)
    position, bit = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, 7))
    changed = raw[:position] + bytes([raw[position] ^ (1 << bit)]) + raw[position + 1 :]
    with pytest.raises((MessageError, ResultError)):
        check(changed)


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("other", SIGNED)
def test_no_kind_of_data_is_verified_as_another(name: str, other: str) -> None:
    """Given signed bytes of one kind, when they are read as another kind, then they are not verified."""
    if name != other:
        with pytest.raises((MessageError, ResultError)):
            SIGNED[name][1](SIGNED[other][0])


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=5))
def test_any_report_of_a_worker_is_read(pairs: list[tuple[bytes, bytes]]) -> None:
    """Given any fields in the place of a worker's report, then they are read and not verified; those of its supervisor are."""
    fields = read_activity([word for pair in pairs for word in pair])
    assert not is_verified_activity("w1", fields, REPORTS)
    signed = signed_activity("w1", {**fields, "job": "é", "pid": 5}, REPORTS)
    stored = read_activity([word for name, value in signed.items() for word in (name.encode(), str(value).encode())])
    assert is_verified_activity("w1", stored, REPORTS)
    assert is_verified_activity("w1", {**stored, "fate": "lost"}, REPORTS)
    assert not is_verified_activity("w2", stored, REPORTS)
    assert not is_verified_activity("w1", {**stored, "pid": "6"}, REPORTS)


def test_a_record_belongs_to_one_message() -> None:
    """Given a signed record, when it is moved to another message, then it isn't verified there, nor in another channel."""
    (found,) = records(pack_record(RECORD, IDENTITY, REPORTS))
    assert is_verified(found, IDENTITY, REPORTS)
    assert not is_verified(found, bytes(16), REPORTS)
    assert not is_verified(found, IDENTITY, Signer(["secret"], "other", "result"))


def test_a_shortened_history_stays_verified() -> None:
    """Given signed records with long tracebacks, when the oldest lose theirs, then they are signed again; a forged one is not."""
    forged = pack_record(Record("failed", 1, "w1", 1, "forged", "x" * 12_000))
    data = forged
    for attempt in range(10):
        data = add_record(data, Record("failed", 1, "w1", attempt, "e", "x" * 12_000), IDENTITY, REPORTS)
    first, *others = records(data)
    assert (first.error, first.traceback, others[0].traceback) == ("forged", "", "")
    assert [is_verified(one, IDENTITY, REPORTS) for one in (first, *others)] == [False] + [True] * len(others)


def test_reports_belong_to_one_channel() -> None:
    """Given the signed progress of one channel, when it is copied to the keys of another, then it isn't verified there."""
    assert read_progress(pack_progress(PROGRESS, IDENTITY, REPORTS), IDENTITY, Signer(["secret"], "other", "result")) is None
