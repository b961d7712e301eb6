"""Pushing while the server restarts, hangs, rejects commands, or loses replies: every outcome is reported."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from taskq import ConfigError, PushOutcomeUnknown, Queue, QueueFull, ServerRefused, ServerTooOld, ServerUnavailable
from taskq.push import repeat as repeat_module
from tests.conftest import OwnServer
from tests.push.conftest import MakeQueue
from tests.push.shelf import Shelf
from tests.support.relay import Relay
from tests.support.servers import ServerProcess

Pushes = list[Callable[[], object]]


def add(a: int, b: int = 1) -> int:
    return a + b


@pytest.fixture
def relay(server: ServerProcess) -> Iterator[Relay]:
    with Relay(server.socket) as made:
        yield made


@pytest.fixture
def far(make_queue: MakeQueue, relay: Relay) -> Any:
    """A job of a queue that reaches its server through the relay, and has pushed nothing yet."""
    return make_queue(relay.url).job(add)


def test_a_restart_between_pushes_is_not_noticed(own_server: OwnServer, make_queue: MakeQueue, prefix: str) -> None:
    """Given a server that was restarted since the last push, when something is pushed, then it is stored, once."""
    server = own_server(appendonly=True)
    job = make_queue(server.url).job(add)
    for number in range(3):
        job.push(number)
        server.restart()
    job.push_many([(3,), (4,)])
    assert [seen.args[0] for seen in Shelf(server, prefix).waiting()] == [0, 1, 2, 3, 4]


def test_an_unreachable_server_is_reported(make_queue: MakeQueue) -> None:
    """Given no server, when something is pushed, then ServerUnavailable names the address, without its password, and nothing is unknown."""
    job = make_queue("redis://user:hunter2@127.0.0.1:1/0").job(add)
    pushes: Pushes = [lambda: job.push(1), lambda: job.push(1, delay=5), lambda: job.push_many([(1,)])]
    for push in pushes:
        with pytest.raises(ServerUnavailable, match=r"redis://user:\*\*\*@127\.0\.0\.1:1/0 doesn't answer") as caught:
            push()
        assert "hunter2" not in str(caught.value)
        assert caught.value.sent is False


def test_a_server_that_comes_back_is_used_again(own_server: OwnServer, make_queue: MakeQueue, prefix: str) -> None:
    """Given a server that stops and starts again, then pushes fail in between and work afterwards."""
    server = own_server()
    job = make_queue(server.url).job(add)
    job.push(1)
    server.stop()
    with pytest.raises(ServerUnavailable):
        job.push(2)
    server.start()
    job.push(3)
    assert [seen.args[0] for seen in Shelf(server, prefix).waiting()] == [3]


def test_a_lost_reply_leaves_the_outcome_unknown(far: Any, relay: Relay, shelf: Shelf) -> None:
    """Given a reply that is lost, when something was pushed in any way, then the error names the message, which is stored."""
    far.push(0)
    far.push(0, delay=60).delete()  # now the server knows the script
    pushes: Pushes = [lambda: far.push(1), lambda: far.push(1, delay=60), lambda: far.options(max_attempts=2).push(1)]
    pushes += [lambda: far.bind(1).push()]
    for push in pushes:
        relay.lose_reply()
        with pytest.raises(PushOutcomeUnknown, match=r"may or may not have been stored.*once=True") as caught:
            push()
        assert caught.value.handle.id in {seen.id for seen in (*shelf.waiting(), *shelf.delayed())}
        assert caught.value.handle.delete() is True
        assert caught.value.handle.delete() is False
    assert len(shelf.waiting()) == 1


def test_a_lost_request_leaves_it_unknown_too(far: Any, relay: Relay, shelf: Shelf) -> None:
    """Given a request that was lost on its way, then the outcome is unknown: the error is the same, and nothing is stored."""
    far.push(0)
    relay.lose_request()
    with pytest.raises(PushOutcomeUnknown) as caught:
        far.push(1)
    assert caught.value.handle.delete() is False
    assert len(shelf.waiting()) == 1


def test_a_server_that_hangs_is_given_up(
    server: ServerProcess, make_queue: MakeQueue, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a server that accepts a push and never answers, then the outcome is unknown after the timeout."""
    queue = make_queue(relay.url)
    job = queue.job(add)
    link = queue.sender("default").driver.link
    monkeypatch.setattr(queue.sender("default").driver, "link", lambda timeout=0.3: link(timeout))
    job.push(0)
    relay.swallow_reply()
    with pytest.raises(PushOutcomeUnknown, match="Timeout"):
        job.push(1)
    job.push(2)


