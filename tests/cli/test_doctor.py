"""`taskq doctor`: what it says of servers, apps and channels, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskq import Queue
from taskq.channel import State
from taskq.driver.redis.driver import RedisDriver
from tests.cli.conftest import Project, Type, push
from tests.support.hand import HandWorker
from tests.support.servers import ServerProcess

OwnServer = Callable[..., ServerProcess]


def _findings(out: str) -> dict[str, dict[str, Any]]:
    return {f"{one['area']}/{one['check']}": one for one in json.loads(out)["findings"]}


@pytest.fixture
def keeping(own_server: OwnServer) -> ServerProcess:
    """A server as it should be."""
    return own_server(appendonly=True)


def test_a_sound_project(type_: Type, keeping: ServerProcess, project: Project) -> None:
    """Given a server that keeps its data and an app that loads, then nothing loses jobs, and the exit code is 0."""
    done = type_("doctor", "--url", keeping.url)
    assert (done.code, "No problem found that loses jobs." in done.out) == (0, True)
    assert "it loads, and has 3 jobs" in done.out
    assert "no worker consumes it; waiting or delayed: 0 messages\n" in done.out
    assert "LOSES" not in done.out


def test_a_missing_password_is_what_it_advises(type_: Type, own_server: OwnServer) -> None:
    """Given a server with a password that the URL lacks, then the advice is the password, and no right."""
    server = own_server(requirepass="s3cret")
    done = type_("doctor", "--url", f"unix://{server.socket}")
    assert done.code == 2
    assert "-> put the right user and password into `url`" in done.out


def test_it_changes_nothing(type_: Type, keeping: ServerProcess, queue: Queue, project: Project) -> None:
    """Given an empty server, when it was checked, then it is still empty."""
    type_("doctor", "--url", keeping.url)
    assert keeping.admin.keys("*") == []


def test_a_user_who_may_not_close_connections_is_noted(type_: Type, keeping: ServerProcess) -> None:
    """Given a user that may not close a broken connection, then that is a note, with the permission to grant."""
    keeping.admin.execute_command("ACL", "SETUSER", "worker", "on", "nopass", "allkeys", "+@all", "-client|kill")
    done = type_("doctor", "--url", f"unix://worker:x@{keeping.socket}", "--json")
    finding = _findings(done.out)["server/fence"]
    assert (done.code, finding["level"], finding["advice"]) == (0, "note", "grant the user of the workers +client|kill")


@pytest.mark.parametrize(
    ("options", "check"),
    [
        ({"appendonly": False}, "server/persistence"),
        ({"appendonly": True, "extra": ("--maxmemory-policy", "allkeys-lru")}, "server/eviction"),
    ],
)
def test_a_server_that_loses_jobs(type_: Type, own_server: OwnServer, options: dict[str, Any], check: str) -> None:
    """Given a server without persistence, or with an eviction policy, then that is reported, and the exit code is 1."""
    done = type_("doctor", "--json", "--url", own_server(**options).url)
    assert (done.code, done.json()["exit_code"]) == (1, 1)
    finding = _findings(done.out)[check]
    assert finding["level"] == "loses"
    assert finding["advice"]


def test_no_server(type_: Type) -> None:
    """Given a server that doesn't answer, then that is reported once, with code 2; the app is checked anyway."""
    done = type_("doctor", "--json", "--url", "redis://localhost:1/0")
    found = _findings(done.out)
    assert (done.code, found["server/reach"]["level"], found["app/jobs"]["level"]) == (2, "unusable", "good")
    assert sum(one["check"] == "reach" for one in json.loads(done.out)["findings"]) == 1


def test_a_replica(type_: Type, keeping: ServerProcess, own_server: OwnServer) -> None:
    """Given a replica, then it can't be used, whatever else is well."""
    keeping.admin.replicaof("localhost", 1)
    done = type_("doctor", "--url", keeping.url)
    assert done.code == 2
    assert "it accepts no pushes and no workers (READONLY)" in done.out


