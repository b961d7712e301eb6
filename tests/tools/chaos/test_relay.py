"""The relay of the chaos: passes everything on, until it is told not to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from taskq.tools.chaos.relay import Relay
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until


@pytest.fixture
def relay(server: ServerProcess) -> Iterator[Relay]:
    relay = Relay(Path(server.directory, "relay.sock"), server.socket)
    yield relay
    relay.close()


@pytest.fixture
def client(relay: Relay) -> Iterator[redis.Redis]:
    """A client that goes through the relay and repeats nothing."""
    client = redis.Redis(unix_socket_path=str(relay.path), socket_timeout=0.5, retry=Retry(NoBackoff(), 0))
    yield client
    client.close()


def for_ever(ask: Callable[[], object]) -> None:
    """Ask until that raises: an order to the relay may come after the next commands."""
    while True:
        ask()


def test_everything_passes(client: redis.Redis) -> None:
    """Given large values, then they come through whole, both ways."""
    value = bytes(range(256)) * 8192
    client.set("large", value)
    assert client.get("large") == value


def test_a_reply_is_lost_and_its_command_carried_out(relay: Relay, client: redis.Redis, server: ServerProcess) -> None:
    """Given the order to lose a reply, then the server has done what was asked, and the client finds its connection cut."""
    client.ping()
    relay.lose(1)
    with pytest.raises(redis.ConnectionError):
        for_ever(lambda: client.incr("count"))
    assert int(server.admin.get("count") or 0) >= 1
    assert client.ping()


def test_each_connection_loses_its_next_reply(relay: Relay, client: redis.Redis) -> None:
    """Given the order for every connection, then an open one is cut at its next reply, and a new one isn't."""
    client.ping()
    relay.lose_each()
    with pytest.raises(redis.ConnectionError):
        for_ever(client.ping)
    assert all(client.ping() for _ in range(10))


def test_a_request_arrives_late(relay: Relay, client: redis.Redis, server: ServerProcess) -> None:
    """Given the order to hold requests back, then the client finds its connection cut, and the server gets the request later."""
    client.ping()
    relay.hold_back(1, 0.3)
    with pytest.raises(redis.ConnectionError):
        for_ever(lambda: client.incr("count"))
    before = int(client.get("count") or 0)
    wait_until(lambda: int(server.admin.get("count") or 0) == before + 1)
    assert client.incr("count") == before + 2


def test_held_requests_can_be_delivered_at_once(relay: Relay, client: redis.Redis, server: ServerProcess) -> None:
    """Given a request that is held back for a minute, when all are to be delivered, then it arrives, and no further one is held back."""
    client.ping()
    relay.hold_back(2, 60)
    with pytest.raises(redis.ConnectionError):
        for_ever(lambda: client.incr("count"))
    before = int(server.admin.get("count") or 0)
    relay.deliver()
    wait_until(lambda: int(server.admin.get("count") or 0) == before + 1)
    assert client.incr("count") == before + 2


def test_a_request_on_a_connection_that_the_server_has_closed_never_arrives(
    relay: Relay, client: redis.Redis, server: ServerProcess
) -> None:
    """Given a request that is held back, if the server closes its connection meanwhile, then it never arrives, and the relay works on."""
    number = client.client_id()
    relay.hold_back(1, 0.3)
    with pytest.raises(redis.ConnectionError):
        for_ever(lambda: client.incr("count"))
    before = int(client.get("count") or 0)
    assert server.admin.client_kill_filter(_id=str(number)) == 1
    relay.hold_back(1, 0.3)  # that one arrives, and after the first would have
    with pytest.raises(redis.ConnectionError):
        for_ever(lambda: client.incr("other"))
    other = int(client.get("other") or 0)
    wait_until(lambda: int(server.admin.get("other") or 0) == other + 1)
    assert int(server.admin.get("count") or 0) == before


def test_a_silent_connection_is_quiet_until_it_is_cut(relay: Relay, client: redis.Redis) -> None:
    """Given the order to be silent, then an open connection answers nothing, and a new one works."""
    client.ping()
    relay.silence(5.0)
    with pytest.raises(redis.TimeoutError):
        for_ever(client.ping)
    assert client.ping()
