"""The bytes of a message: what is written is read back, and nothing that isn't a message is taken for one."""

from __future__ import annotations

import itertools
import os
import threading
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import MalformedMessage, SignatureError, UnsupportedVersion
from taskq.wire import message as module
from taskq.wire.history import add_record, record_of, records
from taskq.wire.message import HEAD_SIZE, Body, Flag, Message, encode, encode_all, is_stamped, make_body, message_id, new_id, wrap_foreign
from taskq.wire.signing import Signer

BODY = make_body("shop.jobs:send", b"\x80\x05arguments", 0, {"max_attempts": 5})
HISTORY = add_record(b"", record_of("failed", "worker-1", 1, "it failed"))
#: The places in the head that scripts change and no signature covers: crashes and attempts.
UNSIGNED_PLACES = {1, 18, 19}

options_maps = st.none() | st.dictionaries(
    st.text(max_size=20),
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=20) | st.lists(st.floats(allow_nan=False)),
)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary(max_size=300), st.integers(0, 255), options_maps)
def test_what_is_encoded_is_read_back(job: str, arguments: bytes, serializer: int, options: dict[str, Any] | None) -> None:
    """Given any job, arguments and options, when they are encoded and read, then they are the same."""
    identity = new_id()
    message = Message(encode(identity, make_body(job, arguments, serializer, options)))
    assert message.id == identity
    assert message.hex_id == identity.hex()
    assert message.body() == Body(job, arguments, serializer, options or None)
    assert (message.version, message.crashes) == (1, 0)
    assert (message.attempts, message.flags, message.history_bytes()) == (0, 0, b"")


@given(st.integers(0, 70_000), st.integers(0, 255), st.booleans())
def test_counts_and_history_change_and_the_body_stays(attempts: int, crashes: int, signed: bool) -> None:
    """Given a message, when its counts and history change, then the body and its signature stay valid; counts end at their bound."""
    signer = Signer(["s"], "queue") if signed else None
    message = Message(encode(new_id(), BODY, Flag.LOST_IS_TIMEOUT, signer))
    changed = Message(message.changed(attempts=attempts, crashes=crashes, history=HISTORY))
    assert changed.body(signer) == message.body(signer)
    assert (changed.attempts, changed.crashes) == (min(attempts, 65535), crashes)
    assert changed.id == message.id
    assert changed.history_bytes() == HISTORY
    assert Message(changed.changed()).raw == changed.raw


def test_a_message_with_small_arguments_is_small() -> None:
    """Given a call with one small argument, then head and body leave room in the budget of 110 bytes."""
    raw = encode(new_id(), make_body("shop.jobs:send_email", b"\x80\x05\x95\x11\x00\x00\x00\x00\x00\x00\x00\x8c\na@b.c\x94\x85\x94."))
    assert len(raw) <= 80


