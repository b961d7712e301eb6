"""The frames of a failed job."""

from __future__ import annotations

import asyncio
import gc
import weakref

from taskq.worker.execute.frames import free_frames


class Blob:
    """A large object."""


def test_what_a_cycle_of_exceptions_held_is_free_at_once() -> None:
    """Given a group whose exceptions refer to themselves and to their causes, then the local variables of all their frames are free."""
    alive: list[weakref.ref[Blob]] = []

    def fail(cause: Exception | None) -> None:
        blob = Blob()
        alive.append(weakref.ref(blob))
        kept = ValueError("x")
        kept.me = kept  # type: ignore[attr-defined]
        raise kept from cause

    def caught(cause: Exception | None = None) -> Exception:
        try:
            fail(cause)
        except Exception as error:
            return error
        raise AssertionError

    gc.disable()
    try:
        free_frames(ExceptionGroup("two", [caught(), caught(caught())]))
        assert [one() for one in alive] == [None, None, None]
    finally:
        gc.enable()


def test_a_suspended_task_keeps_its_frame() -> None:
    """Given an exception that came out of a task of the app, if the task is suspended and goes on later, then its frame is left alone."""

    async def scene() -> list[str]:
        done: list[str] = []
        reply, go_on = asyncio.get_running_loop().create_future(), asyncio.Event()

        async def read() -> None:
            try:
                raise ConnectionError("broken")
            except ConnectionError as error:
                reply.set_exception(error)
            await go_on.wait()
            done.append("went on")

        async def job() -> None:
            await reply

        reader = asyncio.create_task(read())
        try:
            await asyncio.create_task(job())
        except ConnectionError as error:
            free_frames(error)
        go_on.set()
        await reader
        return done

    assert asyncio.run(scene()) == ["went on"]
