"""The connections of an event loop: one for all tasks, others for those that block, and their end after a fork and with the loop."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvloop

from taskq import PushOutcomeUnknown, Queue, ResultTimeout, ServerUnavailable
from taskq.channel import Keys
from tests.conftest import OwnServer
from tests.support.relay import Relay
from tests.support.servers import ServerProcess
from tests.support.wait import until

pytestmark = pytest.mark.one_python


@pytest.fixture
def make_queue(prefix: str, tmp_path: Path) -> Callable[..., Queue]:
    def make(url: str, **settings: Any) -> Queue:
        return Queue(url, channels={"default": {"channel": prefix}}, directory=tmp_path, **settings)

    return make


@pytest.fixture
def queue(make_queue: Callable[..., Queue], url: str) -> Queue:
    return make_queue(url)


def _job(queue: Queue) -> Any:
    return queue.job(name="add", result_ttl=60)(lambda number: number)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.usefixtures("libuv")
def test_all_tasks_of_a_loop_share_one_connection(
    own_server: OwnServer, make_queue: Callable[..., Queue], prefix: str, run: Callable[[Any], Any]
) -> None:
    """Given two hundred tasks that push and ask at once, then the server has one connection of them, and each gets its own reply."""
    server = own_server()
    job = _job(make_queue(server.url))

    async def push(number: int) -> tuple[str, str]:
        handle = await job.apush(number)
        return handle.id, (await handle.astatus()).state

    async def main() -> set[str]:
        before = server.admin.info("stats")["total_connections_received"]
        replies = await asyncio.gather(*(push(number) for number in range(200)))
        assert server.admin.info("stats")["total_connections_received"] - before == 1
        assert len({identity for identity, _ in replies}) == 200
        return {state for _, state in replies}

    assert run(main()) == {"waiting"}
    assert server.admin.llen(Keys(prefix).waiting) == 200


def test_who_waits_for_a_result_delays_no_push(own_server: OwnServer, make_queue: Callable[..., Queue]) -> None:
    """Given tasks that block in the server for a result, when another pushes, then it has its reply while they still wait."""
    server = own_server()
    job = _job(make_queue(server.url))

    async def main() -> None:
        handles = [await job.apush(number) for number in range(3)]
        waiting = [asyncio.create_task(handle.aresult(timeout=30)) for handle in handles]
        await until(lambda: server.admin.info("clients")["blocked_clients"] == 3)
        await job.apush(3)
        assert server.admin.info("clients")["blocked_clients"] == 3
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

    asyncio.run(main())


def test_one_cancelled_task_disturbs_no_other(queue: Queue, server: ServerProcess, prefix: str, make_queue: Callable[..., Queue]) -> None:
    """Given pushes without a reply, when one of them reaches the end of its cancel scope, then the others are stored once, and return."""
    with Relay(server.socket) as relay:
        job = _job(make_queue(relay.url))

        async def main() -> None:
            await job.apush(0)
            relay.hold()
            others = [asyncio.create_task(job.apush(number)) for number in range(1, 6)]
            with anyio.move_on_after(0.05) as scope:
                await job.apush(6)
            assert scope.cancelled_caught
            relay.release()
            await asyncio.gather(*others)
            assert relay.connections == 1

        asyncio.run(main())
    assert server.admin.llen(Keys(prefix).waiting) == 7


def test_a_cut_tells_each_push_the_truth(server: ServerProcess, prefix: str, make_queue: Callable[..., Queue]) -> None:
    """Given pushes that wait when the connection is cut, then each raises PushOutcomeUnknown with its handle, and the next is stored."""
    with Relay(server.socket) as relay:
        job = _job(make_queue(relay.url))

        async def main() -> None:
            await job.apush(0)
            before = len(relay.requests)
            relay.hold()
            tasks = [asyncio.create_task(job.apush(number)) for number in range(1, 4)]
            once = asyncio.create_task(job.options(once=True).apush(4))
            await until(lambda: len(relay.requests) > before)
            relay.cut()
            relay.release()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {PushOutcomeUnknown}, outcomes
            assert len({outcome.handle.id for outcome in outcomes if isinstance(outcome, PushOutcomeUnknown)}) == 3
            await once
            await job.apush(5)

        asyncio.run(main())
    assert 3 <= server.admin.llen(Keys(prefix).waiting) <= 6


def test_a_server_that_is_away_fails_all_at_once(make_queue: Callable[..., Queue]) -> None:
    """Given no server, when many tasks push, then each raises ServerUnavailable, because nothing was stored."""
    job = _job(make_queue("redis://127.0.0.1:1/0"))

    async def main() -> list[Any]:
        return await asyncio.gather(*(job.apush(number) for number in range(30)), return_exceptions=True)

    outcomes = asyncio.run(main())
    assert {type(outcome) for outcome in outcomes} == {ServerUnavailable}


def test_a_forked_child_does_not_use_the_shared_connection(server: ServerProcess, prefix: str, make_queue: Callable[..., Queue]) -> None:
    """Given a push without a reply, when the process forks and the child pushes on a loop of its own, then both are stored, once."""
    with Relay(server.socket) as relay:
        queue = make_queue(relay.url)
        job = _job(queue)

        def child() -> None:
            code = 1
            try:
                thread = threading.Thread(target=lambda: asyncio.run(job.apush(2)))
                thread.start()
                thread.join()
                code = 0 if relay.connections >= 1 else 1
            finally:
                os._exit(code)

        async def main() -> None:
            await job.apush(0)
            before = len(relay.requests)
            relay.hold()
            task = asyncio.create_task(job.apush(1))
            await until(lambda: len(relay.requests) > before)
            pid = os.fork()
            if not pid:
                child()
            relay.release()
            await task
            _, status = await asyncio.to_thread(os.waitpid, pid, 0)
            assert status == 0
            await job.apush(3)

        asyncio.run(main())
    assert server.admin.llen(Keys(prefix).waiting) == 4


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_is_closed_with_its_connection_leaves_nothing(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    """Given loops that are closed without their shutdown, then only Python's own warnings follow: no task and no descriptor is left."""
    job = _job(queue)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(job.apush(1))
        assert not asyncio.all_tasks(loop)
        loop.close()
    asyncio.run(job.apush(2))
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before
    assert not caplog.records