@given(st.binary(max_size=60) | st.binary(min_size=HEAD_SIZE, max_size=200).map(lambda data: bytes([data[0] % 10]) + data[1:]))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Given any bytes, when they are read as a message, then a MessageError is the only thing that can go wrong."""
    try:
        message = Message(raw)
    except MalformedMessage:
        return
    records(message.history_bytes())
    assert isinstance(message.changed(attempts=1), bytes)
    try:
        message.body()
    except (MalformedMessage, UnsupportedVersion):
        return


@pytest.mark.parametrize(
    "raw", [b"", b"\x01", b"hello world, I am no message at all", b"\x80\x05K\x01." * 9, b'{"job": "x"}' * 3, b"\t" * 40]
)
def test_what_has_no_head_is_no_message(raw: bytes) -> None:
    """Given text, pickles and JSON, then they carry no head, and the error shows how they begin."""
    assert not is_stamped(raw)
    with pytest.raises(MalformedMessage, match="are not a message"):
        Message(raw)


@pytest.mark.parametrize("signed", [False, True])
def test_a_message_that_is_cut_off_is_refused(signed: bool) -> None:
    """Given a message without history, when it is cut anywhere, then it is refused: by the head, or as too short to be one."""
    raw = encode(new_id(), BODY, 0, Signer(["s"], "queue") if signed else None)
    for length in range(len(raw)):
        with pytest.raises(MalformedMessage):
            Message(raw[:length])


def test_a_history_that_is_cut_off_never_hinders_the_message() -> None:
    """Given a message with history, when the history is cut, then the body is read and the whole records are kept."""
    raw = Message(encode(new_id(), BODY)).changed(history=HISTORY + HISTORY)
    for length in range(len(raw) - 2 * len(HISTORY), len(raw)):
        message = Message(raw[:length])
        assert message.body().job == "shop.jobs:send"
        assert len(records(message.history_bytes())) == (1 if length >= len(raw) - len(HISTORY) else 0)


@pytest.mark.parametrize("version", range(2, 9))
def test_a_newer_message_is_distinguished_from_garbage(version: int) -> None:
    """Given a message of a newer taskq, then it has an id and is unchanged, and the error asks for an update."""
    raw = bytes([version]) + encode(new_id(), BODY)[1:] + b"something new"
    message = Message(raw)
    assert message.id == raw[2:18]
    assert message.changed(attempts=9, crashes=9, history=b"x") == raw
    assert message.history_bytes() == b""
    with pytest.raises(UnsupportedVersion, match=f"version {version}.*update"):
        message.body()


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x90", b"\x91\xa1x", b"\x92\xa1x\xa1x", b"\x92\xa2\xff\xfe\xc4\x00", b"\x91" * 5000]
)
def test_a_body_that_is_none_is_malformed(body: bytes) -> None:
    """Given a good head over garbage, then reading the body is a MalformedMessage."""
    with pytest.raises(MalformedMessage, match="body can't be read"):
        Message(encode(new_id(), body)).body()


def test_a_signed_message_whose_size_leaves_no_room_for_the_signature() -> None:
    """Given the flag of a signature over fewer bytes than one has, then it is refused, with a signer and without."""
    raw = encode(new_id(), b"123", Flag.SIGNED)
    with pytest.raises(SignatureError):
        Message(raw).body(Signer(["s"], "queue"))
    with pytest.raises(MalformedMessage):
        Message(raw).body()


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_byte_of_a_signed_message_is_guarded(mask: int) -> None:
    """Given a signed message with history, when any byte of it is changed, then it is refused, or what runs is the same as before."""
    signer = Signer(["secret"], "queue")
    original = Message(Message(encode(new_id(), BODY, Flag.LOST_IS_TIMEOUT, signer)).changed(attempts=1, history=HISTORY))
    body = original.body(signer)
    end_of_body = len(original.raw) - len(HISTORY)
    for place in range(len(original.raw)):
        forged = bytearray(original.raw)
        forged[place] ^= mask
        try:
            message = Message(bytes(forged))
            found = message.body(signer)
        except (MalformedMessage, SignatureError, UnsupportedVersion):
            assert place not in UNSIGNED_PLACES
            continue
        assert place in UNSIGNED_PLACES or place >= end_of_body, f"byte {place} may be changed"
        assert found == body
        assert (message.id, message.flags) == (original.id, original.flags)
        records(message.history_bytes())


def test_bytes_can_be_neither_added_to_a_signed_body_nor_taken() -> None:
    """Given a signed message, when its size is changed so that history counts as body, or body as history, then it is refused."""
    signer = Signer(["secret"], "queue")
    raw = Message(encode(new_id(), BODY, 0, signer)).changed(history=HISTORY)
    size = int.from_bytes(raw[21:25], "big")
    for other in range(size + len(HISTORY) + 1):
        forged = raw[:21] + other.to_bytes(4, "big") + raw[25:]
        if other == size:
            Message(forged).body(signer)
            continue
        with pytest.raises(SignatureError):
            Message(forged).body(signer)


def test_a_foreign_message_keeps_its_bytes() -> None:
    """Given bytes of another client, when they get a head, then they have an id and counters, and can be read back completely."""
    raw = b'{"job": "x:y", "args": [1]}'
    first, second = Message(wrap_foreign(raw)), Message(wrap_foreign(raw))
    assert first.id != second.id
    assert first.is_foreign
    assert first.content() == raw
    changed = Message(first.changed(attempts=2, crashes=1, history=HISTORY))
    assert (changed.content(), changed.attempts, changed.crashes) == (raw, 2, 1)
    with pytest.raises(MalformedMessage):
        first.body()


def test_a_foreign_message_is_refused_where_messages_are_signed() -> None:
    """Given a secret, when a message was wrapped from foreign bytes, even with the flag of a signature, then it is refused."""
    signer = Signer(["secret"], "queue")
    wrapped = bytearray(wrap_foreign(b'{"job": "x:y"}'))
    for flags in (0, Flag.SIGNED):
        wrapped[20] = flags
        with pytest.raises(SignatureError, match="is not signed"):
            Message(bytes(wrapped)).body(signer)


def test_ids_grow_and_contain_the_time() -> None:
    """Given many ids made one after another, then they are unique and ordered as bytes, and hold the time of the push."""
    before = time.time_ns() // 1_000_000
    ids = [new_id() for _ in range(20_000)]
    after = time.time_ns() // 1_000_000
    assert ids == sorted(set(ids))
    assert before <= Message(encode(ids[0], BODY)).pushed_at_ms <= Message(encode(ids[-1], BODY)).pushed_at_ms <= after
    assert all(len(identity) == 16 for identity in ids)


def test_ids_grow_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a clock that jumps an hour back, then ids go on growing."""
    ids = [new_id()]
    monkeypatch.setattr(module, "now_ms", lambda: time.time_ns() // 1_000_000 - 3_600_000)
    ids += [new_id() for _ in range(10)]
    ids += map(message_id, encode_all([BODY] * 10))
    assert ids == sorted(set(ids))


def test_ids_grow_when_the_counter_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a counter at its end and a clock that has stopped, then the next ids are still greater."""
    now = time.time_ns() // 1_000_000
    monkeypatch.setattr(module, "now_ms", lambda: now)
    monkeypatch.setattr(module._ids, "_count", itertools.count(0xFFFFFFFD))
    ids = [new_id(), *map(message_id, encode_all([BODY] * 4)), new_id()]
    assert all(earlier < later for earlier, later in pairwise(ids))


@pytest.mark.one_python
@pytest.mark.parametrize("signer", [None, Signer(["secret"], "queue")])
def test_bodies_encoded_together_are_messages_like_any_other(signer: Signer | None) -> None:
    """Given bodies, when they are encoded together, then each is the message that it is alone with the same id, signed if asked for."""
    before = time.time_ns() // 1_000_000
    bodies = [make_body("job", bytes(size)) for size in (0, 1, 300, 70_000)]
    messages = encode_all(bodies, int(Flag.LOST_IS_RETRY), signer)
    assert messages == [encode(message_id(raw), body, int(Flag.LOST_IS_RETRY), signer) for raw, body in zip(messages, bodies, strict=True)]
    assert before <= Message(messages[0]).pushed_at_ms <= time.time_ns() // 1_000_000
    assert encode_all([]) == []


def test_ids_of_threads_never_meet() -> None:
    """Given threads that make ids at once, then each thread's are ordered and no two are equal."""
    made: list[list[bytes]] = []

    def make() -> None:
        made.append([new_id() for _ in range(5_000)])

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ids == sorted(ids) for ids in made)
    assert len({identity for ids in made for identity in ids}) == 40_000


def test_ids_of_forked_children_never_meet() -> None:
    """Given children forked from one parent, when all make ids, then no two are equal, whatever the parent had made before."""
    new_id()
    outputs = []
    for _ in range(4):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(b"".join(new_id() for _ in range(200)))
                pipe.flush()
                os._exit(0)
        os.close(writing)
        outputs.append((pid, reading))
    ids = [new_id() for _ in range(200)]
    for pid, reading in outputs:
        with os.fdopen(reading, "rb") as pipe:
            data = pipe.read()
        os.waitpid(pid, 0)
        ids += [data[start : start + 16] for start in range(0, len(data), 16)]
    assert len(ids) == len(set(ids)) == 1000


def test_a_fork_while_another_thread_makes_ids_is_no_deadlock() -> None:
    """Given threads that make ids all the time, when the process forks, then the child can make ids too."""
    stop = threading.Event()

    def make() -> None:
        while not stop.is_set():
            new_id()

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                new_id()
                os._exit(0)
            _wait_for(pid)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _wait_for(pid: int) -> None:
    deadline = time.monotonic() + 10
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            pytest.fail("the forked child hangs in new_id()")
        time.sleep(0.001)
