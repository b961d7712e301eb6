"""A job looks like its function: frameworks must see what they have to await."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from starlette.background import BackgroundTask

from taskq import ArgumentsError, Queue

if TYPE_CHECKING:
    from decimal import Decimal

queue = Queue("unix:///nowhere.sock")
ran: list[int] = []


@queue.job
def plain(number: int) -> None: ...


@queue.job
async def note(number: int, *, times: int = 1) -> int:
    ran.append(number * times)
    return number


@queue.job(result_ttl=60)
def parts(number: int) -> Iterator[int]:
    yield number


@queue.job(result_ttl=60)
async def aparts(number: int) -> AsyncIterator[int]:
    yield number


class Shop:
    """A class with async jobs of each kind."""

    @queue.job
    async def open(self, number: int = 5) -> int:
        return number

    @queue.job
    @classmethod
    async def found(cls, number: int) -> int:
        return number

    @queue.job
    @staticmethod
    async def count(number: int) -> int:
        return number


class Marked:
    """An object that wraps a coroutine function, and says so: to asyncio until Python 3.11, and to `inspect`."""

    __name__ = "marked"

    def __init__(self) -> None:
        self._is_coroutine = getattr(asyncio.coroutines, "_is_coroutine", None)
        if mark := getattr(inspect, "markcoroutinefunction", None):
            mark(self)

    def __call__(self, number: int) -> Any:
        return note(number)


COROUTINE_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "function": note,
    "partial of a job": functools.partial(note, 1),
    "job of a partial": queue.job(functools.partial(note.function, 1), name="partial"),
    "method": Shop().open,
    "class method": Shop.found,
    "class method of an instance": Shop().found,
    "static method": Shop.count,
}


@pytest.mark.parametrize("name", COROUTINE_FUNCTIONS)
def test_an_async_job_is_seen_to_be_async(name: str) -> None:
    """Given an async job of any kind, then Python sees a coroutine function, and the same signature as before."""
    function = COROUTINE_FUNCTIONS[name]
    assert inspect.iscoroutinefunction(function)
    assert not inspect.isgeneratorfunction(function)
    assert list(inspect.signature(function).parameters) in (["number"], ["number", "times"], ["times"])


def test_a_marked_object_stays_marked() -> None:
    """Given an object that is marked as a coroutine function, when it becomes a job, then the job is one for the same readers."""
    marked = Marked()
    job = queue.job(marked, name="marked")
    assert inspect.iscoroutinefunction(job) == inspect.iscoroutinefunction(marked)
    assert asyncio.iscoroutinefunction(job)


@pytest.mark.parametrize(("job", "kind"), [(parts, inspect.isgeneratorfunction), (aparts, inspect.isasyncgenfunction)])
def test_a_generator_job_is_seen_to_be_a_generator(job: Any, kind: Callable[[Any], bool]) -> None:
    """Given a generator job, sync or async, then Python sees that and nothing else; a plain job is none of them."""
    kinds = (inspect.isgeneratorfunction, inspect.isasyncgenfunction, inspect.iscoroutinefunction)
    assert [one for one in kinds if one(job)] == [kind]
    assert [one for one in kinds if one(plain)] == []


def test_a_framework_awaits_an_async_job() -> None:
    """Given an async job as a background task of Starlette, then it is awaited: a method, too."""
    ran.clear()
    asyncio.run(BackgroundTask(note, 7)())
    assert ran == [7]


def test_a_bound_job_has_the_name_and_signature_of_its_method() -> None:
    """Given a job bound to an instance, also after a pickle, then it shows its method without `self`; other attributes don't exist."""
    bound = pickle.loads(pickle.dumps(Shop().open))
    assert (bound.__name__, str(inspect.signature(bound))) == ("open", "(number: 'int' = 5) -> 'int'")
    assert asyncio.run(bound()) == 5
    with pytest.raises(AttributeError, match="'BoundJob' object has no attribute 'nope'"):
        bound.nope  # noqa: B018


class OnlyForCheckers:
    """A class whose annotations name what only a type checker imports."""

    @queue.job(on_fail=lambda error: None)
    def bill(self, amount: Decimal) -> Decimal:
        return amount

    @queue.job
    @classmethod
    async def refund(cls, amount: Decimal) -> None: ...


def test_annotations_are_not_evaluated() -> None:
    """Given annotations with names that don't exist at run time, then jobs and hooks are accepted, and an error shows the text."""

    def opened() -> Decimal | None: ...

    own = Queue("unix:///nowhere.sock")
    assert own.on_start(opened) is opened
    assert OnlyForCheckers().bill.bind(5).args[1:] == (5,)
    with pytest.raises(ArgumentsError, match=r"amount: .*Decimal.*\) -> .*Decimal.*: missing a required argument: 'amount'"):
        OnlyForCheckers().bill.bind()  # type: ignore[call-arg]
    with pytest.raises(ArgumentsError, match="too many positional arguments"):
        OnlyForCheckers.refund.bind(5, 6)  # type: ignore[call-arg]


class Unreadable:
    """A callable whose signature can't be read: Python 3.14 raises this error where an annotation names what doesn't exist."""

    __qualname__ = __name__ = "unreadable"

    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    @property
    def __signature__(self) -> inspect.Signature:
        raise self._error("name 'Decimal' is not defined")

    def __call__(self, *args: Any) -> tuple[Any, ...]:
        return args


@pytest.mark.parametrize("error", [NameError, TypeError, ValueError, RuntimeError])
def test_a_signature_that_can_t_be_read_accepts_any_arguments(error: type[Exception]) -> None:
    """Given a callable whose signature raises an error, then it can be a job and a hook, and its calls aren't checked."""
    own = Queue("unix:///nowhere.sock")
    function = Unreadable(error)
    job = own.job(function, name="unreadable")
    assert job.bind(1, 2)() == (1, 2)
    assert own.on_start(function) is function