def test_a_loop_for_each_test_is_served(queue: Queue) -> None:
    """Given many loops one after another, some of which end while a push waits, then each has its own connection, and nothing is left."""
    job = _job(queue)

    async def leave() -> None:
        asyncio.create_task(job.apush(1))  # noqa: RUF006
        await asyncio.sleep(0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            asyncio.run(job.apush(0))
            asyncio.run(leave())
        gc.collect()
    assert len(queue.sender("default")._links.loops) <= 1


def test_a_program_that_ends_as_a_push_begins_ends(queue: Queue) -> None:
    """Given a push that nobody waits for, made as the last step of a program, then `asyncio.run` ends and closes the connection."""
    job = _job(queue)

    async def main() -> None:
        await job.apush(0)
        asyncio.create_task(job.apush(1))  # noqa: RUF006

    thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_closing_a_queue_waits_for_its_pushes(server: ServerProcess, prefix: str, make_queue: Callable[..., Queue]) -> None:
    """Given a push without a reply, when the queue is closed meanwhile, then the push still gets its reply, and the connection ends."""
    with Relay(server.socket) as relay:
        queue = make_queue(relay.url)
        job = _job(queue)

        async def main() -> None:
            await job.apush(0)
            before = len(relay.requests)
            relay.hold()
            task = asyncio.create_task(job.apush(1))
            await until(lambda: len(relay.requests) > before)
            closing = asyncio.create_task(queue.aclose())
            await asyncio.sleep(0)
            relay.release()
            await closing
            assert task.done()
            await task
            with pytest.raises(ResultTimeout):
                await (await job.apush(2)).aresult(timeout=0.01)
            assert relay.connections >= 2
            await queue.aclose()

        asyncio.run(main())
    assert server.admin.llen(Keys(prefix).waiting) == 3
