"""Jobs that wait for the result of a message of their own channel."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import Queue, context
from taskq.channel import State
from taskq.driver.contract import Command
from taskq.driver.steps import run
from taskq.errors import NoResult, QueueFull, ResultTimeout, ServerRefused, ServerUnavailable
from taskq.handle import own_channel, waiting
from taskq.handle.handle import Handle
from taskq.handle.own_channel import _MARK, OwnChannelWait
from taskq.handle.subject import Subject
from taskq.wire.message import message_id
from taskq.wire.progress import Progress, pack_progress
from tests.driver.answering import Answering
from tests.support.hand import HandWorker
from tests.support.wait import wait_until

REAL_FIRST_PAUSE = waiting._FIRST_PAUSE


class Scene:
    """A channel with two worker processes for one job each, which run parents."""

    def __init__(self, url: str, prefix: str) -> None:
        self.queue = Queue(url, channels={prefix: {}, f"{prefix}-other": {}})
        self.prefix = prefix
        self.child = self.queue.job(name="child", channel=prefix, result_ttl=60)(lambda: None)
        self.parent = self.queue.job(name="parent", channel=prefix)(lambda: None)
        self.workers = [HandWorker(self.queue, prefix, name) for name in ("w1", "w2")]
        self.parents = []
        for worker in self.workers:
            self.parent.push()
            self.parents += [message_id(raw).hex() for raw in worker.reserve(1)]
            worker.beat(concurrency=1)

    def as_job(self, number: int, call: Callable[[], Any]) -> Any:
        """Call a function as the job of a parent would."""
        of_job = context.Context(id=self.parents[number], job="parent", channel=self.prefix, attempt=1, max_attempts=3, pushed_at_ms=0)

        def run() -> Any:
            context.enter(SimpleNamespace(context=of_job))  # type: ignore[arg-type]
            return call()

        return contextvars.copy_context().run(run)

    def report(self, number: int, progress: Progress) -> None:
        """Report the progress of a parent."""
        worker = self.workers[number]
        worker.sender.call(worker.driver.report_progress(self.parents[number], pack_progress(progress), 60_000))

    def mark(self, number: int) -> None:
        """Mark a parent as one that waits."""
        self.report(number, Progress(0, None, f"{_MARK}any"))

    def progress(self, number: int) -> str:
        """Return the text of a parent's progress."""
        found = self.queue.handle(self.parents[number], self.prefix).progress()
        return found.message if found else ""


