"""Push hooks: they see every way to push, add headers, refuse, and learn what is stored."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskq import JobDefinitionError, Push, PushError, Queue, ServerUnavailable, UnknownChannel
from taskq.push.hooks import all_queues
from tests.push.conftest import MakeQueue
from tests.push.shelf import Shelf
from tests.push.test_headers import TENANT, add, all_headers, push_in_every_way

pytestmark = pytest.mark.one_python


class Watch:
    """Hooks that note what they see."""

    def __init__(self, queue: Queue) -> None:
        self.before: list[Push] = []
        self.after: list[list[Push]] = []
        queue.pushing(self.pushing)
        queue.pushed(self.pushed)

    def pushing(self, push: Push) -> None:
        push.headers["tenant"] = "acme"
        self.before.append(push)

    def pushed(self, pushes: list[Push]) -> None:
        self.after.append(pushes)

    def ids(self) -> list[str]:
        return [push.handle.id for pushes in self.after for push in pushes]


class AsyncWatch(Watch):
    """The same as coroutines."""

    async def pushing(self, push: Push) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().pushing(push)

    async def pushed(self, pushes: list[Push]) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().pushed(pushes)


@pytest.fixture
def job(queue: Queue) -> Any:
    return queue.job(name="add")(add)


@pytest.fixture
def anywhere() -> Iterator[Callable[..., Any]]:
    """Registers hooks for every queue, and removes them."""
    functions: list[Any] = []

    def register(decorator: Callable[[Any], Any], function: Any) -> None:
        functions.append(decorator(function))

    yield register
    for function in functions:
        all_queues.remove(function)
    assert (all_queues.pushing_hooks, all_queues.pushed_hooks) == ((), ())


def test_hooks_see_every_way_to_push(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given hooks, when messages are pushed in every way, then each is seen before and after, and has the header of the hook."""
    watch = Watch(queue)
    number = push_in_every_way(queue, job)
    assert all_headers(shelf) == [TENANT] * number
    assert len(watch.before) == number
    assert sorted(watch.ids()) == sorted(seen.id for seen in [*shelf.waiting(), *shelf.delayed()])
    assert {push.job for push in watch.before} == {"add", "builtins:print", "tests.push.test_headers:Thing"}


def test_a_hook_sees_the_push(queue: Queue, job: Any) -> None:
    """Given a push with options, then the hooks see its job, channel, arguments, options and headers, and its handle only once stored."""
    watch = Watch(queue)
    with queue.headers(locale="de"):
        handle = job.options(delay=60, max_attempts=2, headers={"own": "1"}).push(1, b=2)
    (push,) = watch.before
    assert (push.job, push.channel, push.args, push.kwargs) == ("add", "default", (1,), {"b": 2})
    assert (push.options.delay, push.options.max_attempts, push.call.job) == (60, 2, job)
    assert (push.headers, repr(push)) == ({"locale": "de", "own": "1", "tenant": "acme"}, "<Push add to default>")
    assert watch.after == [[push]]
    assert push.handle.id == handle.id
    with pytest.raises(TypeError):
        push.kwargs["b"] = 3  # type: ignore[index]
    with pytest.raises(RuntimeError, match=r"no handle before it is stored: use it in a @queue\.pushed hook"):
        Push(push.call, "default", {}).handle  # noqa: B018


def test_a_batch_is_reported_once(queue: Queue, job: Any) -> None:
    """Given a push of many and a buffer, then `pushed` is called once per round trip, after it, and not for each message."""
    watch = Watch(queue)
    handles = job.push_many([(number,) for number in range(501)])
    assert [len(pushes) for pushes in watch.after] == [500, 1]
    assert watch.ids() == [handle.id for handle in handles]
    watch.after.clear()
    with queue.buffer():
        job.push(1)
        job.push_many([(2,), (3,)])
        job.push(4, delay=60)
        assert watch.after == []
    assert [[push.args[0] for push in pushes] for pushes in watch.after] == [[1, 2, 3], [4]]


