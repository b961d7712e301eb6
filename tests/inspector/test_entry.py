"""A message as an operator sees it: reading and showing it takes bounded time and memory, with any bytes."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskq.channel import State
from taskq.cli.output import json_text
from taskq.inspector import Entry
from taskq.inspector.entry import Place, read_entry
from taskq.wire.foreign import job_of
from taskq.wire.history import pack_record, record_of
from taskq.wire.message import encode, make_body, new_id, wrap_foreign
from tests.support.hostile import BOMBS, any_bytes, damaged, message_of, pickles
from tests.support.limits import run_limited

PLACE = Place(channel="default", state=State.FAILED, now_ms=1e12, score_ms=9e11)
#: What a page may show of one message: the text of 16 million characters, escaped, and its records.
LARGEST = 100_000_000


def read(raw: bytes) -> Entry:
    return read_entry(raw, PLACE, lambda _: (None, ""))


def show(raw: bytes) -> None:
    """Read and show a message in every way."""
    job_of(raw)
    entry = read(raw)
    assert len(entry.arguments()) <= 1 << 20
    assert len(entry.arguments(200)) <= 200
    assert len(json_text(entry.to_dict())) < LARGEST
    assert len(entry.unreadable) <= 2000


def show_bombs(current: Path) -> None:
    for name, made in BOMBS.items():
        current.write_text(name)
        show(made())


@pytest.mark.timeout(300)
@pytest.mark.one_python
def test_a_message_is_shown_in_bounded_time_and_memory(tmp_path: Path) -> None:
    """Given messages that describe huge values, then a process with little memory and CPU time reads and shows each of them."""
    current = tmp_path / "current"
    assert run_limited(show_bombs, current) == 0, current.read_text()


def test_a_large_message_is_named_even_if_its_arguments_can_t_be_shown() -> None:
    """Given arguments over the limit, then the job is shown, and the reason with the limit."""
    entry = read(message_of("msgpack", bytes(1 << 18)))
    assert entry.job == "hostile:job"
    assert entry.unreadable == "the arguments can't be shown: 262,144 bytes, over the limit of 131,072 for msgpack"
    plain = read(b'{"job": "x:y", "args": ["' + b"x" * (1 << 23) + b'"]}')
    assert (plain.job, plain.args) == ("x:y", ())
    assert "over the limit of 8,388,608 for json" in plain.unreadable


foreign = st.just(b'{"job": "x:y", "args": [1, {"a": null}], "kwargs": {"b": []}, "max_attempts": 3}')
messages = st.builds(message_of, st.just("pickle"), pickles) | st.sampled_from(
    [message_of("json", b'[[1,"a"],{"b":null}]'), message_of("msgpack", b"\x92\x91\x01\x81\xa1a\x92\x01\x02")]
)


@settings(deadline=None)
@given(any_bytes | damaged(foreign) | damaged(messages))
def test_any_bytes_are_shown(raw: bytes) -> None:
    """Given any bytes, then there is an entry with a bounded text and valid JSON, or with the reason why there is none."""
    entry = read(raw)
    assert len(entry.arguments(500)) <= 500
    json_text(entry.to_dict())


@pytest.mark.one_python
def test_bytes_that_are_not_json_are_shown_as_they_were_pushed() -> None:
    """Given malformed JSON of another client, then its text is shown, also after a worker has added a head and a reason."""
    raw = b'{"job": "shop:add", "args": [1,'
    failed = wrap_foreign(raw) + pack_record(record_of("failed", "box:1", 1, "MalformedMessage"))
    for one in (raw, failed):
        entry = read(one)
        assert entry.arguments() == repr(raw)
        assert entry.unreadable == "a JSON message that can't run: Input data was truncated"


@pytest.mark.one_python
def test_headers_are_shown() -> None:
    """Given headers, of taskq or of another language, then the entry has them; those of a wrong form are named as unreadable."""

    def body(headers: object) -> bytes:
        return encode(new_id(), make_body("x:y", pickle.dumps((1,)), 0, {"headers": headers}))

    for raw in (body(["tenant", "acme"]), b'{"job": "x:y", "headers": {"tenant": "acme"}}'):
        entry = read(raw)
        assert (entry.headers, entry.to_dict()["headers"]) == ({"tenant": "acme"}, {"tenant": "acme"})
    assert (read(body([])).headers, read(message_of("json", b"[[],{}]")).to_dict()["headers"]) == ({}, {})
    for wrong in (["tenant"], {"a": "b"}, ["a", "x" * 5000], 5):
        entry = read(body(wrong))
        assert (entry.job, entry.headers) == ("x:y" if wrong != {"a": "b"} else "", {})
        assert entry.unreadable
