"""JSON messages of other clients."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import MalformedMessage
from taskq.wire.foreign import ForeignCall, job_of, read_foreign
from taskq.wire.message import wrap_foreign

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=8,
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
headers = st.dictionaries(names, st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=3)


@given(names, st.lists(json_values), st.dictionaries(names, json_values), st.none() | st.integers(1, 65535), st.none() | headers)
def test_what_another_client_writes_is_read(
    job: str, args: list[Any], kwargs: dict[str, Any], max_attempts: int | None, headers: dict[str, str] | None
) -> None:
    """Given a JSON object in the agreed form, by any JSON library, then it is read as it was written."""
    written = {"job": job, "args": args, "kwargs": kwargs, "max_attempts": max_attempts, "headers": headers}
    for ascii_only in (True, False):
        data = json.dumps(written, ensure_ascii=ascii_only, indent=1 if ascii_only else None).encode()
        assert read_foreign(data) == ForeignCall(job, args, kwargs, max_attempts, headers)


def test_a_usual_message_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a JSON object in the agreed form, then it is not checked for what other languages may write, which takes as long again."""
    monkeypatch.setattr("taskq.wire.foreign._decode_written", lambda _: pytest.fail("decoded again"))
    assert read_foreign(b'{"job": "x:y", "args": [1]}') == ForeignCall("x:y", [1], {}, None)


def test_arguments_may_be_left_out() -> None:
    """Given the job alone, then it is called without arguments, and two calls don't share them."""
    first, second = read_foreign(b'{"job": "x:y"}'), read_foreign(b'\n {"job": "x:y"} \n')
    assert first == second == ForeignCall("x:y", [], {}, None)
    first.args.append(1)
    assert second.args == []
    assert read_foreign(b'{"job": "x:y"}').args == []


@pytest.mark.parametrize(
    "fields",
    [
        '"args":[],"kwargs":[]',  # PHP: json_encode(["args" => [], "kwargs" => []])
        '"args":{},"kwargs":{}',  # Lua: cjson.encode({args = {}, kwargs = {}})
        '"args":null,"kwargs":null,"max_attempts":null',  # Go: nil slices and maps
    ],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_no_arguments_in_the_form_of_any_language(fields: str, mark: bytes) -> None:
    """Given a call without arguments as PHP, Lua and Go write it, with or without a byte order mark, then it has none."""
    content = mark + f'{{"job":"x:y",{fields}}}'.encode()
    assert read_foreign(content) == ForeignCall("x:y", [], {}, None)
    assert job_of(content) == job_of(wrap_foreign(content)) == "x:y"


@pytest.mark.parametrize(
    "content",
    [
        '{"job":"jobs:send_email","args":["ben@example.org"],"kwargs":{"subject":"from PHP"}}',
        '{"kwargs":{"subject":"from Lua"},"args":["cleo@example.org"],"job":"jobs:send_email"}',
        '{"job":"jobs:send_email","args":["dora@example.org"],"kwargs":{"subject":"from Node.js"}}',
        '{"job":"jobs:send_email","args":["emil@example.org"],"kwargs":{"subject":"from Go"}}',
    ],
)
def test_the_messages_of_the_programs_in_the_guide_are_read(content: str) -> None:
    """Given what the programs on the page about other languages wrote, then each is a call with its arguments."""
    call = read_foreign(content.encode())
    assert (call.job, len(call.args), list(call.kwargs)) == ("jobs:send_email", 1, ["subject"])


def test_a_number_of_attempts_may_be_written_as_a_float() -> None:
    """Given a language that has only floats, then 3.0 is 3."""
    attempts = read_foreign(b'{"job":"x:y","max_attempts":3.0}').max_attempts
    assert (attempts, type(attempts)) == (3, int)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"args": [1]}', "job"),
        (b'{"job": 5}', "job"),
        (b'{"job": null}', "job"),
        (b'{"job": "x:y", "args": {"to": 1}}', "args"),
        (b'{"job": "x:y", "args": "a"}', "args"),
        (b'{"job": "x:y", "args": false}', "args must be a list; got a boolean"),
        (b'{"job": "x:y", "kwargs": 0}', "kwargs must be an object; got a number"),
        (b'{"job": "x:y", "kwargs": ""}', "kwargs must be an object; got a string"),
        (b'{"job": "x:y", "args": {"1": "a"}}', "args must be a list; got an object"),
        (b'{"job": "x:y", "kwargs": ["a"]}', "kwargs must be an object; got a list"),
        (b'{"job": "x:y", "max_attempts": 1e300}', "1 to 65535"),
        (b'{"job": "x:y", "max_attempts": true}', "max_attempts"),
        (b'{"job": "x:y", "arg": [1]}', "arg"),
        (b'{"job": "x:y", "delay": 5}', "delay"),
        (b'{"job": "x:y", "max_attempts": 0}', "1 to 65535"),
        (b'{"job": "x:y", "max_attempts": 65536}', "1 to 65535"),
        (b'{"job": "x:y", "max_attempts": 1.5}', "max_attempts"),
        (b'{"job": "x:y"', "JSON"),
        (b'{"job": "x:y"} {"job": "x:y"}', "JSON"),
        (b'{"job": "x\xff"}', "JSON"),
        (b'{"job": "x:y", "args": [NaN]}', "JSON"),
        (b'{"job": "x:y", "args": ' + b"[" * 100_000, "JSON"),
        (b'{"job": "x:y", "args": ' + b'{"a":' * 100_000, "JSON"),
        (b'[{"job": "x:y"}]', "not a message"),
        (b'"x:y"', "not a message"),
        (b"null", "not a message"),
        (b"", "not a message"),
        (b"hello", "not a message"),
        (b"\x80\x05K\x01.", "not a message"),
        (b"\xef\xbb\xbf{}", "a JSON message that can't run: .*`job`"),
        (b"\xef\xbb\xbf", "not a message"),
        ('{"job": "x:y"}'.encode("utf-16"), "not a message"),
    ],
)
def test_what_is_not_in_that_form_is_refused_with_the_reason(content: bytes, why: str) -> None:
    """Given a mistake, then the error describes it, so that the producer can be fixed."""
    with pytest.raises(MalformedMessage, match=why):
        read_foreign(content)


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda data: b'{"job": "' + data))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Given any bytes, then MalformedMessage is the only thing that can go wrong, and its text can be printed."""
    try:
        read_foreign(content)
    except MalformedMessage as error:
        str(error).encode()


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ('{"tenant": 5}', "the header 'tenant' must be a string; got 5"),
        ('{"": "x"}', "the name of a header must be a non-empty string; got ''"),
        ('["tenant", "acme"]', "headers must be a mapping of names to strings; got ['tenant', 'acme']"),
        ('"tenant"', "headers must be a mapping of names to strings; got 'tenant'"),
        ('{"tenant": "' + "x" * 5000 + '"}', "the headers take 5,006 bytes, over the limit of 4,096"),
    ],
)
def test_wrong_headers_are_refused(headers: str, problem: str) -> None:
    """Given headers of a wrong form or size, then the message is malformed, for the same reason as a push in Python is refused."""
    with pytest.raises(MalformedMessage) as caught:
        read_foreign(f'{{"job": "x:y", "headers": {headers}}}'.encode())
    assert problem in str(caught.value)
