"""From redis-py's errors to taskq's."""

from __future__ import annotations

import importlib.util

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

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
