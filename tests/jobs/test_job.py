"""Jobs that are methods: static, of a class, and of an instance."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq import ArgumentsError, JobDefinitionError, Queue
from taskq.push.outbox import Outbox
from tests.push.shelf import Shelf
from tests.support.servers import ServerProcess

HERE = __name__
queue = Queue("redis://localhost:1", directory=Path(__file__).parent)


class Account:
    """A class with jobs."""

    def __init__(self, number: int) -> None:
        self.number = number

    @queue.job
    def pay(self, amount: int, *, to: str = "bank") -> str:
        return f"{self.number} pays {amount} to {to}"

    @queue.job
    @classmethod
    def open(cls, owner: str) -> str:
        return f"{cls.__name__} for {owner}"

    @queue.job
    @staticmethod
    def rate(year: int) -> int:
        return year

    @staticmethod
    @queue.job
    def fee(year: int) -> int:
        return -year

    @queue.job
    async def audit(self, year: int) -> str:
        return f"{self.number} in {year}"

    @queue.job(name="closer", max_attempts=1)
    def close(self) -> None: ...


class Savings(Account):
    """Inherits the jobs."""


@pytest.fixture
def there(server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Let the module's queue push into the shared server."""
    made = Queue(server.url, channels={"default": {"channel": prefix}})
    monkeypatch.setattr(queue, "settings", made.settings)
    monkeypatch.setattr(queue, "_channels", {})
    monkeypatch.setattr(queue, "outbox", Outbox(made.settings, queue))
    yield Shelf(server, prefix)
    queue.close()


def test_methods_are_called_as_always() -> None:
    """Given jobs that are methods, when they are called, then they run here with their instance or class."""
    account = Account(7)
    assert account.pay(5, to="me") == "7 pays 5 to me"
    assert Account.pay(account, 5) == "7 pays 5 to bank"
    assert (Account.open("Ann"), account.open("Ann"), Savings.open("Ann")) == ("Account for Ann", "Account for Ann", "Savings for Ann")
    assert (Account.rate(1), account.rate(2), Account.fee(3), account.fee(4)) == (1, 2, -3, -4)
    assert asyncio.run(account.audit(2030)) == "7 in 2030"


def test_an_instance_travels_with_the_arguments(there: Shelf) -> None:
    """Given an instance, when its method is pushed in every way, then the instance is the first argument, and the name is the class's."""
    account = Savings(7)
    account.pay.push(1)
    account.pay.push(2, to="me")
    account.pay.options(max_attempts=1).push(3)
    account.pay.bind(4).push()
    account.pay.push_many([(5,)])
    account.pay.options(max_attempts=1).push_many([(6,)])
    Account.pay.push(account, 7)
    account.pay.push(8, delay=60)
    account.close.push()
    *seen, closer = there.waiting()
    seen += there.delayed()
    assert {one.job for one in seen} == {f"{HERE}:Account.pay"}
    assert [one.args[1] for one in seen] == list(range(1, 9))
    assert all(type(one.args[0]) is Savings and one.args[0].number == 7 for one in seen)
    assert (closer.job, len(closer.args)) == ("closer", 1)
    assert account.pay.name == f"{HERE}:Account.pay"


def test_an_instance_travels_from_async_code_too(there: Shelf) -> None:
    """Given an instance, when its method is pushed from async code, then it is the same."""
    account = Account(7)

    async def push() -> None:
        await account.audit.apush(1)
        await account.audit.options(max_attempts=1).apush(2)
        await account.audit.apush_many([(3,)])
        await account.audit.options(max_attempts=1).apush_many([(4,)])
        await account.audit.bind(5).apush()
        await queue.aclose()

    asyncio.run(push())
    assert [one.args[1] for one in there.waiting()] == [1, 2, 3, 4, 5]


def test_a_class_travels_with_the_arguments(there: Shelf) -> None:
    """Given a class method, when it is pushed from a class, a subclass or an instance, then that class is the first argument."""
    for place, job in enumerate((Account.open, Savings.open, Account(1).open, Savings(1).open)):
        job.push(str(place))
    assert [one.args for one in there.waiting()] == [(Account, "0"), (Savings, "1"), (Account, "2"), (Savings, "3")]
    assert {one.job for one in there.waiting()} == {f"{HERE}:Account.open"}


def test_a_static_method_is_a_job_like_any_other(there: Shelf) -> None:
    """Given a static method, above or below the decorator, then it is pushed with its arguments alone."""
    for job in (Account.rate, Account(1).rate, Account.fee, Account(1).fee):
        job.push(2030)
    assert [one.args for one in there.waiting()] == [(2030,)] * 4


def test_a_method_pushed_without_its_instance_is_refused() -> None:
    """Given a method of the class, when it is pushed without an instance, then the error shows how to push it."""
    with pytest.raises(ArgumentsError, match=r"from its instance: instance\.method\.push"):
        Account.pay.push(5)  # type: ignore[call-overload]
    with pytest.raises(ArgumentsError, match=r"missing a required argument: 'owner'"):
        Account.open.push()  # type: ignore[call-overload]


def test_a_class_method_below_its_decorator_is_refused() -> None:
    """Given @classmethod above @queue.job, then the class can't be made, on every Python: since 3.13 the job would lose the class."""
    with pytest.raises(JobDefinitionError, match=r"put @queue\.job above @classmethod"):

        class Wrong:
            @classmethod
            @queue.job
            def open(cls) -> None: ...


class Turned:
    """A class with a job below @classmethod, whose first parameter is not named `cls`."""

    @classmethod
    @queue.job
    def check(klass, amount: int = 1) -> tuple[type, int]:  # noqa: N804
        return klass, amount


def test_a_job_below_classmethod_is_refused_at_its_push() -> None:
    """Given such a job, then it can be called, but no push takes a wrong argument for the class, on every Python."""
    turned: Any = Turned
    assert turned.check(5) == (Turned, 5)
    for push in (lambda: turned.check.push(5), turned.check.bind, lambda: turned.check.push_many([(5,)])):
        with pytest.raises(JobDefinitionError, match=r":Turned\.check looks like a class method: put @queue\.job above @classmethod"):
            push()


def test_a_function_may_call_its_first_parameter_cls() -> None:
    """Given a function outside a class with a parameter named cls, then it is a job."""

    def make(cls: Any) -> None: ...

    assert queue.job(name="make")(make).signature.names == ("cls",)


def test_a_property_or_class_is_no_job() -> None:
    """Given something that a worker can't call, then the decorator refuses it."""
    things: list[Any] = [property(lambda self: 1), Account, 5, "text"]
    for wrong in things:
        with pytest.raises(JobDefinitionError, match=r"must be a function or a method|options of @queue\.job are keyword arguments"):
            queue.job(wrong)
