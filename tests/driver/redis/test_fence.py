"""A command that its sender has given up arrives late: after the sender's next command, it no longer changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from taskq.channel import State
from taskq.config import ChannelSettings
from taskq.driver.contract import Command, Parts, Rescue, StoredEnding
from taskq.driver.redis.checks import ask_unfenced
from taskq.driver.redis.driver import RedisDriver
from taskq.driver.redis.fence import Fence
from taskq.driver.redis.link import RedisLink
from taskq.errors import ServerUnavailable
from tests.conftest import OwnServer
from tests.driver.store import LEASE_MS, Store, id_of, message
from tests.support.acl import make_user, url_of
from tests.support.relay import Relay
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until

ENDING = StoredEnding(b"the result", 60_000)
RAW = message("held")
ID = id_of(RAW)
PLAIN = b'{"job": "tests:job"}'
W = "worker-1"


@pytest.fixture
def relay(server: ServerProcess) -> Iterator[Relay]:
    with Relay(server.socket) as made:
        yield made


@pytest.fixture
def store(server: ServerProcess, prefix: str) -> Iterator[Store]:
    """A worker has reserved one message, and every other state has one."""
    with closing(Store(server, prefix)) as made:
        made.reserved_by(W, RAW)
        made.push(message("waits"))
        made.client.rpush(made.keys.reserved("raw"), PLAIN)
        for state in (State.PARKED, State.DELAYED):
            made.client.zadd(made.keys.of(state), {RAW: 1})
        made.client.hset(made.keys.worker(W), "fate", "lost")
        made.client.hset(made.keys.cancels, ID, "request")
        made.client.hset(made.keys.reading(ID.hex()), "wrote", 1)
        yield made


#: Each command that a worker process or its supervisor sends and that changes something.
COMMANDS: dict[str, Callable[[Any], Command]] = {
    "reserve": lambda driver: driver.reserve(W, 1, [ID]),
    "ack": lambda driver: driver.ack(W, [ID]),
    "retry": lambda driver: driver.retry(W, ID, 0, RAW),
    "requeue front": lambda driver: driver.requeue(W, "front", [ID]),
    "requeue back": lambda driver: driver.requeue(W, "back", [ID]),
    "requeue later": lambda driver: driver.requeue(W, "later", [ID], 1000),
    "finish": lambda driver: driver.finish(W, ID, ENDING),
    "fail": lambda driver: driver.fail(W, State.FAILED, ID, RAW, ENDING),
    "park": lambda driver: driver.park(W, ID, message("parked")),
    "stamp": lambda driver: driver.stamp("raw", [(PLAIN, message("stamped"))]),
    "adopt": lambda driver: driver.adopt(W, [message("lost")]),
    "forget_fate": lambda driver: driver.forget_fate(W),
    "heartbeat": lambda driver: driver.heartbeat(W, {"fate": "given up"}, lease_ms=LEASE_MS, register=True),
    "rescue": lambda driver: driver.rescue(Rescue(W)),
    "promote": lambda driver: driver.promote(),
    "unpark": lambda driver: driver.restore(State.PARKED, [(RAW, RAW)]),
    "cancel": lambda driver: driver.cancel(State.DELAYED, RAW, ENDING),
    "forget_cancel_request": lambda driver: driver.forget_cancel_request(ID),
    "begin": lambda driver: driver.begin(W, ID, 60_000, b"run"),
    "part": lambda driver: driver.part(W, ID, Parts(2, (b"item",), 60_000, 10, b"run")),
    "progress": lambda driver: driver.report_progress(ID.hex(), b"half", 60_000),
}


MakeLink = Callable[..., RedisLink]


@pytest.fixture
def make_link(relay: Relay, prefix: str) -> Iterator[MakeLink]:
    """Makes a link through the relay, for a worker if it is fenced."""
    with ExitStack() as stack:

        def make(*, url: str = relay.url, fenced: bool = True, timeout: float = 5.0) -> RedisLink:
            driver = RedisDriver(url, ChannelSettings(name="tests", channel=prefix))
            return stack.enter_context(closing(driver.link(timeout, fenced=fenced)))

        yield make


def everything(store: Store) -> dict[bytes, bytes]:
    """Return every key with its value."""
    return {key: store.client.dump(key) for key in store.client.scan_iter(count=1000)}


def mark_of(command: Command) -> bytes:
    return command.script.sha.encode() if command.script else f"\r\n{command.words[0]}\r\n".encode()


def give_up(link: RedisLink, relay: Relay, command: Command, *, cut: bool = True) -> None:
    """Send a command that stays on its way, and give it up."""
    link.call(Command("count", ("PING",)))
    relay.keep_request(mark_of(command), cut=cut)
    with pytest.raises(ServerUnavailable) as caught:
        link.call(command)
    assert caught.value.sent
    wait_until(lambda: relay.has_kept)


@pytest.mark.parametrize("fenced", [True, False])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_late_command_changes_nothing(
    store: Store, relay: Relay, make_link: MakeLink, server: ServerProcess, name: str, fenced: bool
) -> None:
    """Given a command that is given up and still on its way, if its worker has sent another, then it changes nothing when it arrives.

    On a link without a fence it does: the test would notice.
    """
    link = make_link(fenced=fenced)
    command = COMMANDS[name](store.driver)
    if command.script:
        server.admin.script_load(command.script.text)
    give_up(link, relay, command)
    link.call(Command("count", ("PING",)))
    before = everything(store)
    reply = relay.deliver()
    assert (reply == b"") is fenced
    assert (everything(store) == before) is fenced


@pytest.mark.one_python
@pytest.mark.parametrize("place", ["shared_redis", "shared_old_redis"])
def test_a_late_command_changes_nothing_on_any_server(request: pytest.FixtureRequest, prefix: str, place: str) -> None:
    """Given Redis 7 or Redis 6.2, whose replies differ, then a command that is given up changes nothing when it arrives, either."""
    other: ServerProcess = request.getfixturevalue(place)
    with Relay(other.socket) as relay, closing(Store(other, prefix)) as store:
        store.reserved_by(W, RAW)
        command = COMMANDS["ack"](store.driver)
        assert command.script is not None
        other.admin.script_load(command.script.text)
        with closing(RedisDriver(relay.url, ChannelSettings(name="tests", channel=prefix)).link(fenced=True)) as link:
            for _ in range(2):
                give_up(link, relay, command)
                link.call(Command("count", ("PING",)))
                assert relay.deliver() == b""
        assert store.reserved(W) == [RAW]
    other.flush()


def test_a_late_blocking_reserve_takes_no_message(store: Store, relay: Relay, make_link: MakeLink) -> None:
    """Given a blocking reserve that is given up before it arrives, or while it blocks, then it no longer takes a message."""
    store.client.delete(store.keys.waiting)
    link = make_link()
    link.call(Command("count", ("PING",)))
    for kept in (True, False):
        if kept:
            relay.keep_request(b"\r\nBLMOVE\r\n", cut=False)
        link.send(store.driver.reserve_one(W, 60))
        if kept:
            wait_until(lambda: relay.has_kept)
        else:
            wait_until(lambda: store.client.info("clients")["blocked_clients"])
        link.close()  # as a worker does when the reply is overdue
        link.call(Command("count", ("PING",)))
        before = everything(store)
        assert not kept or relay.deliver() == b""
        assert store.client.info("clients")["blocked_clients"] == 0
        assert everything(store) == before


def test_a_command_that_timed_out_changes_nothing(store: Store, relay: Relay, make_link: MakeLink, server: ServerProcess) -> None:
    """Given a sender that waits in vain until its own timeout, on a connection that stays, then the late command changes nothing."""
    link = make_link(timeout=0.2)
    command = COMMANDS["ack"](store.driver)
    server.admin.script_load(command.script.text)  # type: ignore[union-attr]
    give_up(link, relay, command, cut=False)
    link.call(Command("count", ("PING",)))
    assert relay.deliver() == b""
    assert store.reserved(W) == [RAW]


def test_an_interrupted_command_changes_nothing(
    store: Store, relay: Relay, make_link: MakeLink, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a command that a job's time limit interrupts, when its link is closed for that, then the late command changes nothing."""

    class Limit(BaseException):
        pass

    link = make_link()
    command = COMMANDS["ack"](store.driver)
    server.admin.script_load(command.script.text)  # type: ignore[union-attr]
    link.call(Command("count", ("PING",)))
    relay.keep_request(mark_of(command), cut=False)

    def fail(*args: object) -> None:
        wait_until(lambda: relay.has_kept)
        raise Limit

    monkeypatch.setattr(link._connection, "read_response", fail)
    with pytest.raises(Limit):
        link.call(command)
    link.close()
    link.call(Command("count", ("PING",)))
    assert relay.deliver() == b""
    assert store.reserved(W) == [RAW]


