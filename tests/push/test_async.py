"""Pushing from async code: the loop is never blocked, and connections live and end with their loop."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from taskq import ArgumentsError, PushOutcomeUnknown, Queue, ServerUnavailable
from taskq.driver.pool import IDLE_LIMIT
from tests.push.conftest import MakeQueue
from tests.push.shelf import Shelf
from tests.support.relay import Relay
from tests.support.servers import ServerProcess
from tests.support.wait import wait_until


def add(a: int, b: int = 1) -> int:
    return a + b


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_every_verb_has_an_async_twin(queue: Queue, shelf: Shelf) -> None:
    """Given a job, when it is pushed from async code in every way, then the same is stored as from sync code."""
    job = queue.job(add)

    async def push() -> list[str]:
        handles = [await job.apush(1, b=2), await job.options(max_attempts=5).apush(3), await job.bind(4).apush()]
        handles += await job.apush_many([(5,), job.bind(6)])
        handles += await job.options(handle_timeout=5).apush_many([(7,)])
        handles += [await queue.acall(abs, -8), await queue.apush(job.bind(9)), await job.options(once=True).apush(10)]
        await job.apush(11, delay=60)
        await job.bind(12).apush(delay=60)
        await queue.aclose()
        return [handle.id for handle in handles]

    ids = asyncio.run(push())
    assert [seen.id for seen in shelf.waiting()] == ids
    assert [(seen.args, seen.kwargs) for seen in shelf.waiting()[:2]] == [((1,), {"b": 2}), ((3,), {})]
    assert sorted(seen.args[0] for seen in shelf.delayed()) == [11, 12]


def test_wrong_calls_are_refused_alike(queue: Queue) -> None:
    """Given wrong arguments, then the async verbs raise as the others do."""
    job: Any = queue.job(add)

    async def push() -> None:
        with pytest.raises(ArgumentsError):
            await job.apush()
        with pytest.raises(ArgumentsError):
            await job.apush_many([()])

    asyncio.run(push())


def test_many_tasks_push_at_once(queue: Queue, shelf: Shelf) -> None:
    """Given two hundred tasks that push at once, then each message is stored once, over a few connections that are used again."""
    job = queue.job(add)

    async def push() -> int:
        await asyncio.gather(*(job.apush(number) for number in range(200)))
        before = _open_files()
        await asyncio.gather(*(job.apush(number) for number in range(200, 400)))
        return _open_files() - before

    assert asyncio.run(push()) <= 0
    assert sorted(seen.args[0] for seen in shelf.waiting()) == list(range(400))


def test_a_loop_s_connections_end_with_it(queue: Queue, shelf: Shelf) -> None:
    """Given many event loops one after another, as asyncio.run makes them, then no connection and no loop is left, without a warning."""
    job = queue.job(add)
    asyncio.run(job.apush(0))
    gc.collect()
    before = _open_files()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(1, 20):
            asyncio.run(job.apush(number))
        gc.collect()
    assert _open_files() <= before
    assert [seen.args[0] for seen in shelf.waiting()] == list(range(20))
    assert len(queue.sender("default")._links.loops) <= 1


def test_loops_of_several_threads_push_at_once(queue: Queue, shelf: Shelf) -> None:
    """Given an event loop in each of several threads, then each has its own connections, and every message is stored."""
    job = queue.job(add)
    failures: list[BaseException] = []

    async def push(start: int) -> None:
        for number in range(start, start + 25):
            await job.apush(number)

    def work(start: int) -> None:
        try:
            asyncio.run(push(start))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(100 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(shelf.waiting()) == 100


def test_the_loop_is_never_blocked(make_queue: MakeQueue, server: ServerProcess) -> None:
    """Given a server that answers late, when a push waits for it, then other tasks run."""
    with Relay(server.socket) as relay:
        queue = make_queue(relay.url)
        job = queue.job(add)

        async def push() -> float:
            await job.apush(0)
            relay.delay = 0.3
            task = asyncio.create_task(job.apush(1))
            longest, last = 0.0, time.monotonic()
            while not task.done():
                await asyncio.sleep(0.005)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            await task
            return longest

        assert asyncio.run(push()) < 0.2


def test_the_embedded_server_is_started_beside_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, prefix: str) -> None:
    """Given no url, when the first push has to start the embedded server, then that happens in a thread."""
    threads: list[threading.Thread] = []

    def start(settings: Any) -> str:
        threads.append(threading.current_thread())
        return url

    monkeypatch.setattr("taskq.push.outbox.server_url", start)
    queue = Queue(channels={"default": {"channel": prefix}}, directory=tmp_path)
    asyncio.run(queue.job(add).apush(1))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_a_cancelled_push_leaves_no_reply_behind(make_queue: MakeQueue, server: ServerProcess, shelf: Shelf) -> None:
    """Given pushes that are cancelled while the server answers, then later pushes don't get their replies, and connections don't leak."""
    with Relay(server.socket) as relay:
        queue = make_queue(relay.url)
        job = queue.job(add)

        async def push() -> None:
            await job.apush(0)
            before = _open_files()
            for number in range(1, 6):
                relay.hold()
                sent = len(relay.requests)
                task = asyncio.create_task(job.apush(number))
                while len(relay.requests) == sent:
                    await asyncio.sleep(0.002)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                relay.release()
            handle = await job.apush(100)
            assert (await asyncio.to_thread(handle.delete)) is True
            relay.cut()
            async with asyncio.timeout(10):
                while _open_files() > before:  # the event loop and the relay close their ends when they come to it
                    await asyncio.sleep(0.01)

        asyncio.run(push())


def test_a_broken_connection_is_replaced(make_queue: MakeQueue, server: ServerProcess, shelf: Shelf) -> None:
    """Given a connection that broke while it lay idle, when something is pushed, then it is stored once over a new one."""
    with Relay(server.socket) as relay:
        queue = make_queue(relay.url)
        job = queue.job(add)

        async def push() -> None:
            await job.apush(1)
            relay.cut()
            await job.apush(2)

        asyncio.run(push())
    assert [seen.args[0] for seen in shelf.waiting()] == [1, 2]


def test_an_unknown_outcome_is_reported(make_queue: MakeQueue, server: ServerProcess, shelf: Shelf) -> None:
    """Given a reply that is lost, then PushOutcomeUnknown names the message, which can be withdrawn."""
    with Relay(server.socket) as relay:
        queue = make_queue(relay.url)
        job = queue.job(add)

        async def push() -> None:
            await job.apush(1)
            relay.lose_reply()
            with pytest.raises(PushOutcomeUnknown) as caught:
                await job.apush(2)
            assert caught.value.handle.id == shelf.waiting()[1].id
            assert await asyncio.to_thread(caught.value.handle.delete) is True
            relay.lose_reply()
            await job.options(once=True).apush(3)

        asyncio.run(push())
    assert [seen.args[0] for seen in shelf.waiting()] == [1, 3]


def test_an_unreachable_server_is_reported(make_queue: MakeQueue) -> None:
    """Given no server, then the push raises ServerUnavailable, and no connection is left."""
    queue = make_queue("redis://127.0.0.1:1/0")

    async def push() -> None:
        with pytest.raises(ServerUnavailable, match=r"127\.0\.0\.1:1"):
            await queue.job(add).apush(1)

    asyncio.run(push())


def test_many_tasks_leave_few_connections(queue: Queue, server: ServerProcess) -> None:
    """Given sixty pushes at once on one loop, when they are done, then the server has few connections of it."""
    job = queue.job(add)

    async def push() -> int:
        before = len(server.admin.client_list())
        await asyncio.gather(*(job.apush(number) for number in range(60)))
        wait_until(lambda: len(server.admin.client_list()) - before <= IDLE_LIMIT)
        await job.apush(61)
        await queue.aclose()
        return before

    asyncio.run(push())
    assert server.admin.llen(queue.sender("default").driver.keys.waiting) == 61
