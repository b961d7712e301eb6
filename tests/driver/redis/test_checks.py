"""ACL users: those of the guide can do their work and nothing else, and the error names missing permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from taskq import Queue
from taskq.channel import Keys, State
from taskq.config import ChannelSettings
from taskq.driver.contract import Command, Word
from taskq.driver.redis.checks import ask_unfenced, check_kinds, check_permissions
from taskq.driver.redis.driver import RedisDriver
from taskq.driver.redis.scripts import load_script
from taskq.errors import ServerRefused
from tests.driver.store import message
from tests.support.acl import USERS, make_user, rights, url_of
from tests.support.groups import Cluster
from tests.support.servers import ServerProcess

W = "worker-1"
Execute = Callable[..., object]
MakeDriver = Callable[..., RedisDriver]


@pytest.fixture(params=["server", "shared_redis", "shared_old_redis"], ids=["valkey", "redis-7", "redis-6.2"])
def place(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """Each kind of server."""
    found: ServerProcess = request.getfixturevalue(request.param)
    yield found
    found.flush()


@pytest.fixture
def driver_of(place: ServerProcess, prefix: str) -> MakeDriver:
    """Makes the driver of a user of the guide, with more or fewer permissions."""
    return lambda user, *more: RedisDriver(make_user(place, user, prefix, *more), ChannelSettings(name="tests", channel=prefix))


@pytest.fixture
def execute(driver_of: MakeDriver) -> Iterator[Execute]:
    """Sends a command as a user of the guide."""
    with ExitStack() as stack:

        def send(user: str, *words: Word) -> object:
            link = stack.enter_context(closing(driver_of(user).link()))
            return link.call(Command("do that", words))

        yield send


DENIED = [
    *[("KEYS", "*"), ("FLUSHALL",), ("FLUSHDB",), ("SHUTDOWN",)],
    *[("CONFIG", "SET", "maxmemory", "1"), ("DEBUG", "SLEEP", "0"), ("ACL", "LIST")],
]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("words", DENIED, ids=" ".join)
def test_no_user_of_the_guide_may_harm_others(execute: Execute, user: str, words: tuple[str, ...]) -> None:
    """Given a user of the guide, if it asks for what it doesn't need, then the server refuses."""
    with pytest.raises(ServerRefused, match=r"permission|not allowed"):
        execute(user, *words)


@pytest.mark.parametrize("user", USERS)
def test_no_user_of_the_guide_reaches_another_channel(execute: Execute, user: str) -> None:
    """Given a user of the guide, if it touches a key of another prefix, by itself or in a script, then the server refuses."""
    other = Keys("other").waiting
    for words in [("LPUSH", other, "x"), ("EVAL", f"return redis.call('LPUSH', '{other}', 'x')", "0"), ("EVAL", "return 1", "1", other)]:
        with pytest.raises(ServerRefused):
            execute(user, *words)


@pytest.mark.parametrize("user", ["shop-push", "shop-producer"])
def test_a_producer_reserves_nothing(driver_of: MakeDriver, prefix: str, user: str) -> None:
    """Given a producer, if it tries to take or to read messages, then the server refuses, and what waits stays."""
    driver = driver_of(user)
    with closing(driver.link()) as link:
        link.call(driver.push([message()]))
        commands = [driver.reserve(W, 1, []), driver.reserve_one(W, 0.01), driver.page(State.WAITING, 0, 5), driver.flush(State.WAITING, 5)]
        for command in commands:
            with pytest.raises(ServerRefused, match="permission"):
                link.call(command)
        assert link.call(driver.push([message()])) == 2


def test_a_worker_has_all_rights_it_asks_for(driver_of: MakeDriver) -> None:
    """Given the worker of the guide, when it looks whether a right is missing, then none is, and no key is left by that."""
    driver = driver_of("shop-worker")
    with closing(driver.link()) as link:
        check_permissions(driver, link)
        assert link.call(driver.scan_reserved("0"))[1] == []


@pytest.mark.parametrize(
    "lacks", [[], ["client|setname"], ["client|list"], ["client|kill"], ["client|setname", "client|list", "client|kill"]]
)
def test_a_worker_can_do_without_closing_connections(driver_of: MakeDriver, lacks: list[str]) -> None:
    """Given a worker that may not close its broken connections, at startup, then what it lacks is known, and it isn't refused."""
    # Redis 6.2 can't take a single subcommand away.
    kept = [right for right in rights("shop-worker", "x") if right.startswith("+client|") and right[1:] not in lacks]
    driver = driver_of("shop-worker", "-client", *kept)
    with closing(driver.link()) as link:
        check_permissions(driver, link)
        assert ask_unfenced(link) == lacks


@pytest.mark.parametrize("command", [right[1:] for right in rights("shop-worker", "x") if right[0] == "+" and "|" not in right])
def test_a_worker_names_the_right_that_is_missing(driver_of: MakeDriver, place: ServerProcess, command: str) -> None:
    """Given a worker without one of its permissions, at startup, then the error names it, unless taskq does without, or stops safely."""
    driver = driver_of("shop-worker", f"-{command}")
    place.admin.script_flush()
    with closing(driver.link()) as link:
        if command == "info":  # it needn't know the version
            check_permissions(driver, link)
            return
        with pytest.raises(ServerRefused, match=f"(?i){command}") as caught:
            check_permissions(driver, link)
        if command not in ("evalsha", "eval"):
            assert str(caught.value).endswith(f" +{command}")


