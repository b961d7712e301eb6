"""Fixtures of the driver's tests: the same channel on every kind of server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.driver.store import Store
from tests.support.servers import ServerProcess

MakeStore = Callable[..., Store]


@pytest.fixture(params=["server", "redis_server", "old_redis"], ids=["valkey", "redis-7", "redis-6.2"])
def any_server(request: pytest.FixtureRequest) -> ServerProcess:
    """Valkey, Redis 7 and Redis 6.2, one after another."""
    found: ServerProcess = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def make_store(any_server: ServerProcess, prefix: str) -> Iterator[MakeStore]:
    """Makes a channel with settings of its own."""
    with ExitStack() as stack:

        def make(**settings: object) -> Store:
            return stack.enter_context(closing(Store(any_server, prefix, **settings)))

        yield make


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    """A channel with the default settings."""
    return make_store()
