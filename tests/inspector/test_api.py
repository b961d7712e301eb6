"""The inspector as code uses it: its results are plain data, its errors clear, and async callers are never blocked."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import msgspec
import pytest

import taskq
from taskq import ArgumentsError, Queue, UnknownChannel
from taskq.channel import State
from taskq.cli.output import json_text
from taskq.inspector import Inspector
from taskq.inspector.threads import Stopped, in_thread
from tests.support.hand import HandWorker
from tests.support.wait import wait_until

pytestmark = pytest.mark.one_python


def test_everything_is_plain_data(queue: Queue, worker: HandWorker, inspector: Inspector, prefix: str) -> None:
    """Given messages and a worker, then each result is frozen, and its dictionary is JSON."""
    first = queue.push_name("shop.jobs:add", (1,))
    queue.push_name("shop.jobs:add", (2,), delay=60)
    worker.beat(state="running", job="shop:nap", message=first.id, since_ms=1)
    info = inspector.info()
    assert [report.channel for report in info] == inspector.channels() == ["default", prefix]
    assert info[1].counts.delayed == 1
    assert next(one.to_dict() for one in inspector.info(prefix))["counts"]["waiting"] == 1
    found = inspector.entries(prefix, "waiting")
    entry = inspector.find(first.id)
    assert entry is not None
    for one in (*info, *found, entry, inspector.doctor(), inspector.status(first.id), inspector.cancel(first.id)):
        assert json.loads(json_text(one.to_dict())) == one.to_dict()
    with pytest.raises(AttributeError, match="immutable"):
        entry.job = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        found.total = 5  # type: ignore[misc]


def test_entries_are_bounded_and_marked(queue: Queue, inspector: Inspector, prefix: str) -> None:
    """Given more messages than `limit` or `search` allow, then these are returned, and `is_complete` is False."""
    for number in range(6):
        queue.push_name("shop.jobs:add" if number % 2 else "shop.jobs:send", (number,))
    everything = inspector.entries(prefix, State.WAITING)
    assert (len(everything), everything.total, everything.is_complete) == (6, 6, True)
    assert everything[-1].args == (5,)
    assert [entry.args[0] for entry in everything] == list(range(6))
    for limit, search, job, shown, is_complete in [
        (6, None, None, 6, True),
        (5, None, None, 5, False),
        (None, 4, None, 4, False),
        (3, None, "add", 3, True),
        (2, None, "add", 2, False),
        (9, 4, "add", 2, False),
        (0, None, None, 0, False),
    ]:
        found = inspector.entries(prefix, "waiting", job=job, limit=limit, search=search)
        assert (len(found), found.is_complete, found.total) == (shown, is_complete, 6), (limit, search, job)
    assert inspector.entries(prefix).is_complete


def test_errors_name_what_is_wrong(inspector: Inspector, prefix: str) -> None:
    """Given an unknown channel or state, or none of several channels, then the error says which exist."""
    with pytest.raises(UnknownChannel, match="unknown channel 'nosuch'; "):
        inspector.info("nosuch")
    with pytest.raises(ArgumentsError, match=r"state must be one of waiting, reserved, .*; got 'broken'"):
        inspector.entries(prefix, "broken")
    with pytest.raises(ArgumentsError, match=f"there are several channels; give one of default, {prefix}"):
        inspector.entries()
    for wrong in (-1, "3", True):
        with pytest.raises(ArgumentsError, match=f"limit must be an integer from 0, or None for no bound; got {wrong!r}"):
            inspector.entries(prefix, limit=wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentsError, match="an inspector needs a Queue"):
        taskq.Inspector("redis://localhost")  # type: ignore[arg-type]
    with pytest.raises(ArgumentsError, match=r'channels must be a list of names: channels=\["mail"\]'):
        inspector.find("0" * 32, channels="mail")
    with pytest.raises(ArgumentsError, match="`by` must be a string; got 5"):
        inspector.cancel("0" * 32, by=5)  # type: ignore[arg-type]


def test_one_channel_need_not_be_named(url: str) -> None:
    """Given a queue with one channel, then entries and reload take that one."""
    queue = Queue(url)
    inspector = taskq.Inspector(queue)
    assert inspector.entries().channel == "default"
    assert inspector.reload() == 0
    queue.close()


def test_an_iteration_keeps_one_page(queue: Queue, prefix: str) -> None:
    """Given many messages, when they are iterated over, then later pages are read later, and what arrives meanwhile is left out."""
    handles = [queue.push_name("shop.jobs:add", (number,)) for number in range(50)]
    inspector = taskq.Inspector(queue)
    listing = inspector.iter_entries(prefix, "waiting")
    first = next(listing)
    assert (first.id, listing.total, listing.is_complete) == (handles[0].id, 50, False)
    assert handles[40].delete()
    queue.push_name("shop.jobs:add", (50,))
    assert [entry.id for entry in listing][:40] == [handle.id for handle in (*handles[1:40], handles[41])]
    assert listing.is_complete
    listing = inspector.iter_entries(prefix, "waiting", limit=2)
    assert ([entry.args for entry in listing], listing.is_complete) == ([(0,), (1,)], False)
    with pytest.raises(taskq.ArgumentsError, match="limit must be an integer from 0"):
        inspector.iter_entries(prefix, "waiting", limit=-1)


def test_the_mark_of_a_removed_message_is_not_listed(queue: Queue, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a message that was deleted from the middle of a long list, then no entry shows the mark in its place."""
    monkeypatch.setattr("taskq.driver.redis.driver.REACH", 1)
    handles = [queue.push_name("shop.jobs:add", (number,)) for number in range(5)]
    inspector = taskq.Inspector(queue)
    assert inspector.delete(handles[2].id) is not None
    assert inspector.counts(prefix).waiting == 5
    assert [entry.id for entry in inspector.entries(prefix, "waiting")] == [handles[number].id for number in (0, 1, 3, 4)]
    assert inspector.find(handles[2].id) is None
    assert inspector.status(handles[2].id) is None
    assert inspector.delete(handles[2].id) is None


