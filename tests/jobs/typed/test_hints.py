"""Type hints are resolved at the first use of a job."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest

from taskq import Queue
from taskq.app import import_modules
from taskq.errors import AppError, ArgumentsError, JobDefinitionError
from taskq.jobs.typed.hints import returned_by
from tests.jobs.typed.conftest import send

if TYPE_CHECKING:
    from taskq import Handle

    class Missing: ...


T = TypeVar("T")


class Proto(Protocol):
    x: int


class One: ...


class Other: ...


def test_a_name_may_be_defined_after_the_job(data_queue: Queue) -> None:
    """Given a hint that names a class of the module that is defined only later, then the first push finds it."""
    namespace: dict[str, Any] = {"queue": data_queue, "__name__": "later"}
    exec("@queue.job(name='f')\ndef f(x: 'Late'): ...\nfrom decimal import Decimal as Late", namespace)
    assert send(namespace["f"], Decimal(1)) == ((Decimal(1),), {})


def test_a_name_that_only_type_checkers_know_is_reported(data_queue: Queue) -> None:
    """Given a hint whose name doesn't exist at run time, then push, worker and queue.work() name it, the job and the remedy."""

    @data_queue.job(name="shop:f")
    def f(a: int, handle: Handle[Missing]) -> None: ...

    problem = re.escape("the type hint 'Handle[Missing]' of parameter 'handle' of shop:f can't be resolved: name 'Handle' is not defined")
    for use, kind in ((lambda: f.push(1, 2), JobDefinitionError), (lambda: import_modules(data_queue), AppError)):
        with pytest.raises(kind, match=problem + r".*not only under TYPE_CHECKING; or .*validate=False"):
            use()


def test_a_name_in_a_field_is_reported(data_queue: Queue) -> None:
    """Given a class with a field whose hint can't be resolved, then the error says so."""
    import msgspec

    namespace: dict[str, Any] = {"__name__": "fields"}
    broken = msgspec.defstruct("Broken", [("x", "Nowhere")], namespace=namespace)  # type: ignore[list-item]

    def f(a: Any) -> None: ...

    f.__annotations__["a"] = broken
    job = data_queue.job(name="shop:f")(f)
    with pytest.raises(JobDefinitionError, match="a field in the type hint of parameter 'a' of shop:f can't be resolved: name 'Nowhere'"):
        job.push({"x": 1})


@pytest.mark.parametrize("hint", [One, Proto, Callable[[], int], One | Other, set[One], type])
def test_a_hint_that_can_t_be_checked(data_queue: Queue, hint: Any) -> None:
    """Given a hint of an arbitrary class, then its parameter accepts any data, and the others are checked; validate=True refuses it."""

    def f(a: int, b: Any) -> None: ...

    f.__annotations__["b"] = hint
    assert send(data_queue.job(name="f")(f), 1, {"x": [1]}) == ((1, {"x": [1]}), {})
    with pytest.raises(ArgumentsError, match="a: expected int"):
        send(data_queue.job(name="f")(f), "1", 2)
    with pytest.raises(JobDefinitionError, match=r"the type hint of parameter 'b' of f, .*, can't be checked: .*leave out validate=True"):
        data_queue.outbox.packer.validator(data_queue.job(name="f", validate=True)(f))


def test_no_hints_and_hints_of_anything(data_queue: Queue) -> None:
    """Given parameters without hints, of Any, object and a TypeVar, then they accept any data."""

    @data_queue.job(name="f")
    def f(a, b: Any, c: object, d: T, *e, **g) -> T: ...  # type: ignore[no-untyped-def]

    assert send(f, 1, "x", [1], None, 5, h={"a": 1}) == ((1, "x", [1], None, 5), {"h": {"a": 1}})


def test_a_wrapper_hides_the_hints_unless_asked_for(data_queue: Queue) -> None:
    """Given a decorator below @queue.job, then its function's hints count only with validate=True: it may change the arguments."""

    def f(a: Decimal) -> None: ...

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        f(*args, **kwargs)

    assert send(data_queue.job(name="f")(wrapper), "1") == (("1",), {})
    assert send(data_queue.job(name="g", validate=True)(wrapper), Decimal(1)) == ((Decimal(1),), {})
    assert send(data_queue.job(name="h", validate=True)(functools.partial(f)), Decimal(1)) == ((Decimal(1),), {})


def test_hints_of_results_and_items() -> None:
    """Given functions and generator functions, then the hints of what they return and yield are known."""

    def plain() -> int: ...  # type: ignore[empty-body]

    def bare(): ...  # type: ignore[no-untyped-def]

    def items() -> Iterator[int]:
        yield 1

    async def aitems() -> AsyncIterator[str]:
        yield ""

    def both() -> Generator[int, None, str]:
        yield 1
        return ""

    found = [returned_by("f", function, through_wrapper=False) for function in (plain, bare, items, aitems, both)]
    assert found == [(int, Any), (Any, Any), (Any, int), (Any, str), (str, int)]
