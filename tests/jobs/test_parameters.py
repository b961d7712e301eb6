"""The check of a call's arguments: every valid call can be pushed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from taskq import ArgumentsError, JobDefinitionError, Queue
from taskq.jobs.parameters import Signature


def plain(session: str, user: int) -> tuple[str, int]:
    return session, user


def with_session(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that gives an argument which the caller doesn't."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function("SESSION", *args, **kwargs)

    return wrapper


def with_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that takes an argument which the function doesn't."""

    @functools.wraps(function)
    def wrapper(*args: Any, verbose: bool, **kwargs: Any) -> Any:
        return function(*args, **kwargs), verbose

    return wrapper


class Shop:
    """A class with a method below a decorator."""

    @with_session
    def sell(self: Any, shop: Any, amount: int) -> tuple[Any, Any, int]:
        return self, shop, amount


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (with_session(plain), (7,), {}),
        (with_session(plain), (), {"user": 7}),
        (with_option(plain), ("S", 7), {"verbose": True}),
        (with_option(with_session(plain)), (7,), {"verbose": True}),
        (functools.partial(with_session(plain), 7), (), {}),
        (Shop().sell, (7,), {}),
    ],
)
def test_what_can_be_called_can_be_pushed(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Given decorators that give or take arguments of their own, then a call that the decorated function accepts is accepted."""
    function(*args, **kwargs)
    Signature(function).check("job", args, kwargs)


def test_the_parameters_of_a_wrapper_are_checked() -> None:
    """Given a wrapper with parameters of its own, or with `__signature__`, then a call that it refuses is refused at the push."""
    with pytest.raises(ArgumentsError, match=r"missing a required .*'verbose'"):
        Signature(with_option(plain)).check("job", ("S", 7), {})
    told: Any = with_session(plain)
    told.__signature__ = inspect.signature(lambda user: ...)
    with pytest.raises(ArgumentsError, match="too many positional arguments"):
        Signature(told).check("job", ("S", 7), {})


@pytest.mark.parametrize(
    ("function", "count"), [(lambda *args, **kwargs: ..., 0), (lambda a, b=1, *args: ..., 5), (lambda a, *, b=1: ..., 1)]
)
def test_positional_arguments_are_counted(function: Callable[..., Any], count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a function that needs no names, such as a usual wrapper, then its arguments are counted: binding takes ten times as long."""
    signature = Signature(function)
    monkeypatch.setattr(inspect.Signature, "bind", lambda *args: pytest.fail("bound"))
    signature.check("job", (1,) * count, {})


@pytest.mark.parametrize(("function", "count"), [(lambda a, *args: ..., 0), (lambda a, *, b=1: ..., 2), (lambda a, *, b: ..., 1)])
def test_a_wrong_number_of_arguments_is_refused(function: Callable[..., Any], count: int) -> None:
    """Given too few or too many positional arguments, or a missing named one, then the call is refused."""
    with pytest.raises(ArgumentsError, match=r"job\(a, .*\): (missing|too many)"):
        Signature(function).check("job", (1,) * count, {})


def test_a_parameter_named_delay_is_refused_below_a_wrapper_too(queue: Queue) -> None:
    """Given a wrapper around a function with a parameter named delay, which push() would take for its own, then it is refused."""
    with pytest.raises(JobDefinitionError, match="Rename the parameter"):
        queue.job(with_session(lambda session, delay: None))
