"""An operator who may do no more than the guide says."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest

from taskq import Queue
from taskq.channel import State
from tests.cli.conftest import Project, Type, push
from tests.support.acl import make_user
from tests.support.hand import HandWorker
from tests.support.servers import ServerProcess
from tests.support.store import Store


@pytest.fixture
def operator(server: ServerProcess, prefix: str, project: Project) -> str:
    """The URL of an operator of the project's two channels."""
    return make_user(server, "shop-operator", prefix, "~{queue}:*")


def test_every_command_of_an_operator_works(
    queue: Queue, type_: Type, worker: HandWorker, project: Project, operator: str, server: ServerProcess
) -> None:
    """Given the operator of the guide, when each command is typed, then nothing is refused, and what was asked for is done."""
    worker.beat(job="", pid=7)
    handles = [push(queue, "add", number) for number in range(4)]
    store = Store(server, project.channel)
    store.client.zadd(store.keys.failed, {store.client.rpop(store.keys.waiting): store.client.time()[0] * 1000})
    for words in [
        ("info", "--json"),
        ("list", project.channel, "--state", "waiting"),
        ("show", handles[1]),
        ("reload", project.channel),
        ("delete", handles[2]),
        ("flush", project.channel, "--state", "waiting", "--yes"),
    ]:
        ended = type_(*words, "--url", operator)
        assert ended.code == 0, ended.err
    assert store.count(State.WAITING) == store.count(State.FAILED) == 0
    examined = type_("doctor", "--url", operator)
    assert "permission" not in examined.out + examined.err
    assert "can't be used or checked" not in examined.out


@pytest.mark.one_python
def test_a_reload_needs_the_permission_to_end_cancel_requests(
    queue: Queue, type_: Type, project: Project, operator: str, server: ServerProcess
) -> None:
    """Given an operator without HDEL, when a message is reloaded, then the error names it, and nothing moves: its cancel would remain."""
    push(queue, "add", 1)
    store = Store(server, project.channel)
    store.client.zadd(store.keys.failed, {store.client.rpop(store.keys.waiting): store.client.time()[0] * 1000})
    user = unquote(urlsplit(operator).username or "")
    server.admin.execute_command("ACL", "SETUSER", user, "-hdel")
    ended = type_("reload", project.channel, "--url", operator)
    assert ended.code == 2
    assert "hdel" in ended.err.lower()
    assert (store.count(State.WAITING), store.count(State.FAILED)) == (0, 1)
