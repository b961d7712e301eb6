"""Headers: a small map of strings to strings that travels with a message. In the body: a list of alternating names and values."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from taskq.errors import ConfigError, MalformedMessage, TaskqError

__all__ = ["MAX_HEADERS", "check_headers", "read_headers", "write_headers"]

#: The maximum size of all names and values of a message together, in bytes of UTF-8.
MAX_HEADERS = 4096


def check_headers(headers: Any, error: type[TaskqError] = ConfigError) -> dict[str, str]:
    """Return a copy of the headers.

    Raises:
        TaskqError: of the class `error`: a name or value is not a string, or they are too large together.
    """
    if not isinstance(headers, Mapping):
        raise error(f"headers must be a mapping of names to strings; got {reprlib.repr(headers)}")
    checked: dict[str, str] = {}
    size = 0
    for name, value in headers.items():
        if not isinstance(name, str) or not name:
            raise error(f"the name of a header must be a non-empty string; got {reprlib.repr(name)}")
        if not isinstance(value, str):
            raise error(f"the header {reprlib.repr(name)} must be a string; got {reprlib.repr(value)}. Convert it: str(...)")
        try:
            size += len(name.encode()) + len(value.encode())
        except UnicodeEncodeError as wrong:
            raise error(f"the header {reprlib.repr(name)} is not valid text: {wrong.reason}") from None
        checked[str.__str__(name)] = str.__str__(value)  # of a subclass, such as an enum, the text alone
    if size > MAX_HEADERS:
        raise error(
            f"the headers take {size:,} bytes, over the limit of {MAX_HEADERS:,} for all names and values: "
            "store the data elsewhere and pass a reference to it"
        )
    return checked


def write_headers(headers: Mapping[str, str]) -> list[str]:
    """Return checked headers as they are stored."""
    return [text for header in headers.items() for text in header]


def read_headers(stored: Any) -> dict[str, str]:
    """Return the headers of a message from its options, where they are checked: any program may have written them.

    Raises:
        MalformedMessage: they are not a list of alternating names and values, or too large.
    """
    if not isinstance(stored, list) or len(stored) % 2 or not all(isinstance(text, str) for text in stored):
        raise MalformedMessage(f"the headers must be a list of alternating names and values; got {reprlib.repr(stored)}")
    return check_headers(dict(zip(stored[::2], stored[1::2], strict=True)), MalformedMessage)