@pytest.mark.parametrize("options", [{}, {"delay": 60}])
@pytest.mark.parametrize("fault", ["lose_reply", "lose_request"])
def test_a_repeatable_push_is_repeated_and_stored_once(far: Any, relay: Relay, shelf: Shelf, fault: str, options: Any) -> None:
    """Given once=True, when requests and replies are lost several times, then the push succeeds, and the message is there once."""
    far.push(0)
    getattr(relay, fault)(3)
    handle = far.options(once=True, **options).push(1)
    assert [seen.id for seen in (*shelf.waiting(), *shelf.delayed())].count(handle.id) == 1
    getattr(relay, fault)(1)
    assert len(far.options(once=True, **options).push_many([(2,), (3,)])) == 2
    assert len(shelf.waiting()) + len(shelf.delayed()) == 4


def test_a_repeatable_push_waits_for_a_server_that_comes_back(far: Any, relay: Relay, shelf: Shelf) -> None:
    """Given once=True and a server that is away for a moment, then the push waits for it."""
    far.push(0)
    relay.refusing = True
    relay.cut()
    threading.Timer(0.4, lambda: setattr(relay, "refusing", False)).start()
    far.options(once=True).push(1)
    assert len(shelf.waiting()) == 2


def test_a_repeatable_push_gives_up_at_last(far: Any, relay: Relay, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given once=True and a server that stays away, then the push ends: unknown when a request had left, else unavailable."""
    monkeypatch.setattr(repeat_module, "REPEAT_SECONDS", 0.3)
    far.options(once=True).push(0)  # now the server knows the script
    relay.lose_reply(1_000)
    with pytest.raises(PushOutcomeUnknown) as caught:
        far.options(once=True).push(1)
    relay.lose_reply(0)
    assert caught.value.handle.delete() is True
    relay.refusing = True
    relay.cut()
    with pytest.raises((ServerUnavailable, PushOutcomeUnknown)):
        far.options(once=True).push(2)


@pytest.mark.one_python
def test_a_repeat_that_is_rejected_leaves_the_outcome_unknown(
    own_server: OwnServer, make_queue: MakeQueue, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given once=True, a lost reply, and a server that is full by the next try, then the outcome is unknown: the first try was stored."""
    server = own_server()
    with Relay(server.socket) as relay:
        job = make_queue(relay.url).job(add)
        job.options(once=True).push(0)

        def fill(*_: object) -> float:
            server.admin.config_set("maxmemory", "1")
            return 0.0

        monkeypatch.setattr(repeat_module.Backoff, "pause_after", fill)
        relay.lose_reply(1)
        with pytest.raises(PushOutcomeUnknown, match="after an earlier try was sent") as caught:
            job.options(once=True).push(1)
        assert [seen.id for seen in Shelf(server, prefix).waiting()].count(caught.value.handle.id) == 1


def test_a_break_in_the_middle_of_many_reports_stored_and_unknown(far: Any, relay: Relay, shelf: Shelf) -> None:
    """Given 1,200 calls and a reply that is lost in the middle, then the error holds what is stored and every message that is unknown."""
    far.push(0)
    seen = len(relay.requests)

    def lose() -> None:
        while len(relay.requests) == seen:
            time.sleep(0.0001)
        relay.lose_reply(2)

    relay.delay = 0.1
    watcher = threading.Thread(target=lose)
    watcher.start()
    with pytest.raises(PushOutcomeUnknown) as caught:
        far.push_many([(number,) for number in range(1_200)])
    watcher.join()
    relay.delay = 0
    relay.lose_reply(0)
    stored, unknown = caught.value.stored, caught.value.handles
    assert (len(stored), len(unknown)) == (0, 500)
    assert caught.value.handle is unknown[0]
    assert {handle.id for handle in unknown} == {one.id for one in shelf.waiting()[1:]}


def test_a_refusal_in_the_middle_of_many_reports_the_stored(own_server: OwnServer, make_queue: MakeQueue, prefix: str) -> None:
    """Given many calls for two channels of which the second is refused, then the error holds the handles of all that go to the first."""
    server = own_server()
    queue = make_queue(server.url, channels={"broken": {"channel": f"{prefix}-b"}})
    job = queue.job(add)
    server.admin.set(f"{{{prefix}-b}}:waiting", "text")
    with pytest.raises(ServerRefused, match="rejected the push command: WRONGTYPE") as caught:
        queue.send_many([job.bind(1), job.bind(2), job.options(channel="broken").bind(3), job.bind(4)])
    assert [handle.id for handle in caught.value.stored] == [seen.id for seen in Shelf(server, prefix).waiting()]
    assert len(caught.value.stored) == 3


def test_a_full_server_is_reported(own_server: OwnServer, make_queue: MakeQueue) -> None:
    """Given a server at maxmemory, then every push raises QueueFull at once, a repeatable one too; with room it works again."""
    server = own_server(maxmemory="1mb")
    server.admin.config_set("maxmemory", 100_000)
    job = make_queue(server.url).job(add)
    pushes: Pushes = [lambda: job.push(1), lambda: job.push(1, delay=5), lambda: job.push_many([(1,)])]
    pushes += [lambda: job.options(once=True).push(1)]
    for push in pushes:
        with pytest.raises(QueueFull, match="maxmemory"):
            push()
    server.admin.config_set("maxmemory", 0)
    job.push(1)


@pytest.mark.parametrize(
    ("userinfo", "advice"),
    [
        ("", "Put the password into the URL"),
        (":wrong@", "Check the user and the password in the URL"),
        ("nobody:wrong@", "Check the user and the password in the URL"),
    ],
)
def test_a_password_is_asked_for(own_server: OwnServer, make_queue: MakeQueue, userinfo: str, advice: str) -> None:
    """Given a server with a password, when none or a wrong one is given, then the error gives the remedy, and doesn't show the password."""
    server = own_server(requirepass="s3cret", tcp=True)
    job = make_queue(f"redis://{userinfo}127.0.0.1:{server.port}/0").job(add)
    with pytest.raises(ServerRefused, match=advice) as caught:
        job.push(1)
    assert "wrong" not in str(caught.value).replace("WRONGPASS", "")
    make_queue(server.url).job(add).push(1)


def test_a_missing_permission_is_reported(own_server: OwnServer, make_queue: MakeQueue) -> None:
    """Given a user that may not push (nor ask for the version), then the error gives the remedy; one that may only push, pushes."""
    server = own_server(tcp=True)
    server.admin.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+get")
    server.admin.execute_command("ACL", "SETUSER", "pusher", "on", ">pw", "~*", "+lpush")
    with pytest.raises(ServerRefused, match="ACL SETUSER"):
        make_queue(f"redis://reader:pw@127.0.0.1:{server.port}").job(add).push(1)
    make_queue(f"redis://pusher:pw@127.0.0.1:{server.port}").job(add).push(1)


def test_a_read_only_replica_is_reported(own_server: OwnServer, make_queue: MakeQueue) -> None:
    """Given a replica, then the push is unavailable, not unknown: a failover may be under way."""
    server = own_server(tcp=True)
    server.admin.execute_command("REPLICAOF", "127.0.0.1", "1")
    job = make_queue(server.url).job(add)
    pushes: Pushes = [lambda: job.push(1), lambda: job.push(1, delay=5)]
    for push in pushes:
        with pytest.raises(ServerUnavailable, match="can't serve now"):
            push()


@contextmanager
def _fake_server(version: str) -> Iterator[str]:
    """A server that only answers INFO, with that version; yields its URL."""
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            with client:
                while data := client.recv(65536):
                    if b"INFO" not in data:
                        client.sendall(b"-ERR unknown command\r\n" if b"HELLO" in data else b":1\r\n")
                        continue
                    text = f"# Server\r\nredis_version:{version}\r\n".encode()
                    client.sendall(b"$%d\r\n%s\r\n" % (len(text), text))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"redis://127.0.0.1:{door.getsockname()[1]}/0"
    finally:
        door.shutdown(socket.SHUT_RDWR)
        door.close()


@pytest.mark.parametrize("version", ["6.0.16", "5.0.7", "6.1.240", "3.2"])
def test_a_server_that_is_too_old_is_refused(make_queue: MakeQueue, version: str) -> None:
    """Given a server older than Redis 6.2, when the first thing is pushed, then the error names both versions."""
    with _fake_server(version) as url:
        queue = make_queue(url)
        for _ in range(2):
            with pytest.raises(ServerTooOld, match=rf"is Redis {version}; taskq needs Redis 6\.2 or later, or Valkey"):
                queue.job(add).push(1)
        queue.close()


def test_the_version_is_looked_at_once(make_queue: MakeQueue, relay: Relay) -> None:
    """Given many pushes over several connections, then the server is asked for its version once, and a push is one round trip."""
    queue = make_queue(relay.url)
    job = queue.job(add)
    for number in range(5):
        job.push(number)
    relay.cut()
    job.push(5)
    assert [b"INFO" in request for request in relay.requests] == [True] + [False] * 6


def test_a_break_while_the_version_is_asked_leaves_nothing_unknown(far: Any, relay: Relay, shelf: Shelf) -> None:
    """Given a connection that breaks before the push has left, then it is sent again over another, once."""
    relay.lose_reply()
    far.push(1)
    assert len(shelf.waiting()) == 1


def test_a_server_that_is_not_redis_is_reported(make_queue: MakeQueue) -> None:
    """Given another kind of server behind the address, then the error states that it can't be used."""
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            client, _ = door.accept()
            with client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with pytest.raises(ServerUnavailable, match="doesn't answer"):
        make_queue(f"redis://127.0.0.1:{door.getsockname()[1]}/0").job(add).push(1)
    door.close()
    thread.join(5)


@pytest.mark.parametrize("option", ["frobnicate=1", "socket_timeout=soon"])
def test_a_wrong_option_in_the_url_is_a_setting_s_error(make_queue: MakeQueue, option: str) -> None:
    """Given a URL with an option that no connection has, or of a wrong type, then the error is a ConfigError that names it."""
    with pytest.raises(ConfigError, match=option.partition("=")[0]) as caught:
        make_queue(f"redis://:hunter2@localhost/0?{option}").job(add).push(1)
    assert "hunter2" not in str(caught.value)


def test_use_url_sends_elsewhere(queue: Queue, own_server: OwnServer, prefix: str, shelf: Shelf) -> None:
    """Given a queue that was pointed at another server, then its pushes go there from then on."""
    server = own_server()
    job = queue.job(add)
    job.push(1)
    queue.use_url(server.url, "a test")
    job.push(2)
    assert [seen.args for seen in shelf.waiting()] == [(1,)]
    assert [seen.args for seen in Shelf(server, prefix).waiting()] == [(2,)]