def test_an_app_that_does_not_import(project: Project, keeping: ServerProcess) -> None:
    """Given an app with a mistake in it, then the server is checked anyway, and the exit code is 2."""
    Path(project.directory, f"{project.name}.py").write_text("import nothing_of_that_name\n")
    done = project.type("doctor", "--json", "--url", keeping.url)
    found = _findings(done.out)
    assert (done.code, found["app/import"]["level"], found["server/eviction"]["level"]) == (2, "unusable", "good")
    assert "nothing_of_that_name" in found["app/import"]["text"]


def test_an_app_that_starts_threads(project: Project, keeping: ServerProcess) -> None:
    """Given an import that leaves a thread running, then it is named: the fork would lose it."""
    path = Path(project.directory, f"{project.name}.py")
    path.write_text(
        path.read_text() + "\nimport threading\nthreading.Thread(target=threading.Event().wait, name='poller', daemon=True).start()\n"
    )
    done = project.type("doctor", "--json", "--url", keeping.url)
    finding = _findings(done.out)["app/fork"]
    assert (done.code, finding["level"], "poller" in finding["text"]) == (0, "note", True)


NATIVE = """
import ctypes, socket, taskq
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
libc = ctypes.CDLL(None)
libc.pthread_create(ctypes.byref(ctypes.c_ulong()), None, libc.pause, None)
queue = taskq.Queue()
"""


def test_an_app_whose_libraries_start_threads(project: Project, keeping: ServerProcess) -> None:
    """Given an import that leaves a thread of a C library running, which Python doesn't know, and a connection, then both are noted."""
    Path(project.directory, f"{project.name}.py").write_text(NATIVE)
    found = _findings(project.type("doctor", "--json", "--url", keeping.url).out)
    native, connection = found["app/fork"], found["app/connections"]
    assert native["level"] == connection["level"] == "note"
    assert native["text"].startswith("its import leaves 1 native thread running, which C libraries have started: ")
    assert connection["text"].startswith("its import leaves 1 connection open: 127.0.0.1:")