def test_a_stranger_with_the_same_number_is_left_alone(own_server: OwnServer, prefix: str) -> None:
    """Given a server that was restarted, and gives the number of a connection to a stranger, then the stranger's connection stays."""
    own = own_server()
    with Relay(own.socket) as relay, closing(Store(own, prefix)) as store:
        store.reserved_by(W, RAW)
        link = RedisDriver(relay.url, ChannelSettings(name="tests", channel=prefix)).link(fenced=True)
        command = COMMANDS["ack"](store.driver)
        own.admin.script_load(command.script.text)  # type: ignore[union-attr]
        give_up(link, relay, command)
        assert link._fence is not None
        [(_, number, _)] = link._fence._abandoned.values()
        assert number is not None
        own.restart()
        with ExitStack() as stack:
            strangers = [stack.enter_context(own.client()) for _ in range(number + 5)]
            numbers = [stranger.client_id() for stranger in strangers]
            assert number in numbers
            link.call(Command("count", ("PING",)))
            assert [stranger.client_id() for stranger in strangers] == numbers
        link.close()


def test_a_server_without_the_commands_is_worked_with(own_server: OwnServer, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """Given a server whose provider has taken CLIENT away, if a command is given up, then the link keeps working."""
    own = own_server(extra=("--rename-command", "CLIENT", ""))
    with Relay(own.socket) as relay, closing(Store(own, prefix)) as store:
        link = RedisDriver(relay.url, ChannelSettings(name="tests", channel=prefix)).link(fenced=True)
        give_up(link, relay, COMMANDS["progress"](store.driver))
        assert link.call(Command("count", ("PING",))) == b"PONG"
        assert ask_unfenced(link) == ["client|setname", "client|list", "client|kill"]
        link.close()


@pytest.mark.parametrize("lacks", ["client|setname", "client|list", "client|kill"])
def test_a_user_without_the_permission_is_warned_once(
    store: Store,
    relay: Relay,
    make_link: MakeLink,
    server: ServerProcess,
    prefix: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    lacks: str,
) -> None:
    """Given a user who may not close a connection, if commands are given up, then the link works, and one warning names the remedy."""
    monkeypatch.setattr(Fence, "_warned_in", 0)
    make_user(server, "shop-worker", prefix, f"-{lacks}", "+ping")
    link = make_link(url=url_of(relay.url, "shop-worker"))
    for _ in range(2):
        give_up(link, relay, COMMANDS["progress"](store.driver))
        link.call(Command("count", ("PING",)))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "+client|kill" in caplog.text


def test_a_server_that_rejects_new_clients_is_waited_for(own_server: OwnServer, prefix: str) -> None:
    """Given a server without a free connection, then a fenced link reports that it can't serve now, and works when there is room."""
    own = own_server()
    with closing(RedisDriver(own.url, ChannelSettings(name="tests", channel=prefix)).link(fenced=True)) as link:
        own.admin.config_set("maxclients", 1)
        with pytest.raises(ServerUnavailable, match="max number of clients") as caught:
            link.call(Command("count", ("PING",)))
        assert not caught.value.sent
        own.admin.config_set("maxclients", 100)
        assert link.call(Command("count", ("PING",))) == b"PONG"


def test_a_connection_without_trouble_is_not_looked_for(relay: Relay, make_link: MakeLink) -> None:
    """Given a link that was closed without a command on its way, then it names its connections, and asks the server for no other."""
    link = make_link()
    for _ in range(3):
        link.call(Command("count", ("PING",)))
        link.close()
    sent = b"".join(relay.requests)
    assert sent.count(b"SETNAME") == 3
    assert b"LIST" not in sent
    assert b"KILL" not in sent


def test_a_producer_sends_nothing_more(relay: Relay, make_link: MakeLink) -> None:
    """Given a link that is not fenced, then its first request is the command."""
    make_link(fenced=False).call(Command("count", ("PING",)))
    assert relay.requests == [b"*1\r\n$4\r\nPING\r\n"]


def test_the_name_in_the_url_is_kept(relay: Relay, make_link: MakeLink, server: ServerProcess) -> None:
    """Given a client_name in the URL, then the connection's name begins with it."""
    make_link(url=f"{relay.url}?client_name=shop").call(Command("count", ("PING",)))
    assert any(str(client["name"]).startswith("shop-") for client in server.admin.client_list())
