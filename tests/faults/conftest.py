"""Fixtures of the fault tests: the real workers of tests/e2e, each on a server of the test's own that it may break."""

from __future__ import annotations

import pytest

from tests.conftest import OwnServer
from tests.e2e.conftest import app_queues, ledger, start_worker
from tests.support.servers import ServerProcess
from tests.support.store import Store

__all__ = ["app_queues", "ledger", "own", "start_worker", "store", "url"]


@pytest.fixture
def own(own_server: OwnServer) -> ServerProcess:
    """The test's own server, which keeps what it was given when it is killed. A module may set it up otherwise."""
    return own_server(appendonly=True)


@pytest.fixture
def url(own: ServerProcess) -> str:
    """Where workers and applications connect. A module may put a relay there."""
    return own.url


@pytest.fixture
def store(own: ServerProcess) -> Store:
    """The keys of the channel `default`, read past any relay."""
    return Store(own)