def test_no_app(keeping: ServerProcess, project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Given no app, then it says so and checks the server and the channels of the settings."""
    empty = tmp_path_factory.mktemp("empty")
    done = project.type("doctor", "--json", "--url", keeping.url, cwd=empty, env={"TASKQ_CHANNELS__MAIL__PROCESSES": "1"})
    found = _findings(done.out)
    assert (done.code, found["app/import"]["level"], found["channel mail/workers"]["level"]) == (0, "note", "note")


class Channel:
    """The channel of the project on a server that keeps its data, and its doctor."""

    def __init__(self, queue: Queue, server: ServerProcess, project: Project, type_: Type) -> None:
        queue.use_url(server.url, "test")
        self.queue = queue
        self.admin = server.admin
        self.project = project
        driver = queue.sender(project.channel).driver
        assert isinstance(driver, RedisDriver)
        self.keys = driver.keys
        self.worker = HandWorker(queue, project.channel)
        self._type = lambda: type_("doctor", "--json", "--url", server.url)

    def check(self, name: str) -> tuple[int, dict[str, Any] | None]:
        """Return the exit code, and what a check of the channel says."""
        done = self._type()
        return done.code, _findings(done.out).get(f"channel {self.project.channel}/{name}")

    def server_ms(self) -> float:
        seconds, micros = self.admin.time()  # type: ignore[misc]
        return seconds * 1000 + micros / 1000


@pytest.fixture
def channel(queue: Queue, keeping: ServerProcess, project: Project, type_: Type) -> Channel:
    return Channel(queue, keeping, project, type_)


def test_a_key_of_another_type(channel: Channel) -> None:
    """Given a key of the channel that another program uses, then jobs are refused, and the exit code is 1."""
    channel.admin.set(channel.keys.waiting, "mine")
    code, finding = channel.check("keys")
    assert finding is not None
    assert (code, finding["level"], channel.keys.waiting in finding["text"]) == (1, "loses", True)


def test_reserved_messages_of_nobody(channel: Channel) -> None:
    """Given a reserved list whose worker isn't registered, then the messages in it are reported, and the exit code is 1."""
    push(channel.queue, "add", 1)
    channel.worker.reserve()
    assert channel.check("orphans") == (0, None)
    channel.admin.delete(channel.keys.workers)
    code, finding = channel.check("orphans")
    assert finding is not None
    assert (code, finding["level"]) == (1, "loses")
    assert "1 message reserved by w1, which is not registered" in finding["text"]


def test_workers_and_what_stays_behind(channel: Channel) -> None:
    """Given a living worker, an old message, an overdue one and a parked one, then each is noted and nothing is lost."""
    push(channel.queue, "add", 1)
    (raw,) = channel.worker.reserve()
    assert channel.worker.sender.call(channel.worker.driver.requeue("w1", "front", [raw[2:18]])) == 1
    push(channel.queue, "add", 2, delay=0.001)
    push(channel.queue, "add", 3)
    late = channel.worker.reserve(1000)
    channel.admin.zadd(channel.keys.delayed, {late[0]: channel.server_ms() - 60_000})
    code, finding = channel.check("overdue")
    assert finding is not None
    assert (code, "60 s overdue" in finding["text"]) == (0, True)
    assert (channel.check("workers")[1] or {})["level"] == "good"


@pytest.mark.one_python
def test_a_parked_message_of_a_module_that_the_app_lacks(channel: Channel) -> None:
    """Given parked messages of a job whose module the app doesn't import, then the advice names that module, and imports nothing."""
    channel.queue.push_name("shop_late.jobs:send", channel=channel.worker.driver.keys.prefix)
    channel.queue.push_name("os:system", channel=channel.worker.driver.keys.prefix)
    for raw in channel.worker.reserve():
        channel.worker.set_aside(raw, State.PARKED)
    code, finding = channel.check("parked")
    assert finding is not None
    assert (code, finding["text"]) == (0, "2 messages parked: no worker has had the job")
    assert finding["advice"].startswith(
        "the app doesn't import shop_late.jobs: add your modules to the setting `imports`. Otherwise, start"
    )


def test_an_old_waiting_message(channel: Channel) -> None:
    """Given a living worker and a message that was pushed two minutes ago, then the workers don't keep up."""
    push(channel.queue, "add", 1)
    channel.worker.beat()
    raw = channel.admin.lpop(channel.keys.waiting)
    assert isinstance(raw, bytes)
    pushed_at = int(channel.server_ms()) - 120_000
    channel.admin.lpush(channel.keys.waiting, raw[:2] + pushed_at.to_bytes(6, "big") + raw[8:])
    code, finding = channel.check("oldest")
    assert finding is not None
    assert (code, "was pushed 120 s ago" in finding["text"]) == (0, True)


@pytest.mark.parametrize("off", [-3_600_000, 3_600_000])
def test_lost_workers(channel: Channel, off: int) -> None:
    """Given only a worker without heartbeats, with a message, then the advice explains how the message is rescued."""
    push(channel.queue, "add", 1)
    channel.worker.reserve()
    channel.admin.zadd(channel.keys.workers, {"w1": channel.server_ms() + off})
    code, finding = channel.check("lost")
    assert finding is not None
    assert (code, "1 message reserved by 1 worker without heartbeats" in finding["text"]) == (0, True)


def test_failed_messages(channel: Channel) -> None:
    """Given a message that failed just now, and one that failed yesterday, then the growth is reported."""
    for number in range(2):
        push(channel.queue, "add", number)
    for raw in channel.worker.reserve():
        channel.worker.set_aside(raw)
    ids = channel.admin.zrange(channel.keys.failed, 0, -1)
    channel.admin.zadd(channel.keys.failed, {ids[0]: channel.server_ms() - 86_400_000})
    _, finding = channel.check("failed")
    assert finding is not None
    assert (finding["level"], finding["text"]) == ("note", "2 messages in failed, 1 of them in the last hour")
    channel.admin.zadd(channel.keys.failed, {ids[1]: channel.server_ms() - 86_400_000})
    assert (channel.check("failed")[1] or {})["level"] == "good"
