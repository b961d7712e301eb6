"""Sync calls in a running event loop: one warning for each method."""

from __future__ import annotations

import asyncio
import sys
import types
import warnings
from collections.abc import Iterator

import pytest

from taskq import Queue, ResultTimeout
from taskq.context import enter
from taskq.push import loops
from tests.push.conftest import MakeQueue

pytestmark = pytest.mark.one_python


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Forget the warnings of this process, before and after."""
    loops._warned.clear()
    yield
    loops._warned.clear()


def nothing(number: int) -> None: ...


def _caught(queue: Queue, *, pushes_before: bool = False) -> list[tuple[str, str]]:
    """Return the texts of the warnings of a coroutine that calls sync methods, and the file that each names."""
    job = queue.job(name="nothing", result_ttl=60)(nothing)
    if pushes_before:
        job.push(0)

    async def main() -> None:
        handle = job.push(1)
        job.push(2)
        handle.status()
        with pytest.raises(ResultTimeout):
            handle.result(timeout=0.01)
        with queue.buffer():
            job.push(3)
        job.push_many([(4,)])
        await job.apush(5)
        await asyncio.to_thread(job.push, 6)
        await asyncio.to_thread(handle.status)
        await handle.astatus()
        await queue.aclose()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(main())
    return [(str(one.message), one.filename) for one in caught]


def test_each_method_warns_once_at_the_line_of_the_caller(make_queue: MakeQueue) -> None:
    """Given a coroutine that calls sync methods, then each warns once, names the async one, and the line in this file."""
    caught = _caught(make_queue())
    tail = "blocks the running event loop until the server has replied"
    assert [text for text, _ in caught] == [
        f"push() {tail}: use await apush(...), or call it in asyncio.to_thread",
        f"status() {tail}: use await astatus(...), or call it in asyncio.to_thread",
        f"result() {tail}: use await aresult(...), or call it in asyncio.to_thread",
        f"leaving a buffer {tail}: use async with queue.buffer(), or call it in asyncio.to_thread",
        f"push_many() {tail}: use await apush_many(...), or call it in asyncio.to_thread",
    ]
    assert {file for _, file in caught} == {__file__}


def test_a_push_is_checked_only_with_the_first_connection(make_queue: MakeQueue) -> None:
    """Given a push before the loop, then a later push in it isn't checked: that would make each push slower."""
    assert not [text for text, _ in _caught(make_queue(), pushes_before=True) if text.startswith("push()")]


def test_a_notebook_is_not_warned(make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a kernel whose loop runs the cells, then sync calls are as they should be."""
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    assert _caught(make_queue()) == []


@pytest.mark.parametrize(("is_alone", "warned"), [(True, False), (False, True)])
def test_a_job_is_warned_only_if_others_share_its_loop(make_queue: MakeQueue, is_alone: bool, warned: bool) -> None:
    """Given a coroutine job, then sync calls warn only if its process runs several jobs at once; its channel may be of another queue."""
    context = types.SimpleNamespace(channel="of-another-queue", id="0" * 32)
    enter(types.SimpleNamespace(context=context, is_alone=is_alone))  # type: ignore[arg-type]
    try:
        assert bool(_caught(make_queue())) is warned
    finally:
        enter(None)
