"""The headers of a message: checked, written and read."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import ConfigError, MalformedMessage, PushError
from taskq.wire.headers import MAX_HEADERS, check_headers, read_headers, write_headers
from taskq.wire.message import Message, encode, make_body, new_id

pytestmark = pytest.mark.one_python

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
anything = st.recursive(st.none() | st.integers() | st.binary(max_size=5) | st.text(max_size=5), st.lists, max_leaves=8)


class Tenant(StrEnum):
    ACME = "acme"


@given(st.dictionaries(texts.filter(bool), texts, max_size=10))
def test_headers_come_back_as_they_were(headers: dict[str, str]) -> None:
    """Given any small map of strings, when it travels in the options of a body, then it is the same, in the same order."""
    raw = encode(new_id(), make_body("x:y", b"", 0, {"headers": write_headers(check_headers(headers))}))
    found = read_headers((Message(raw).body().options or {})["headers"])
    assert list(found.items()) == list(headers.items())


@given(st.dictionaries(anything.filter(lambda name: not isinstance(name, list)), anything, max_size=3) | anything)
def test_what_is_not_text_is_refused(headers: Any) -> None:
    """Given any other value, then it is refused with an error of the wanted class, or it was a map of strings to strings."""
    problem = ""
    try:
        assert check_headers(headers, PushError) == headers
    except PushError as error:
        problem = str(error)
    assert "header" in problem or isinstance(headers, dict)
    assert len(problem) < 500


@given(anything)
def test_stored_headers_of_any_program_are_read_or_refused(stored: Any) -> None:
    """Given any value in the place of the headers, then it is read as strings, or the message is malformed."""
    with contextlib.suppress(MalformedMessage):
        assert all(isinstance(text, str) for header in read_headers(stored).items() for text in header)


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        (["tenant", "acme"], "headers must be a mapping of names to strings; got ['tenant', 'acme']"),
        ({"tenant": 5}, "the header 'tenant' must be a string; got 5. Convert it: str(...)"),
        ({"tenant": None}, "the header 'tenant' must be a string; got None"),
        ({"tenant": b"acme"}, "the header 'tenant' must be a string; got b'acme'"),
        ({5: "acme"}, "the name of a header must be a non-empty string; got 5"),
        ({"": "acme"}, "the name of a header must be a non-empty string; got ''"),
        ({"tenant": "\ud800"}, "the header 'tenant' is not valid text: surrogates not allowed"),
        ({"a": "x" * MAX_HEADERS}, "the headers take 4,097 bytes, over the limit of 4,096 for all names and values: store the data"),
    ],
)
def test_a_refusal_names_the_header_and_the_remedy(headers: Any, problem: str) -> None:
    """Given headers that can't be stored, then the error names the header, its value and the remedy."""
    with pytest.raises(ConfigError) as caught:
        check_headers(headers)
    assert str(caught.value).startswith(problem)


def test_the_limit_counts_bytes() -> None:
    """Given names and values of exactly 4 KiB in UTF-8, then they are accepted, and a byte more is not."""
    assert check_headers({"é": "x" * (MAX_HEADERS - 2)})
    with pytest.raises(ConfigError, match=r"4,097 bytes"):
        check_headers({"é": "x" * (MAX_HEADERS - 3) + "é"})


def test_subclasses_become_plain_text() -> None:
    """Given a member of an enum and a mapping of another type, then a dict of plain text is stored."""
    checked = check_headers(MappingProxyType({Tenant.ACME: Tenant.ACME}))
    assert (checked, [type(text) for text in write_headers(checked)]) == ({"acme": "acme"}, [str, str])


@pytest.mark.parametrize("stored", ["text", 5, ["a"], ["a", "b", "c"], {"a": "b"}, ["a", 5], ["", "x"], ["a", "x" * 5000]])
def test_stored_headers_of_a_wrong_form_are_refused(stored: Any) -> None:
    """Given a body with anything but alternating names and values, then the message is malformed."""
    with pytest.raises(MalformedMessage, match="header"):
        read_headers(stored)
