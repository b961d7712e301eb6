"""Headers of pushes: by options and by blocks, with every way to push."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from taskq import ConfigError, PushError, Queue
from taskq.context import Context, Headers
from taskq.jobs.options import PLAIN
from taskq.wire.signing import Signer
from tests.push.conftest import MakeQueue
from tests.push.shelf import Seen, Shelf
from tests.support.servers import ServerProcess

pytestmark = pytest.mark.one_python

TENANT = {"tenant": "acme"}


def add(a: int = 0, b: int = 1) -> int:
    return a + b


class Thing:
    headers = "not those of the message"

    def handle(self) -> None: ...


@pytest.fixture
def job(queue: Queue) -> Any:
    return queue.job(name="add")(add)


def headers_of(seen: Seen) -> dict[str, str]:
    stored = seen.options.get("headers", [])
    return dict(zip(stored[::2], stored[1::2], strict=True))


def all_headers(shelf: Shelf) -> list[dict[str, str]]:
    return [headers_of(seen) for seen in [*shelf.waiting(), *shelf.delayed()]]


async def _many_async(queue: Queue, job: Any) -> None:
    await job.apush(1)
    await job.options(delay=60).apush(1)
    await job.apush_many([(1,), job.bind(2)])
    await queue.apush(Thing())
    await queue.acall(print)
    async with queue.buffer():
        await job.apush(1)
    await queue.aclose()


def push_in_every_way(queue: Queue, job: Any) -> int:
    job.push(1)
    job.push(1, delay=60)
    job.options(once=True).push(1)
    job.options(channel="default", max_attempts=2).push(1)
    job.bind(1).push()
    job.bind(1).push(delay=60)
    job.push_many([(1,), job.bind(2), job.options(once=True).bind(3)])
    job.options(delay=60).push_many([(1,)])
    queue.push(Thing())
    queue.push(job.bind(1))
    queue.call(print, 1)
    queue.call(job, 1, delay=60)
    queue.push_name("add", [1])
    queue.send(job.bind(1))
    queue.send_many([job.bind(1)])
    with queue.buffer():
        job.push(1)
    asyncio.run(_many_async(queue, job))
    return 25


def test_every_way_to_push_carries_the_headers_of_its_block(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a block with headers, when messages are pushed in every way, then each has the headers, and those after the block none."""
    bound = job.bind(1)
    with queue.headers(TENANT):
        number = push_in_every_way(queue, job)
    assert all_headers(shelf) == [TENANT] * number
    shelf.client.flushdb()
    bound.push()
    assert all_headers(shelf) == [{}]


def test_no_headers_take_no_byte(queue: Queue, job: Any) -> None:
    """Given no headers, or empty ones, then the message is as long as it always was."""
    packer = queue.outbox.packer
    plain = len(packer.pack(job.bind(1)).payload)
    with queue.headers():
        assert len(queue.outbox._pack(job.options(headers={}).bind(1)).payload) == plain
    assert len(packer.pack(job.options(headers=TENANT).bind(1)).payload) == plain + 23


