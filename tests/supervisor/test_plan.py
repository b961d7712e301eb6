"""The checks of the server before a worker starts."""

from __future__ import annotations

import logging

import pytest

from taskq import Queue
from taskq.channel import Keys
from taskq.doctor.leftovers import Leftovers
from taskq.errors import ServerRefused, UnknownChannel
from taskq.supervisor.banner import log_banner
from taskq.supervisor.options import WorkerOptions
from taskq.supervisor.plan import Plan, choose, make_plan
from taskq.supervisor.processes.zygote import AppInfo
from tests.conftest import OwnServer
from tests.support.servers import ServerProcess


def _plan(url: str) -> Plan:
    queue = Queue(url)
    app = AppInfo(queue.settings, ("work",), {"default": queue.channel("default")}, Leftovers(), ())
    return make_plan(app, WorkerOptions())


@pytest.mark.parametrize(
    ("policy", "maxmemory", "names"),
    [("allkeys-lru", "100mb", "maxmemory-policy allkeys-lru"), ("allkeys-lru", "0", ""), ("noeviction", "100mb", "")],
)
def test_a_server_that_drops_keys_causes_a_warning(
    own_server: OwnServer, caplog: pytest.LogCaptureFixture, policy: str, maxmemory: str, names: str
) -> None:
    """Given a server that drops keys when it is full, then the worker warns of it at the start, and of no other server."""
    server = own_server(maxmemory=maxmemory, extra=("--maxmemory-policy", policy))
    with caplog.at_level(logging.WARNING):
        log_banner(_plan(server.url), None)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == (
        [f"{names}: a full server drops keys, and jobs with them: set noeviction"] if names else []
    )


@pytest.mark.parametrize(("key", "kind"), [("waiting", "list"), ("failed", "zset"), ("cancels", "hash")])
def test_a_key_of_another_type_ends_the_start(server: ServerProcess, prefix: str, key: str, kind: str) -> None:
    """Given a key of the channel that another program uses, then the start fails, and the error names channel, key, types and remedy."""
    queue = Queue(server.url, channels={"mail": {"channel": prefix}})
    app = AppInfo(queue.settings, ("work",), {"mail": queue.channel("mail")}, Leftovers(), ())
    name = getattr(Keys(prefix), key)
    server.admin.set(name, "mine")
    with pytest.raises(ServerRefused) as refused:
        make_plan(app, WorkerOptions())
    assert str(refused.value).startswith(f"channel mail: the key {name} must be a {kind}; it is a string. Another program uses this key")


def test_a_server_without_info_causes_no_warning(own_server: OwnServer, caplog: pytest.LogCaptureFixture) -> None:
    """Given a user without permission for INFO, then the worker starts without a warning."""
    server = own_server()
    server.admin.execute_command("ACL", "SETUSER", "quiet", "on", ">pw", "~*", "+@all", "-info")
    with caplog.at_level(logging.WARNING):
        plan = _plan(f"unix://quiet:pw@{server.socket}")
        log_banner(plan, None)
    assert (plan.eviction, caplog.records) == ("", [])


def test_an_unknown_channel_is_named_without_an_option() -> None:
    """Given an unknown channel, then the error names it, and no option that a program doesn't have."""
    queue = Queue("unix:///nowhere.sock")
    app = AppInfo(queue.settings, ("work",), {"default": queue.channel("default")}, Leftovers(), ())
    with pytest.raises(UnknownChannel, match=r"^unknown channel 'defalt'; did you mean \"default\"\?$"):
        make_plan(app, WorkerOptions(channels=("defalt",)))


@pytest.mark.one_python
def test_channels_of_patterns_can_be_chosen() -> None:
    """Given a pattern, then --channel takes the pattern, and a name that matches; without the option, only defined channels are chosen."""
    queue = Queue("redis://localhost:1", channels={"tenant-*": {"processes": 2}})
    app = AppInfo(queue.settings, ("work",), {"default": queue.channel("default")}, Leftovers(), ())
    chosen = {names: list(choose(app, WorkerOptions(channels=names))) for names in ((), ("tenant-*",), ("tenant-1", "default"))}
    assert chosen == {(): ["default"], ("tenant-*",): [], ("tenant-1", "default"): ["tenant-1", "default"]}
    with pytest.raises(UnknownChannel, match=r'unknown channel \'tennant-1\'; did you mean "tenant-\*"\?'):
        choose(app, WorkerOptions(channels=("tennant-1",)))