def test_a_hook_refuses(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a hook that raises, then the caller gets its exception, and nothing is sent: of a push of many, nothing at all."""
    watch = Watch(queue)

    @queue.pushing
    def refuse(push: Push) -> None:
        if push.args[0] == 2:
            raise PermissionError("not 2")

    with pytest.raises(PermissionError, match="not 2") as raised:
        job.push(2)
    assert raised.value.__notes__[0].startswith(f"taskq: raised by the @queue.pushing hook {__name__}.test_a_hook_refuses")
    with pytest.raises(PermissionError):
        job.push_many([(1,), (2,), (3,)])
    with pytest.raises(PermissionError) as caught, queue.buffer():
        [job.push(number) for number in (1, 2)]
    assert caught.value.__notes__[1:] == ["taskq: this exception left the block of a buffer, which discarded 1 unsent message"]

    async def from_async() -> None:
        with pytest.raises(PermissionError):
            await job.apush_many([(1,), (2,)])
        await queue.aclose()

    asyncio.run(from_async())
    assert (shelf.waiting(), watch.after) == ([], [])
    job.push(3)
    assert [seen.args for seen in shelf.waiting()] == [(3,)]


def test_a_hook_with_a_wrong_header_refuses(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a hook that sets a header which isn't text, then the push is refused; one that removes all headers leaves none."""
    number = 5

    @queue.pushing
    def number_of(push: Push) -> None:
        if push.args:
            push.headers["number"] = number  # type: ignore[assignment]
        else:
            push.headers.clear()

    with pytest.raises(PushError, match="the header 'number' must be a string; got 5"):
        job.push(1)
    job.options(headers=TENANT).push()
    assert all_headers(shelf) == [{}]

    @queue.pushing
    def replace(push: Push) -> None:
        push.headers = {"new": "1"} if push.kwargs else None  # type: ignore[assignment]

    with pytest.raises(PushError, match="headers must be a mapping of names to strings; got None"):
        job.options(headers=TENANT).push()
    job.push(b=2)
    assert all_headers(shelf) == [{}, {"new": "1"}]


def test_hooks_run_in_their_order(queue: Queue, job: Any, anywhere: Callable[..., Any]) -> None:
    """Given several hooks, then they are called in the order of their registration, and those for every queue after those of the queue."""
    calls: list[str] = []
    anywhere(all_queues.pushing, lambda push: calls.append("all queues"))
    anywhere(all_queues.pushed, lambda pushes: calls.append("all queues stored"))
    queue.pushing(lambda push: calls.append("first"))
    queue.pushing(lambda push: calls.append("second"))
    queue.pushed(lambda pushes: calls.append("stored"))
    job.push()
    assert calls == ["first", "second", "all queues", "stored", "all queues stored"]


def test_hooks_for_every_queue(make_queue: MakeQueue, anywhere: Callable[..., Any]) -> None:
    """Given hooks for every queue, when two queues push, then both are seen; a queue's own hooks see only its pushes."""
    one, two = make_queue(), make_queue()
    own = Watch(one)
    seen: list[str] = []
    anywhere(all_queues.pushing, lambda push: seen.append(push.job))
    for queue in (one, two):
        queue.job(name=f"add{len(seen)}")(add).push()
    assert (seen, len(own.before)) == (["add0", "add1"], 1)


def test_an_exception_after_the_push_is_logged(queue: Queue, job: Any, shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    """Given a `pushed` hook that raises, then the push succeeds, the exception is logged with the hook's name, and the next hook runs."""

    @queue.pushed
    def broken(pushes: list[Push]) -> None:
        raise ZeroDivisionError

    watch = Watch(queue)
    handle = job.push(1)
    assert shelf.only().id == handle.id == watch.ids()[0]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("the @queue.pushed hook tests.push.test_hooks.test_an_exception_after")
    assert record.exc_info


def test_a_failed_push_is_not_reported(queue: Queue, job: Any) -> None:
    """Given a server that doesn't answer, then `pushing` is called, and `pushed` is not."""
    watch = Watch(queue)
    queue.use_url("unix:///nowhere.sock", "the test")
    for push in (lambda: job.push(1), lambda: job.push_many([(1,)])):
        with pytest.raises(ServerUnavailable):
            push()
    with pytest.raises(UnknownChannel):
        job.options(channel="nosuch").push(1)
    assert (len(watch.before), watch.after) == (2, [])


def test_a_hook_that_pushes_calls_no_hooks(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given hooks that push, then their pushes are stored and call no hooks, which would never end; the next push calls them again."""
    audit = queue.job(name="audit")(lambda *names: None)
    queue.pushing(lambda push: audit.push("before", push.job) and None)
    queue.pushed(lambda pushes: audit.push_many([("after", push.job) for push in pushes]))
    job.push()
    job.push()
    assert [seen.job for seen in shelf.waiting()] == ["audit", "add", "audit"] * 2


def test_what_a_hook_leaves_behind_calls_hooks(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a hook that creates a task, and one that flushes a buffer and pushes, then only the task, which outlives it, calls hooks."""
    tasks: list[asyncio.Task[Any]] = []

    @queue.pushing
    def begin(push: Push) -> None:
        push.headers["tenant"] = "acme"
        if not tasks:
            tasks.append(asyncio.ensure_future(later()))

    async def later() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await job.apush(2)

    async def push() -> None:
        await job.apush(1)
        await tasks[0]
        await queue.aclose()

    asyncio.run(push())
    assert all_headers(shelf) == [TENANT] * 2
    audit, buffer = queue.job(name="audit")(lambda: None), queue.buffer()
    batches: list[list[Any]] = []

    @queue.pushed
    def note(pushes: list[Push]) -> None:
        batches.append([push.args for push in pushes])
        if len(batches) == 1:
            buffer.flush()
            audit.push()

    with buffer:
        job.push(3)
        with queue.buffer():
            job.push(4)
    assert batches == [[(4,)], [(3,)]]


def test_async_hooks_are_awaited(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given async hooks, when messages are pushed from async code, then they are awaited, also for buffers; sync hooks are called too."""
    watches = [AsyncWatch(queue), Watch(queue)]

    async def push() -> None:
        await job.apush(1)
        await job.apush_many([(2,), (3,)])
        await queue.apush_name("add", [4])
        async with queue.buffer():
            await job.apush(5)
        await queue.aclose()

    asyncio.run(push())
    assert all_headers(shelf) == [TENANT] * 5
    for watch in watches:
        assert [[push.args[0] for push in pushes] for pushes in watch.after] == [[1], [2, 3], [4], [5]]


def test_a_sync_push_with_an_async_hook_is_refused(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given an async hook of either kind, then a sync push is refused before anything is sent, and the error names the hook."""

    @queue.pushed
    async def count(pushes: list[Push]) -> None: ...

    with pytest.raises(PushError, match=r"^the @queue\.pushed hook .*count is async, and a sync push can't await it: push with apush"):
        job.push(1)

    async def leave_a_sync_buffer() -> None:
        with pytest.raises(PushError, match="async with"), queue.buffer():
            await job.apush(1)

    asyncio.run(leave_a_sync_buffer())
    assert shelf.waiting() == []


def test_a_hook_that_only_returns_a_coroutine(queue: Queue, job: Any, shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    """Given a function that returns a coroutine, then a sync push is refused, or logged once stored; an async push awaits it."""
    done: list[str] = []

    async def note(kind: str, given: object) -> None:
        done.append(kind)

    queue.pushed(lambda pushes: note("pushed", pushes))
    job.push(1)
    assert "is async, and a sync push can't await it" in caplog.text
    queue.pushing(lambda push: note("pushing", push))
    with pytest.raises(PushError, match="is async"):
        job.push(2)

    async def push() -> None:
        await job.apush(3)
        await queue.aclose()

    asyncio.run(push())
    assert (done, [seen.args for seen in shelf.waiting()]) == (["pushing", "pushed"], [(1,), (3,)])


class _Callable:
    async def __call__(self, push: Push) -> None: ...


def test_async_callables_are_known(queue: Queue, job: Any) -> None:
    """Given a partial of a coroutine function, or an object with an async __call__, then a sync push is refused with its name."""

    async def note(kind: str, push: Push) -> None: ...

    for function, name in ((functools.partial(note, "x"), "partial"), (_Callable(), "_Callable")):
        queue.pushing_hooks = ()
        queue.pushing(function)
        with pytest.raises(PushError, match=f"{name}.* is async"):
            job.push(1)


def _generator(push: Push) -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (None, "must decorate a function. It has no options: write it without parentheses"),
        (5, "must decorate a function; got 5"),
        (_generator, "_generator can't be a pushing hook: it yields, so calling it runs nothing"),
        (lambda: None, r"can't be a pushing hook: it must accept the push as its only argument; its parameters are \(\)"),
        (
            lambda self, push: None,
            r"\(self, push\)\. Register the method of an object: queue\.pushing\(object\.method\)",
        ),
        (lambda push, more: None, "must accept the push as its only argument"),
    ],
)
def test_what_can_not_be_a_hook_is_refused(queue: Queue, function: Any, problem: str) -> None:
    """Given anything but a function of one argument, then the decorator refuses it."""
    with pytest.raises(JobDefinitionError, match=problem):
        queue.pushing(function)
    with pytest.raises(JobDefinitionError, match=problem.replace("pushing", "pushed").replace("the push ", "the list of pushes ")):
        queue.pushed(function)
    with pytest.raises(JobDefinitionError, match="write it without parentheses"):
        queue.pushing()
    with pytest.raises(JobDefinitionError, match=r"@Queue\.pushing must be used on an instance"):
        Queue.pushing(lambda push: None)  # type: ignore[call-arg, arg-type, type-var]