def test_blocks_nest_and_options_come_first(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given nested blocks and options, then all headers are there, and the nearest value counts; another queue's block doesn't."""
    other = Queue("unix:///nowhere.sock")
    with queue.headers(tenant="a", locale="de"), other.headers(tenant="x", other="y"), queue.headers({"x-request": "1"}, tenant="b"):
        job.push()
        job.options(headers={"tenant": "c", "own": "1"}).push()
    job.options(headers={"own": "2"}).push()
    assert all_headers(shelf) == [
        {"tenant": "b", "locale": "de", "x-request": "1"},
        {"tenant": "c", "locale": "de", "x-request": "1", "own": "1"},
        {"own": "2"},
    ]


def test_a_bound_call_keeps_its_headers_and_gets_defaults(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given bound calls with headers, when many are pushed with other options, then both are merged, and the call's own come first."""
    call = job.options(headers={"own": "1", "tenant": "own"}).bind(1)
    job.options(headers={"tenant": "default", "locale": "de"}, max_attempts=2).push_many([call, (2,)])
    call.with_options(headers={"only": "this"}).push()
    pickle.loads(pickle.dumps(call.options)).with_defaults(PLAIN)
    assert all_headers(shelf) == [
        {"tenant": "own", "locale": "de", "own": "1"},
        {"tenant": "default", "locale": "de"},
        {"only": "this"},
    ]
    assert [seen.options.get("max_attempts") for seen in shelf.waiting()] == [2, 2, None]


def test_options_are_pickled_without_defaults(job: Any) -> None:
    """Given the options of a bound call, when they are pickled, then a taskq without a later option can read those that don't use it."""
    options = job.options(delay=5).bind(1).options
    assert b"headers" not in pickle.dumps(options)
    assert pickle.loads(pickle.dumps(options)) == options
    assert pickle.loads(pickle.dumps(PLAIN)) == PLAIN


def test_a_block_belongs_to_its_thread_or_task(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a block in one task, then other tasks and threads have no headers, and a task that is created in the block has them."""

    async def both() -> None:
        opened, done = asyncio.Event(), asyncio.Event()

        async def beside() -> None:
            await opened.wait()
            await job.apush(1)
            done.set()

        task = asyncio.create_task(beside())
        with queue.headers(TENANT):
            opened.set()
            await done.wait()
            thread = threading.Thread(target=job.push, args=(2,))
            thread.start()
            await asyncio.to_thread(thread.join)
            await asyncio.create_task(job.apush(3))
            await asyncio.to_thread(job.push, 4)
        async with queue.headers(TENANT):
            await job.apush(5)
        await job.apush(6)
        await task
        await queue.aclose()

    asyncio.run(both())
    assert {seen.args[0]: headers_of(seen) for seen in shelf.waiting()} == {1: {}, 2: {}, 3: TENANT, 4: TENANT, 5: TENANT, 6: {}}


def test_a_block_that_is_left_in_another_context_changes_nothing_there(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a generator with a block, if it is closed in another context (with a warning) or out of order, then no header stays set."""
    block = queue.headers(TENANT)
    contextvars.copy_context().run(block.__enter__)
    with pytest.warns(RuntimeWarning, match=r"left in different threads or tasks, .* async def") as warned:
        block.__exit__(None, None, None)
    assert warned[0].filename == __file__
    with queue.headers(a="1"):
        job.push()
    outer, inner = queue.headers(outer="1"), queue.headers(inner="1")

    def leave_in_the_wrong_order() -> None:
        outer.__enter__()
        inner.__enter__()
        outer.__exit__(None, None, None)
        job.push()
        inner.__exit__(None, None, None)
        job.push()

    contextvars.copy_context().run(leave_in_the_wrong_order)
    assert all_headers(shelf) == [{"a": "1"}, {"inner": "1"}, {}]


def test_a_buffer_takes_the_headers_of_each_push(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a buffer around blocks with headers, then each message has the headers at its push, not those at the end."""
    with queue.buffer():
        job.push(0)
        with queue.headers(TENANT):
            job.push(1)
    assert all_headers(shelf) == [{}, TENANT]


def test_headers_are_signed(make_queue: MakeQueue, server: ServerProcess, prefix: str) -> None:
    """Given a secret, then the headers are a part of what is signed."""
    queue = make_queue(secret="s")
    with queue.headers(TENANT):
        queue.job(name="add")(add).push()
    seen = Shelf(server, prefix, Signer(["s"], prefix)).only()
    assert (headers_of(seen), seen.flags) == (TENANT, 1)


WRONG: dict[str, Callable[[Queue, Any], Any]] = {
    "options": lambda queue, job: job.options(headers={"tenant": 5}),
    "a list": lambda queue, job: job.options(headers=["tenant"]),
    "with_options": lambda queue, job: job.bind().with_options(headers={5: "x"}),
    "block": lambda queue, job: queue.headers(tenant=None),
    "a text": lambda queue, job: queue.headers("tenant"),
    "too large": lambda queue, job: queue.headers(tenant="x" * 5000),
    "by name": lambda queue, job: queue.push_name("add", headers={"tenant": 5}),
}


@pytest.mark.parametrize("way", WRONG)
def test_wrong_headers_fail_where_they_are_given(queue: Queue, job: Any, way: str) -> None:
    """Given headers of a wrong form, then the options or the block are refused, before anything is pushed."""
    with pytest.raises(ConfigError, match="header"):
        WRONG[way](queue, job)


def test_headers_that_are_too_large_together_fail_at_the_push(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given blocks that are small alone and too large together, then the push is refused and nothing is stored."""
    with queue.headers(a="x" * 3000), queue.headers(b="x" * 3000), pytest.raises(PushError, match=r"the headers take 6,002 bytes, over"):
        job.push_many([(1,), (2,)])
    assert shelf.waiting() == []


def test_a_block_is_open_once(queue: Queue) -> None:
    """Given a block, then it can be used again after its end, but not inside itself, and it can't be pickled."""
    block = queue.headers(TENANT)
    with block:
        pass
    with block, pytest.raises(RuntimeError, match=r"use a new queue\.headers\(\.\.\.\)"):
        block.__enter__()
    with pytest.raises(TypeError, match="pass a dict"):
        pickle.dumps(block)


def test_headers_of_a_context_are_read_only_and_can_be_copied() -> None:
    """Given the context of a job, then its headers are a mapping without setters, and context and headers can be pickled and copied."""
    context = Context(id="1", job="x:y", channel="default", attempt=1, max_attempts=3, pushed_at_ms=0, headers=Headers(TENANT))
    assert (context.headers, dict(context.headers), {**context.headers}, repr(context.headers)) == (TENANT, TENANT, TENANT, repr(TENANT))
    assert (len(context.headers), context.headers.get("none"), "tenant" in context.headers) == (1, None, True)
    with pytest.raises(TypeError):
        context.headers["tenant"] = "other"  # type: ignore[index]
    assert pickle.loads(pickle.dumps(context)) == copy.deepcopy(context) == context
