"""Pushes that are collected and sent together."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from taskq import Queue, SerializationError, ServerUnavailable
from taskq.push.buffer import drop_left_open
from tests.push.conftest import MakeQueue
from tests.push.shelf import Shelf
from tests.support.servers import ServerProcess


def _numbers(shelf: Shelf) -> list[Any]:
    return [seen.args[0] for seen in shelf.waiting()]


@pytest.fixture
def job(queue: Queue) -> Any:
    return queue.job(name="add")(lambda number: None)


def test_pushes_are_stored_at_the_end_of_the_block(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a buffer, if jobs are pushed in its block, one by one and many at once, then they are stored at its end, in their order."""
    with queue.buffer() as buffer:
        first = job.push(0)
        job.push_many([(1,), (2,)])
        job.options(delay=60).push(3)
        queue.call(print, 4)
        assert (len(buffer), _numbers(shelf)) == (5, [])
    assert [seen.args[0] for seen in shelf.waiting()][:3] == [0, 1, 2]
    assert (len(shelf.waiting()), len(shelf.delayed()), len(buffer)) == (4, 1, 0)
    assert shelf.waiting()[0].id == first.id


def test_five_hundred_are_sent_at_once(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a buffer, if more than 500 pushes come, then 500 are sent meanwhile, and the rest at the end."""
    with queue.buffer() as buffer:
        for number in range(499):
            job.push(number)
        assert shelf.waiting() == []
        job.push(499)
        job.push(500)
        assert (len(shelf.waiting()), len(buffer)) == (500, 1)
    assert _numbers(shelf) == list(range(501))


def test_an_exception_discards_unsent_messages_with_a_note(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given 502 pushes in a block, if an exception leaves it, then the two unsent ones are discarded, and a note gives their number."""

    def fail() -> None:
        with queue.buffer():
            job.push_many([(number,) for number in range(501)])
            job.push(501)
            job.push(502)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    assert caught.value.__notes__ == ["taskq: this exception left the block of a buffer, which discarded 2 unsent messages"]
    assert len(shelf.waiting()) == 501


@pytest.mark.parametrize("way", [SystemExit(0), KeyboardInterrupt(), GeneratorExit()])
def test_what_prints_no_note_is_logged(queue: Queue, job: Any, shelf: Shelf, way: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """Given pushes in a block, if sys.exit() or the end of a generator leaves it, then the discarded messages are logged."""

    def leave() -> None:
        with queue.buffer():
            job.push(1)
            raise way

    with pytest.raises(type(way)):
        leave()
    assert caplog.messages == [f"{type(way).__name__} left the block of a buffer: discarded 1 unsent message"]
    assert shelf.waiting() == []


def test_an_invalid_push_raises_where_it_is_made(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a buffer, if a push has arguments that can't be stored, then it raises at once, and the others are stored."""
    with queue.buffer():
        job.push(1)
        with pytest.raises(SerializationError):
            job.push(threading.Lock())
        job.push(2)
    assert _numbers(shelf) == [1, 2]


def test_what_waits_in_the_buffer_can_be_withdrawn(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a push that isn't sent yet, if its handle deletes it, then it is never sent."""
    with queue.buffer():
        handle = job.push(1)
        job.push(2)
        assert handle.delete()
        assert not handle.delete()
    assert _numbers(shelf) == [2]


def test_other_queues_and_threads_send_at_once(queue: Queue, job: Any, shelf: Shelf, make_queue: MakeQueue) -> None:
    """Given a buffer of one queue, if another queue or another thread pushes, then that is sent at once."""
    other = make_queue().job(name="other")(lambda number: None)
    with queue.buffer():
        job.push(1)
        other.push(2)
        thread = threading.Thread(target=job.push, args=(3,))
        thread.start()
        thread.join()
        assert _numbers(shelf) == [2, 3]
    assert _numbers(shelf) == [2, 3, 1]


def test_blocks_can_stand_in_each_other(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a buffer in a buffer of the same queue, then the inner one is sent at its own end."""
    with queue.buffer() as outer:
        job.push(1)
        with queue.buffer():
            job.push(2)
        assert (_numbers(shelf), len(outer)) == ([2], 1)
        with pytest.raises(RuntimeError, match="already open"):
            outer.__enter__()
    assert _numbers(shelf) == [2, 1]
    job.push(3)
    assert _numbers(shelf) == [2, 1, 3]


def test_flush_sends_before_the_end(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a buffer, if it is flushed, then what waits is stored now."""
    with queue.buffer() as buffer:
        job.push(1)
        buffer.flush()
        assert _numbers(shelf) == [1]


def test_the_end_raises_when_the_server_is_away(make_queue: MakeQueue, tmp_path: Any) -> None:
    """Given a server that isn't there, then pushes into the buffer succeed, and the end of the block raises."""
    job = make_queue(f"unix://{tmp_path}/nothing.sock").job(name="add")(lambda number: None)
    with pytest.raises(ServerUnavailable) as caught, job.queue.buffer():
        job.push(1)
    assert caught.value.stored == ()


def test_a_forked_copy_sends_nothing(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given an open buffer, if the process is forked and the copy leaves the block too, then each push is stored once."""
    with queue.buffer():
        job.push(1)
        pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert _numbers(shelf) == [1]


async def _push(queue: Queue, job: Any, shelf: Shelf) -> None:
    async with queue.buffer() as buffer:
        await job.apush(1)
        await job.apush_many([(number,) for number in range(2, 501)])
        job.push(501)
        assert (len(buffer), len(shelf.waiting())) == (1, 500)
    await queue.aclose()


def test_a_forked_copy_sends_its_own_pushes_at_once(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given an open buffer, if the process is forked, then what the copy pushes is stored at once, and what the parent pushed once."""
    with queue.buffer():
        job.push(1)
        pid = os.fork()
        if pid == 0:
            job.push(2)
            os._exit(0)
        os.waitpid(pid, 0)
        assert _numbers(shelf) == [2]
    assert _numbers(shelf) == [2, 1]


def test_who_comes_when_it_is_just_closed_is_sent_at_once(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a thread that has found the buffer open, if the block ends before its push is added, then that is stored anyway."""
    with queue.buffer() as buffer:
        job.push(1)
        add = buffer.add

        def late(outs: Any) -> bool:
            thread = threading.Thread(target=buffer.__exit__, args=(None, None, None))
            thread.start()
            thread.join()
            return add(outs)

        buffer.add = late  # type: ignore[method-assign]
        job.push(2)
        assert _numbers(shelf) == [1, 2]


def test_it_may_be_left_in_another_context(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a block that is entered in one context and left in another, as generators of frameworks are, then it is sent."""
    block = queue.buffer()
    entered = contextvars.copy_context()
    entered.run(block.__enter__)
    entered.run(job.push, 1)
    contextvars.copy_context().run(block.__exit__, None, None, None)
    entered.run(job.push, 2)
    assert _numbers(shelf) == [1, 2]


def test_a_handle_finds_its_push_in_an_outer_buffer(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a push in a buffer, if it is deleted in a block inside, then it is never sent."""
    with queue.buffer():
        handle = job.push(1)
        with queue.buffer():
            assert handle.delete()
    assert shelf.waiting() == []


def test_what_waits_in_the_buffer_is_cancelled_there(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given pushes in a block, if they are cancelled there, by their handle or id, then they are never sent."""

    async def cancel(handle: Any) -> str:
        found: str = await handle.acancel()
        return found

    with queue.buffer():
        handles = job.push_many([(number,) for number in range(4)])
        with queue.buffer():
            assert handles[0].cancel() == "now"
        assert queue.cancel(handles[1].id) == "now"
        assert asyncio.run(cancel(handles[2])) == "now"
    assert _numbers(shelf) == [3]


def test_what_waits_in_the_buffer_can_t_be_asked_for(queue: Queue, shelf: Shelf) -> None:
    """Given a push in a block, if its status, result or stream is asked for there, then that is an error at once, until a flush."""

    def numbers() -> Iterator[int]:
        yield 1

    with queue.buffer() as buffer:
        handle: Any = queue.job(name="numbers", result_ttl=60)(numbers).push()
        for ask in (handle.status, handle.result, handle.stream, handle.astream):
            with pytest.raises(RuntimeError, match="still in a buffer: leave the block or flush"):
                ask()
        for later in (handle.astatus, handle.aresult):
            with pytest.raises(RuntimeError, match="still in a buffer"):
                asyncio.run(later())
        buffer.flush()
        assert handle.status().state == "waiting"


def test_pushes_for_different_moments_are_sent_together(queue: Queue, job: Any, shelf: Shelf, server: ServerProcess) -> None:
    """Given pushes now and later in turn, then each moment costs one request, and the handles come in the order of the calls."""
    calls = [(job if number % 2 else job.options(delay=60)).bind(number) for number in range(20)]
    server.admin.config_resetstat()
    with queue.buffer():
        handles = queue.send_many(calls)
    stats = server.admin.info("commandstats")
    assert stats["cmdstat_evalsha" if "cmdstat_evalsha" in stats else "cmdstat_eval"]["calls"] <= 2
    assert [seen.id for seen in shelf.waiting()] == [handle.id for handle in handles[1::2]]
    assert {seen.id for seen in shelf.delayed()} == {handle.id for handle in handles[::2]}
    assert [handle.id for handle in queue.send_many(calls)] == sorted({seen.id for seen in [*shelf.waiting(), *shelf.delayed()]})[20:]


def test_what_a_job_has_left_open_is_dropped(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a buffer whose block is never left, as in an abandoned generator, then dropping it lets the next pushes through."""

    def abandoned() -> Iterator[None]:
        with queue.buffer():
            job.push(1)
            yield

    left = abandoned()
    next(left)
    assert drop_left_open() == 1
    job.push(2)
    with queue.buffer():
        job.push(3)
        left.close()
        job.push(4)
    assert (_numbers(shelf), drop_left_open()) == ([2, 3, 4], 0)


def test_a_signal_may_push_in_the_middle_of_a_push(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a signal's handler that pushes, and code that pushes all the time, then neither waits for the other, and no id comes twice."""
    rang: list[int] = []

    def ring(number: int, frame: object) -> None:
        rang.append(number)
        job.push(-1)
        signal.setitimer(signal.ITIMER_REAL, 0.0005)  # not periodic: a slow push would be interrupted by the next signal, without end

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    try:
        with queue.buffer():
            for number in range(3000):
                job.push(number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    ids = [seen.id for seen in shelf.waiting()]
    assert rang
    assert len(set(ids)) == len(ids) == 3000 + len(rang)


def test_async_code_has_it_too(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given async code, if it pushes in an `async with` block, then it is the same."""
    import asyncio

    asyncio.run(_push(queue, job, shelf))
    assert _numbers(shelf) == list(range(1, 502))


def test_a_task_that_outlives_the_block_sends_at_once(queue: Queue, job: Any, shelf: Shelf) -> None:
    """Given a task that was started in the block and goes on after it, then its pushes are sent at once."""
    import asyncio

    async def scene() -> None:
        go = asyncio.Event()

        async def late() -> None:
            await go.wait()
            await job.apush(2)

        async with queue.buffer():
            await job.apush(1)
            task = asyncio.create_task(late())
            await asyncio.sleep(0)
        go.set()
        await task
        await queue.aclose()

    asyncio.run(scene())
    assert _numbers(shelf) == [1, 2]
