"""Calls jobs inside their wrappers, in the thread or task and the context variables of the job.

`wrapped` needs no worker: the caller of its result enters a run first (`context.enter`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from taskq.context import adopt
from taskq.errors import JobDefinitionError
from taskq.jobs.around.wrapper import Wrapper, wrong_kind
from taskq.jobs.builtin import CALL, OBJECT
from taskq.jobs.functions import is_async_callable

__all__ = ["wrapped"]


def wrapped(wrappers: Sequence[Wrapper], function: Callable[..., Any], *, job: str, channel: str) -> Callable[..., Any]:
    """Return a function that calls `function` inside those of the wrappers that cover the job, the first outermost.

    Without one, that is `function` itself. A coroutine function stays one.

    Args:
        wrappers: all wrappers of the queue, in their order (`queue.wrappers`).
        function: the function of the job; for a generator job, one that iterates over it.
        job: the registered name of the job.
        channel: the channel of the message.
    """
    chosen = [one for one in wrappers if one.covers(job, channel)]
    if not chosen:
        return function
    if inspect.iscoroutinefunction(function):
        return _async_chain(chosen, function)
    refused = next((one for one in chosen if one.is_async), None)
    sync = _sync_chain(chosen, function) if refused is None else partial(_refuse, refused, job)
    if job not in (OBJECT, CALL):
        return sync
    return partial(_call_target, job, sync, _async_chain(chosen, partial(_awaited, function)))


# ---- sync


def _sync_chain(chosen: Sequence[Wrapper], function: Callable[..., Any]) -> Callable[..., Any]:
    for one in reversed(chosen):
        function = partial(_call, one, function)
    return partial(_in_own_context, function)


def _in_own_context(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call the job in a copy of the context. If it returns an awaitable, the wrappers are left by the task that awaits it, in the copy.

    Without the copy, that task would have another context, in which the wrappers can't reset their variables.
    """
    context = copy_context()
    try:
        value = context.run(function, *args, **kwargs)
    finally:
        adopt(context)
    return _in_task(value, context) if value is not None and inspect.isawaitable(value) else value


async def _in_task(awaitable: Any, context: Context) -> Any:
    import asyncio  # only async jobs need it

    try:
        return await asyncio.get_running_loop().create_task(awaitable, context=context)
    finally:
        adopt(context)


def _call(one: Wrapper, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    generator = one.open(args, kwargs)
    # One block, so that an interruption between the entry and the call reaches the generator, too.
    try:
        _begin(one, generator)
        value = function(*args, **kwargs)
    except BaseException as error:
        if _swallows(one, generator, error):
            return None
        raise
    if value is not None and inspect.isawaitable(value):
        return _finish(one, generator, value)
    _end(one, generator, value)
    return value


async def _finish(one: Wrapper, generator: Generator[Any, Any, Any], awaitable: Any) -> Any:
    """Await what a sync function has returned, and leave the wrapper."""
    try:
        value = await awaitable
    except BaseException as error:
        if _swallows(one, generator, error):
            return None
        raise
    _end(one, generator, value)
    return value


def _begin(one: Wrapper, generator: Generator[Any, Any, Any]) -> None:
    try:
        next(generator)
    except StopIteration:
        raise JobDefinitionError(f"the wrapper {one.name} did not yield: it must yield exactly once") from None


def _end(one: Wrapper, generator: Generator[Any, Any, Any], value: Any) -> None:
    try:
        generator.send(value)
    except StopIteration:
        return
    generator.close()
    raise _yielded_again(one)


def _swallows(one: Wrapper, generator: Generator[Any, Any, Any], error: BaseException) -> bool:
    """Raise the job's exception in the generator, as contextlib does. Return True if that ends it without an exception."""
    if generator.gi_frame is None:  # type: ignore[attr-defined]
        return False  # it has raised the exception itself
    try:
        return bool(contextmanager(lambda: generator)().__exit__(type(error), error, error.__traceback__))
    except RuntimeError as raised:
        if not _is_second_yield(raised):
            raise
    generator.close()
    raise _yielded_again(one) from error


# ---- async


def _async_chain(chosen: Sequence[Wrapper], function: Callable[..., Any]) -> Callable[..., Any]:
    for one in reversed(chosen):
        function = partial(_acall, one, function)
    return function


async def _acall(one: Wrapper, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    generator = one.open(args, kwargs)
    try:
        await _abegin(one, generator) if one.is_async else _begin(one, generator)
        value = await function(*args, **kwargs)
    except BaseException as error:
        if await _aswallows(one, generator, error) if one.is_async else _swallows(one, generator, error):
            return None
        raise
    await _aend(one, generator, value) if one.is_async else _end(one, generator, value)
    return value


async def _abegin(one: Wrapper, generator: Any) -> None:
    try:
        await anext(generator)
    except StopAsyncIteration:
        raise JobDefinitionError(f"the wrapper {one.name} did not yield: it must yield exactly once") from None


async def _aend(one: Wrapper, generator: Any, value: Any) -> None:
    try:
        await generator.asend(value)
    except StopAsyncIteration:
        return
    await generator.aclose()
    raise _yielded_again(one)


async def _aswallows(one: Wrapper, generator: Any, error: BaseException) -> bool:
    if generator.ag_frame is None:
        return False
    try:
        return bool(await asynccontextmanager(lambda: generator)().__aexit__(type(error), error, error.__traceback__))
    except RuntimeError as raised:
        if not _is_second_yield(raised):
            raise
    await generator.aclose()
    raise _yielded_again(one) from error


# ---- the built-in jobs, whose targets are known only when they run


def _call_target(job: str, sync: Callable[..., Any], async_: Callable[..., Any], /, target: Any, *args: Any, **kwargs: Any) -> Any:
    function = target.handle if job == OBJECT else target
    return (async_ if is_async_callable(function) else sync)(target, *args, **kwargs)


async def _awaited(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return await function(*args, **kwargs)


def _refuse(one: Wrapper, job: str, /, *args: Any, **kwargs: Any) -> Any:
    raise JobDefinitionError(wrong_kind(one, job))


# ---- errors


def _yielded_again(one: Wrapper) -> JobDefinitionError:
    return JobDefinitionError(f"the wrapper {one.name} yielded again after the job: it must yield exactly once")


def _is_second_yield(error: RuntimeError) -> bool:
    return str(error).startswith("generator didn't stop")