def test_async_versions_do_the_same(queue: Queue, worker: HandWorker, prefix: str) -> None:
    """Given each method, then its async version returns the same, from another thread."""
    first, second, third = (queue.push_name("shop.jobs:add", (number,)) for number in range(3))
    inspector = taskq.Inspector(queue)

    async def use() -> None:
        assert msgspec.to_builtins((await inspector.ainfo(prefix))[0].counts)["waiting"] == 3
        assert (await inspector.acounts(prefix)).total == 3
        assert await inspector.aworkers(prefix) == []
        assert [entry.id for entry in await inspector.aentries(prefix, "waiting", limit=2)] == [first.id, second.id]
        assert [entry.id async for entry in inspector.aiter_entries(prefix, "waiting")] == [first.id, second.id, third.id]
        found = await inspector.afind(second.id[:24])
        assert found is not None
        assert (await inspector.acancel(second.id)).effect is taskq.Cancelled.NOW
        ended = await inspector.astatus(second.id)
        assert ended is not None
        assert ended.status.state == "cancelled"
        assert await inspector.adelete(first.id) is not None
        (raw,) = worker.reserve()
        worker.set_aside(raw)
        assert await inspector.areload(prefix, message_id=third.id) == 1
        assert await inspector.aflush(prefix, "waiting") == 1
        assert (await inspector.adoctor()).exit_code in (0, 1)

    asyncio.run(use())
    sync = {name for name in dir(Inspector) if not name.startswith("_")}
    quick = {"channels", "close", "defined_channels", "has_app", "job_names", "only_channel", "report", "resolve", "url"}
    assert {name for name in sync if f"a{name}" in sync} == sync - quick - {name for name in sync if name[:1] == "a" and name[1:] in sync}


def test_a_cancelled_task_sends_no_further_command(queue: Queue, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a task that is cancelled while its thread waits for a reply, then the thread ends before the next command."""
    inspector = taskq.Inspector(queue)
    inspector.counts(prefix)
    sent: list[str] = []
    asked, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    sender = queue.sender(prefix)
    call = sender.call

    def slow(command: Any, **more: Any) -> Any:
        sent.append(command.move)
        asked.set()
        assert go_on.wait(30)
        return call(command, **more)

    monkeypatch.setattr(sender, "call", slow)

    def counts() -> None:
        try:
            inspector.counts(prefix)
        except Stopped:
            ended.set()

    async def use() -> None:
        task = asyncio.create_task(in_thread(counts))
        while not asked.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(use())
    wait_until(ended.is_set)
    assert sent == ["count"]