@pytest.fixture
def scene(url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A channel in which the first check of a wait comes soon."""
    monkeypatch.setattr(waiting, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(waiting, "_LONGEST_PAUSE", 0.1)
    scene = Scene(url, prefix)
    yield scene
    scene.queue.close()


async def _aresult(handle: Handle[Any]) -> Any:
    try:
        return await handle.aresult()
    finally:
        await handle._queue.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("wait", [Handle.result, lambda handle: asyncio.run(_aresult(handle))], ids=["sync", "async"])
def test_the_last_job_to_wait_for_its_own_channel_gets_an_error(scene: Scene, wait: Callable[[Handle[Any]], Any]) -> None:
    """Given two processes, one with a job that waits for a message of the channel, when the other does, too, then it gets an error."""
    scene.mark(0)
    child = scene.child.push()
    with pytest.raises(ResultTimeout, match=rf"message {child.id} can't start: all jobs that channel .* can run at once \(2\) wait"):
        scene.as_job(1, lambda: wait(child))
    assert (scene.progress(0)[:5], scene.progress(1)) == ("waits", "")


def test_a_job_that_can_be_served_is_not_disturbed(scene: Scene) -> None:
    """Given a free process, another channel, a timeout, or a caller that isn't a job, then no wait ends early with an error."""
    handle = scene.child.push()
    elsewhere = scene.child.options(channel=f"{scene.prefix}-other").push()

    def wait_for(number: int, one: Handle[Any]) -> threading.Thread:
        def wait() -> None:
            with pytest.raises(NoResult):
                scene.as_job(number, one.result)

        thread = threading.Thread(target=wait)
        thread.start()
        return thread

    threads = [wait_for(0, handle), wait_for(1, elsewhere)]
    wait_until(lambda: scene.progress(0).startswith("waits for a message of its own channel"))
    with pytest.raises(ResultTimeout, match="within"):
        scene.as_job(1, lambda: handle.result(0.3))
    with pytest.raises(ResultTimeout, match="within"):
        handle.result(0.3)
    scene.workers[1].beat(concurrency=2)
    assert scene.progress(1) == ""
    assert all(thread.is_alive() for thread in threads)
    handle.delete()
    elsewhere.delete()
    for thread in threads:
        thread.join()


def test_a_user_who_may_not_read_progress_waits_on(scene: Scene) -> None:
    """Given a server that rejects MGET, as for the user of a worker, then a job waits as it would without the check."""
    driver, child = scene.workers[0].driver, scene.child.push()

    def answer(command: Command) -> Any:
        return ServerRefused("no permission") if command == driver.progress([scene.parents[0]]) else scene.workers[0].sender.call(command)

    wait = OwnChannelWait(driver, Subject(child.id, scene.prefix, None), scene.parents[0])
    store = Answering(answer)
    run(wait.look(State.WAITING), store.call)
    run(wait.end(), store.call)
    assert len(store.asked) == 1
    assert scene.progress(0) == ""


@pytest.mark.parametrize("error", [ServerRefused("no permission"), QueueFull("no memory")])
def test_a_mark_that_can_t_be_stored_ends_no_wait(scene: Scene, error: Exception) -> None:
    """Given a server that rejects the mark of a job, then the job waits as it would without the check."""
    driver, child = scene.workers[0].driver, scene.child.push()
    asked = driver.progress([scene.parents[0]])
    wait = OwnChannelWait(driver, Subject(child.id, scene.prefix, None), scene.parents[0])
    store = Answering(lambda command: scene.workers[0].sender.call(command) if command == asked else error)
    run(wait.look(State.WAITING), store.call)
    run(wait.renew(), store.call)
    run(wait.end(), store.call)
    assert len(store.asked) == 4  # the last one removes a mark that may be stored


def test_a_result_counts_although_the_mark_can_t_be_removed(scene: Scene) -> None:
    """Given a connection that breaks when the wait is over, then the result is not lost."""
    wait = OwnChannelWait(scene.workers[0].driver, Subject(scene.child.push().id, scene.prefix, None), scene.parents[0])
    run(wait.look(State.WAITING), scene.workers[0].sender.call)
    run(wait.end(), Answering(lambda _: ServerUnavailable("gone")).call)
    run(wait.end(), Answering(lambda _: pytest.fail("once is enough")).call)


def test_one_look_ends_no_wait(scene: Scene) -> None:
    """Given jobs that all wait at one moment, when a second worker starts or a wait ends before the next look, then the others wait on."""
    child, call = scene.child.push(), scene.workers[0].sender.call
    wait = OwnChannelWait(scene.workers[0].driver, Subject(child.id, scene.prefix, None), scene.parents[0])
    scene.mark(1)
    run(wait.look(State.WAITING), call)
    scene.report(1, Progress(1, 2, "works on"))
    run(wait.look(State.WAITING), call)
    scene.mark(1)
    run(wait.look(State.WAITING), call)
    with pytest.raises(ResultTimeout, match="can't start"):
        run(wait.look(State.WAITING), call)


def test_a_job_whose_wait_was_cancelled_does_not_count_for_long() -> None:
    """Given a job that gives up its wait without a word (a cancelled task), then its mark is gone before others have looked twice."""
    assert waiting.SLICE < own_channel._MARK_MS / 1000 < REAL_FIRST_PAUSE * 2


def test_a_wait_that_finds_no_result_leaves_no_mark(scene: Scene) -> None:
    """Given a job that waits for a message whose job stores no result, then it isn't marked while it goes on."""
    other = scene.parent.push()
    with pytest.raises(NoResult, match="not stored"):
        scene.as_job(0, scene.queue.handle(other.id, scene.prefix).result)
    assert scene.progress(0) == ""


def test_the_progress_of_the_job_is_restored(scene: Scene) -> None:
    """Given a job that has reported progress before it waits, then the mark keeps the numbers, and the report is there again at the end."""
    scene.report(0, Progress(3, 4, "half"))
    handle = scene.child.push()
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            scene.as_job(0, handle.result)
        except ResultTimeout as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: scene.progress(0).startswith("waits"))
    found = scene.queue.handle(scene.parents[0], scene.prefix).progress()
    assert found is not None
    assert (found.done, found.total) == (3, 4)
    scene.mark(1)
    thread.join(10)
    assert len(raised) == 1
    assert scene.progress(0) == "half"
