"""From redis-py's errors to taskq's."""

from __future__ import annotations

import importlib.util

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from taskq.driver.redis.address import Address
from taskq.driver.redis.errors import translate

REFUSED = RedisConnectionError("Error 111 connecting to localhost:6379. Connection refused.")


def _text(url: str) -> str:
    return str(translate(REFUSED, Address(url), "push", sent=False))


@pytest.mark.parametrize(
    ("url", "is_installed", "has_hint"),
    [("redis://localhost:6379/0", False, True), ("redis://localhost:6379/0", True, False), ("redis://localhost:6379/1", False, False)],
)
def test_without_any_server_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, url: str, is_installed: bool, has_hint: bool
) -> None:
    """Given a default URL that refuses connections, then the error names the extra `embedded`, unless it is installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if is_installed else None)
    assert ("'taskq-jobs[embedded]'" in _text(url)) == has_hint


@pytest.mark.parametrize(
    ("url", "error", "remedy"),
    [
        ("redis://h:1", REFUSED, "Start the server, or correct the address in `url`"),
        (
            "unix:///s",
            RedisConnectionError("Error 2 connecting to unix socket: /s. No such file or directory."),
            "Start the server, or correct",
        ),
        ("redis://h:1", RedisConnectionError("Error -2 connecting to h:1. Name or service not known."), "Start the server, or correct"),
        (
            "rediss://h:1",
            RedisConnectionError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate"),
            "?ssl_ca_certs=FILE; ssl_cert_reqs=none would",
        ),
        (
            "rediss://h:1",
            RedisConnectionError("Error 2 connecting to h:1. No such file or directory."),
            "A file named by an ssl_... option of the URL",
        ),
        ("redis://h:1/99", ResponseError("DB index is out of range"), "Choose a database that the server has: by default 0 to 15"),
        (
            "redis://h:1",
            ResponseError("WRONGTYPE Operation against a key"),
            "rename that key, or give the channel another prefix (`channel`",
        ),
    ],
)
def test_the_remedy_is_named(url: str, error: Exception, remedy: str) -> None:
    """Given an error that has a usual cause, then the text ends with what to do."""
    assert remedy in str(translate(error, Address(url), "push", sent=False))