def test_a_worker_that_may_not_ask_for_types_still_finds_a_wrong_key(driver_of: MakeDriver, place: ServerProcess, prefix: str) -> None:
    """Given a worker that may not send TYPE, and a key that something else uses, then it is named."""
    driver = driver_of("shop-worker", "-type")
    place.admin.set(driver.keys.waiting, "mine")
    with (
        closing(driver.link()) as link,
        pytest.raises(ServerRefused, match=r"waiting must be a list; it is something else\. Another program uses this key"),
    ):
        check_kinds(link.call, driver, "tests")


def test_a_missing_permission_to_send_scripts_is_reported_though_the_server_has_them(driver_of: MakeDriver, place: ServerProcess) -> None:
    """Given a worker without EVAL and a server with all scripts cached (until it restarts), then the check at startup reports it."""
    driver = driver_of("shop-worker", "-eval")
    place.admin.script_load(load_script("permissions").text)
    with closing(driver.link()) as link, pytest.raises(ServerRefused, match=r"permissions that a worker needs: EVAL\. .*\+eval$"):
        check_permissions(driver, link)


def test_a_missing_permission_to_unblock_is_reported(driver_of: MakeDriver) -> None:
    """Given a worker without CLIENT ID, which is needed to end a blocked command, at startup, then the error names it."""
    driver = driver_of("shop-worker", "-client")
    with closing(driver.link()) as link, pytest.raises(ServerRefused, match=r"permissions that a worker needs: CLIENT\|ID.*\+client\|id$"):
        check_permissions(driver, link)


def test_a_full_server_takes_nothing_for_a_missing_right(server: ServerProcess, prefix: str) -> None:
    """Given a server at its memory limit, which refuses some commands, when a worker begins, then no right is missing."""
    driver = RedisDriver(make_user(server, "shop-worker", prefix), ChannelSettings(name="tests", channel=prefix))
    server.admin.config_set("maxmemory", 1)
    try:
        with closing(driver.link()) as link:
            check_permissions(driver, link)
    finally:
        server.admin.config_set("maxmemory", 0)


def test_a_worker_names_a_key_that_it_may_not_touch(driver_of: MakeDriver, prefix: str) -> None:
    """Given a worker whose pattern leaves out a state, at startup, then the error reports that it lacks permission for a key."""
    driver = driver_of("shop-worker", "resetkeys", "~{" + prefix + "}:[!t]*")  # all but timeout
    with closing(driver.link()) as link, pytest.raises(ServerRefused, match="key"):
        check_permissions(driver, link)


@pytest.mark.parametrize("missing", ["lpush", "zrem"])
def test_an_operator_without_a_right_loses_nothing(driver_of: MakeDriver, place: ServerProcess, missing: str) -> None:
    """Given an operator who may not push, or not remove, if it reloads, then it is refused and the message stays."""
    driver = driver_of("shop-operator", f"-{missing}")
    place.admin.zadd(driver.keys.failed, {b"message": 1})
    with closing(driver.link()) as link, pytest.raises(ServerRefused, match="permission"):
        link.call(driver.restore(State.FAILED, [(b"message", b"message")]))
    assert place.admin.zcard(driver.keys.failed) == 1
    assert place.admin.llen(driver.keys.waiting) == 0


def test_a_push_names_the_right_that_is_missing(place: ServerProcess, prefix: str) -> None:
    """Given a user who may only push at once, if it pushes for later, then the error names what it lacks, and nothing is stored."""
    queue = Queue(make_user(place, "shop-push", prefix), channels={"default": {"channel": prefix}})
    job = queue.job(name="tests:job")(print)
    job.push(1)
    with pytest.raises(ServerRefused, match=r"rejected the push command: .*permission.*evalsha.*ACL SETUSER"):
        job.push(1, delay=5)
    queue.close()
    assert place.admin.llen(Keys(prefix).waiting) == 1


def test_a_write_only_pattern_is_enough_to_push(server: ServerProcess, prefix: str) -> None:
    """Given a producer who may write and not read (Valkey, Redis 7), when it pushes, then it is stored, and can't be read by it."""
    url = make_user(server, "shop-push", prefix, "resetkeys", "%W~{" + prefix + "}:waiting", "+lrange")
    driver = RedisDriver(url, ChannelSettings(name="tests", channel=prefix))
    with closing(driver.link()) as link:
        assert link.call(driver.push([message()])) == 1
        with pytest.raises(ServerRefused, match="key"):
            link.call(driver.page(State.WAITING, 0, 1))


def test_users_of_a_cluster_need_two_rights_more(cluster: Cluster, prefix: str) -> None:
    """Given the users of the guide with the permissions for a Cluster, when they push and reserve, then they can."""
    for node in cluster.nodes:
        for user in ("shop-producer", "shop-worker"):
            make_user(node, user, prefix, "+cluster|slots", "+asking")
    settings = ChannelSettings(name="tests", channel=prefix)
    producer, worker = (RedisDriver(url_of(cluster.url, user), settings) for user in ("shop-producer", "shop-worker"))
    with closing(producer.link()) as pushing, closing(worker.link()) as working:
        check_permissions(worker, working)
        pushing.call(producer.push([raw := message()]))
        pushing.call(producer.push_later([message()], delay_ms=60_000))
        working.call(worker.heartbeat(W, {"pid": 1}, lease_ms=5000, register=True))
        assert working.call(worker.reserve(W, 1, []))[2] == [raw]
