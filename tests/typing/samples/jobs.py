"""The jobs that the samples call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from typing import Any, Literal, ParamSpec, Self, TypedDict, TypeVar, overload

from taskq import Backoff, Job, Queue

queue = Queue(job_defaults={"max_attempts": 3, "backoff": True})


P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class AppJob(Job[P, R_co]):
    """A job class with an extra method."""

    def push_later(self, *args: P.args, **kwargs: P.kwargs) -> None:
        self.bind(*args, **kwargs).push(delay=60)


other_queue = Queue(job_class=AppJob)


@queue.job(job_class=AppJob, max_attempts=2)
def classed(number: int) -> str:
    return str(number)


class Address(TypedDict):
    """A parameter that type checkers compare field by field."""

    street: str


@queue.job
def mail(to: str, subject: str = "hi", *, copies: int = 1) -> bool:
    return bool(to and subject and copies)


@queue.job(channel="bulk", max_attempts=3, retry_seconds=[1, 2.5], backoff=Backoff(), retry_on=[OSError], on_lost="timeout", validate=True)
async def fetch(url: str) -> int:
    return len(url)


@queue.job
def deep(numbers: list[float], table: dict[str, Any], address: Address | None, kind: Literal["a", "b"] = "a") -> None: ...


@queue.job
def nothing() -> None: ...


@queue.job
def any_number(*numbers: int, **words: str) -> None: ...


@queue.job
def by_keyword(*, month: int, year: int = 2030) -> None: ...


@queue.job
def five(a: int, b: str, c: int, d: str, e: int) -> None: ...


@queue.job
def takes_function(function: Callable[[int], str], items: Sequence[int | str]) -> None: ...


@queue.job(result_ttl=60)
def rows(count: int) -> Generator[str, None, int]:
    yield "row"
    return count


@queue.job(result_ttl=60)
def lines(count: int) -> Iterator[bytes]:
    yield b"line"


@queue.job(result_ttl=60)
async def words(text: str) -> AsyncIterator[str]:
    yield text


def logged(function: Callable[P, R]) -> Callable[P, R]:
    return function


@queue.job
@logged
def decorated(a: int, *, b: str = "x") -> str:
    return f"{a}{b}"


@queue.job
def first(items: list[T]) -> T:
    return items[0]


@overload
def either(value: int) -> int: ...
@overload
def either(value: str) -> str: ...
def either(value: int | str) -> int | str:
    return value


either_job = queue.job(either)


class Account:
    """A class with jobs of every kind."""

    @queue.job
    def pay(self, amount: int, to: str = "bank") -> str:
        return f"{amount}{to}"

    @queue.job(max_attempts=1)
    def close(self, year: int) -> None: ...

    @queue.job
    @classmethod
    def open(cls, owner: str) -> int:
        return len(owner)

    @queue.job(name="reopen")
    @classmethod
    def reopen(cls, owner: str) -> int:
        return len(owner)

    @queue.job
    @staticmethod
    def rate(year: int) -> int:
        return year

    @staticmethod
    @queue.job
    def fee(year: int) -> int:
        return year

    @queue.job
    def keep(self, item: T) -> T:
        return item

    @queue.job
    def same(self, year: int) -> Self:
        return self

    @queue.job
    def merge(self, other: Self) -> None: ...


class Savings(Account):
    """Inherits them."""


class Report:
    """An object with handle()."""

    def handle(self) -> None: ...
