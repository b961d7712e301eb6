"""The relay does what a test tells it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.relay import Relay
from tests.support.servers import RedisClient, ServerProcess


@pytest.fixture
def relay(server: ServerProcess) -> Iterator[Relay]:
    with Relay(server.socket) as made:
        yield made


@pytest.fixture
def client(relay: Relay) -> Iterator[RedisClient]:
    made = redis.Redis.from_url(relay.url, retry=Retry(NoBackoff(), 0), socket_timeout=0.5)
    yield made
    made.close()


def test_it_passes_on(relay: Relay, client: RedisClient) -> None:
    """Given a relay that was told nothing, then requests and replies go through, also large ones."""
    client.set("a", b"x" * 3_000_000)
    assert client.get("a") == b"x" * 3_000_000
    assert relay.connections == 1
    assert any(b"GET" in request for request in relay.requests)


def test_a_lost_reply_is_of_a_request_that_was_done(relay: Relay, client: RedisClient, server: ServerProcess) -> None:
    """Given a lost reply, then the client's connection breaks, and the server has done what it was asked, once."""
    client.ping()
    relay.lose_reply()
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert server.admin.get("n") == b"1"
    assert client.incr("n") == 2


def test_a_lost_request_is_not_done(relay: Relay, client: RedisClient, server: ServerProcess) -> None:
    """Given a lost request, then the client's connection breaks, and the server knows nothing of it."""
    client.ping()
    relay.lose_request()
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert server.admin.get("n") is None
    assert client.incr("n") == 1


def test_a_swallowed_reply_is_waited_for(relay: Relay, client: RedisClient, server: ServerProcess) -> None:
    """Given a swallowed reply, then the client waits until its own timeout."""
    client.ping()
    relay.swallow_reply()
    with pytest.raises(redis.TimeoutError):
        client.incr("n")
    assert server.admin.get("n") == b"1"


def test_replies_can_be_delayed_and_held(relay: Relay, client: RedisClient) -> None:
    """Given a delay, then replies come late; given a hold, then nothing comes until the release."""
    client.ping()
    relay.delay = 0.1
    before = time.monotonic()
    client.ping()
    assert time.monotonic() - before >= 0.1
    relay.delay = 0
    relay.hold()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    relay.release()
    assert client.ping()


def test_connections_can_be_cut_and_refused(relay: Relay, client: RedisClient) -> None:
    """Given a cut, then every connection breaks; given a refusal, then no new one is of any use."""
    client.ping()
    relay.cut()
    assert client.ping()  # redis-py looks at a connection before it uses it again
    assert relay.connections == 2
    relay.refusing = True
    relay.cut()
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            client.ping()
    relay.refusing = False
    assert client.ping()


def test_the_reply_to_one_command_is_lost(relay: Relay, client: RedisClient, server: ServerProcess) -> None:
    """Given a command whose reply shall be lost, then others are answered, and its own connection breaks once it was done."""
    relay.lose_reply_to(b"INCR")
    client.ping()
    assert relay.is_armed
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert not relay.is_armed
    assert server.admin.get("n") == b"1"
    assert client.incr("n") == 2


def test_a_silent_connection_has_no_end(relay: Relay, client: RedisClient, server: ServerProcess) -> None:
    """Given connections that fell silent, then the client waits in vain, the server never hears of its end, and a new one works."""
    client.ping()
    known = len(server.admin.client_list())
    relay.hush()
    with pytest.raises(redis.TimeoutError):
        client.incr("n")
    assert server.admin.get("n") is None
    assert client.incr("n") == 1
    assert len(server.admin.client_list()) == known + 1


def test_what_is_split_arrives_whole(relay: Relay, client: RedisClient) -> None:
    """Given a relay that sends byte by byte, then requests and replies are the same."""
    relay.splitting = True
    client.set("a", b"x" * 1000)
    assert client.get("a") == b"x" * 1000


def test_a_silent_connection_is_closed(relay: Relay, client: RedisClient) -> None:
    """Given a relay with little patience, then a command that waits for longer is cut off, and one that doesn't isn't."""
    relay.patience = 0.2
    client.ping()
    with pytest.raises(redis.ConnectionError):
        client.blpop("nothing", timeout=60)
    assert client.ping()
