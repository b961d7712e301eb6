"""The hooks of a queue, and `taskq.state` where no worker runs."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import taskq
from taskq.errors import JobDefinitionError, TaskqError
from taskq.jobs.hooks import Hooks


@pytest.fixture
def state() -> Iterator[Any]:
    """The one state, closed again afterwards."""
    yield taskq.state
    taskq.state.open(None)


def _takes(number: int) -> None: ...


async def _coroutine() -> None: ...


@pytest.mark.parametrize("hook", ["on_start", "on_stop", "lifespan"])
def test_a_hook_is_left_as_it_is(hook: str) -> None:
    """Given a function without parameters that have no default, then the decorator returns it, and the order is preserved."""
    hooks = Hooks()
    first, second = lambda: None, lambda number=1: None
    assert [getattr(hooks, hook)(function) for function in (first, second)] == [first, second]
    assert {"on_start": hooks.starting, "on_stop": hooks.stopping, "lifespan": hooks.lifespans}[hook] == [first, second]


def test_a_decorator_may_give_a_hook_its_arguments() -> None:
    """Given a hook below a decorator that calls it with an argument, then it can be called without one, and is accepted."""

    @functools.wraps(_takes)
    def wrapper() -> None:
        return _takes(1)

    assert Hooks().on_start(wrapper) is wrapper


@pytest.mark.parametrize("hook", ["on_start", "on_stop", "lifespan"])
@pytest.mark.parametrize(
    ("function", "why"),
    [
        (_takes, r"_takes can't be .*: it must be callable without arguments: missing a required argument: 'number'"),
        (5, "must decorate a function; got 5. It has no options: write it without parentheses"),
        (None, "must decorate a function. It has no options: write it without parentheses"),
    ],
)
def test_what_can_not_be_called_is_refused(hook: str, function: Any, why: str) -> None:
    """Given anything but a function without arguments, then the decorator raises at once."""
    with pytest.raises(JobDefinitionError, match=why):
        getattr(Hooks(), hook)(function)


@pytest.mark.parametrize("hook", ["on_start", "on_stop", "lifespan"])
def test_a_hook_has_no_parentheses(hook: str) -> None:
    """Given a decorator with parentheses and nothing in them, then the error asks to remove them."""
    with pytest.raises(JobDefinitionError, match=rf"@queue.{hook} must decorate a function. .*write it without parentheses"):
        getattr(Hooks(), hook)()


@pytest.mark.parametrize("hook", ["on_start", "on_stop"])
def test_a_generator_function_is_a_lifespan(hook: str) -> None:
    """Given a generator function, sync or async, for the start or the end, then the error names lifespan: nothing of it would run."""

    def opens() -> Iterator[None]:
        yield

    async def aopens() -> AsyncIterator[None]:
        yield

    for function in (opens, aopens):
        with pytest.raises(JobDefinitionError, match=rf"opens can't be {hook}: it yields.*Use @queue.lifespan"):
            getattr(Hooks(), hook)(function)


def test_a_coroutine_function_is_no_lifespan() -> None:
    """Given a coroutine function, which never yields, then the error names on_start."""
    with pytest.raises(JobDefinitionError, match=r"_coroutine can't be a lifespan: it never yields.*@queue.on_start"):
        Hooks().lifespan(_coroutine)


@pytest.mark.parametrize(
    "ask",
    [lambda state: state.pool, lambda state: state["pool"], lambda state: "pool" in state, list, lambda state: setattr(state, "pool", 1)],
)
def test_nothing_is_known_outside_of_a_worker(ask: Callable[[Any], object]) -> None:
    """Given no worker, if taskq.state is read or written, then the error explains where it works."""
    with pytest.raises(TaskqError, match="works only in a worker process"):
        ask(taskq.state)
    assert repr(taskq.state) == "<taskq.state: closed>"
    assert not hasattr(taskq.state, "pool")


def test_what_is_open_is_found_both_ways(state: Any) -> None:
    """Given values, as a worker or a test opens them, then they are attributes and items, and more can be put in."""
    state.open({"pool": 1})
    state.more = 2
    assert (state.pool, state["more"], "pool" in state, list(state)) == (1, 2, True, ["pool", "more"])
    with pytest.raises(AttributeError, match=r"taskq\.state has no 'pol'; it has more, pool"):
        _ = state.pol
    with pytest.raises(KeyError):
        _ = state["pol"]
    assert repr(state) == "<taskq.state: more, pool>"
    state.open({})
    with pytest.raises(AttributeError, match="it has no values: no lifespan yielded any"):
        _ = state.pool
