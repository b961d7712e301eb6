"""Calls that are right: no checker may find an error in them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, assert_type

from taskq import Call, Cancelled, Context, Handle, Inspector, Job, Progress, State, Status, testing
from tests.typing.samples.jobs import (
    Account,
    AppJob,
    Report,
    Savings,
    any_number,
    by_keyword,
    classed,
    decorated,
    deep,
    either_job,
    fetch,
    first,
    five,
    lines,
    mail,
    nothing,
    queue,
    rows,
    takes_function,
    words,
)

# A job of a class of one's own is an object of that class.
app_job: AppJob[..., str] = classed
assert_type(classed.push(1), Handle[str])
classed.push_later(1)

# A plain call is the function's own.
assert_type(mail("a"), bool)
assert_type(mail("a", "b", copies=2), bool)
coroutine: Coroutine[Any, Any, int] = fetch("a")

# A push takes the job's parameters.
assert_type(mail.push("a"), Handle[bool])
mail.push(to="a", subject="b")
mail.push("a", "b", copies=2)
nothing.push()
any_number.push()
any_number.push(1, 2, 3, name="x")
by_keyword.push(month=3)
deep.push([1], {"a": 1}, {"street": "x"}, "b")
takes_function.push(lambda number: f"<{number}>", [1, "a"])

# With a delay.
assert_type(mail.push("a", delay=60), Handle[bool])
mail.push("a", delay=timedelta(minutes=1))
mail.push("a", "b", copies=2, delay=0.5)
mail.push(to="a", delay=60)
mail.push("a", subject="b", delay=60)
nothing.push(delay=1)
any_number.push(1, 2, 3, 4, 5, name="x", delay=1)
by_keyword.push(month=3, delay=1)
five.push(1, "b", 3, "d", 5, delay=1)
deep.push([1], {"a": 1}, {"street": "x"}, delay=1)
deep.push([], {}, None, "b", delay=1)
takes_function.push(lambda number: f"<{number}>", [1, "a"], delay=1)

# With options.
assert_type(mail.options(delay=60, channel="bulk", max_attempts=1).push("a", copies=2), Handle[bool])
mail.options(at=datetime(2030, 1, 1, tzinfo=UTC), retry_seconds=[1, timedelta(seconds=2)], handle_timeout=5, once=True).push("a")
mail.options(at=5.0, channel=None).push_many([("a",), mail.bind("b")])

# Bound calls.
assert_type(mail.bind("a", copies=2), Call[bool])
assert_type(mail.bind("a")(), bool)
mail.bind("a").push(delay=5)
mail.bind("a").with_options(max_attempts=2).push()
assert_type(mail.push_many([("a",), ("b", "c"), mail.bind("d")]), list[Handle[bool]])

# Results.
assert_type(mail.push("a").result(), bool)
assert_type(mail.push("a", delay=5).result(timeout=3), bool)
assert_type(mail.options(result_ttl=60).push("a").result(), bool)
assert_type(fetch.push("a").result(), int)
assert_type(queue.push(Report()).result(), None)
assert_type(queue.call(abs, 7).id, str)
assert_type(mail.push("a").status(), Status)
assert_type(queue.handle("0" * 32).progress(), Progress | None)

# Streams.
assert_type(next(rows.push(3).stream()), str)
assert_type(next(lines.push(3).stream(after=5, timeout=1)), bytes)
assert_type(next(words.push("a").stream()), str)
assert_type(rows.push(3).result(), int)
assert_type(lines.push(3).result(), None)
for word in words.push("a").stream():
    assert_type(word, str)

# Methods.
account = Savings()
assert_type(account.pay(1), str)
assert_type(account.pay.push(1), Handle[str])
account.pay.push(1, to="x")
account.pay.push(1, "x", delay=5)
account.pay.options(delay=5).push(1)
assert_type(account.pay.bind(1), Call[str])
account.close.push(2030)
assert_type(Account.pay(account, 1), str)
Account.pay.push(account, 1)
Account.pay.push(account, 1, delay=5)
assert_type(Account.open("x"), int)
Account.open.push("x")
Account.open.push("x", delay=5)
account.open.push("x")
Savings.reopen.options(delay=5).push("x")
for year in (Account.rate, account.rate, Account.fee, account.fee):
    assert_type(year(2030), int)
    year.push(2030)
    year.push(2030, delay=5)

# Generic methods, and methods that return Self: mypy can't bind them to an instance.
assert_type(Account.keep.push(account, "x"), Handle[str])
same: Account = Account.same(account, 2030)
account.merge.push(account)


# Jobs as parameters: a job, a bound call and a handle are covariant in what the job returns.
class Mailer(Protocol):
    def push(self, to: str, /) -> Handle[object]: ...


def schedule(job: Job[..., object]) -> None: ...
def run_text(job: Job[[str], Any]) -> None: ...
def wait(handle: Handle[object]) -> None: ...


jobs: dict[str, Job[..., object]] = {"nothing": nothing, "fetch": fetch}
handles: list[Handle[object]] = [nothing.push(), fetch.push("a")]
calls: list[Call[object]] = [nothing.bind(), fetch.bind("a")]
callback: Callable[[str], object] = fetch
mailer: Mailer = fetch.options(delay=1)
mailer = mail
schedule(nothing)
run_text(fetch)
wait(nothing.push())


def start_fetch() -> Handle[Coroutine[Any, Any, int]]:
    return fetch.push("a")


assert_type(start_fetch().result(), int)

# Functions with their own type variables, with a typed decorator, and with overloads, of which the first counts.
assert_type(first.push([1]), Handle[int])
assert_type(decorated.push(1, b="y"), Handle[str])
assert_type(either_job.push(1), Handle[int])
later = functools.partial(mail.push, "a")

# Objects and callables.
assert_type(queue.push(Report(), delay=5), Handle[None])
queue.push(mail.bind("a"))
queue.call(abs, 7, delay=5)
queue.call(print, "a", sep="")
# Of a lambda pyright's strict mode would have the types of its parameters, which Python has no way to write.
queue.call(lambda number: number, 7)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
queue.call(lambda number: number, 7, delay=5)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
queue.call(max, 7, 8, delay=5)
queue.call(nothing, delay=5)
queue.call("a-b".split, "-", delay=5)


async def from_async_code() -> None:
    assert_type(await mail.apush("a"), Handle[bool])
    assert_type(await mail.apush("a", delay=5), Handle[bool])
    assert_type(await mail.apush_many([("a",)]), list[Handle[bool]])
    await mail.options(delay=5).apush("a")
    assert_type(await (await mail.apush("a")).aresult(), bool)
    assert_type(await (await fetch.apush("a")).aresult(timeout=5), int)
    async for word in words.push("a").astream():
        assert_type(word, str)
    async for row in (await rows.apush(3)).astream():
        assert_type(row, str)
    await mail.bind("a").apush(delay=5)
    await account.pay.apush(1, "x")
    await account.pay.apush(1, "x", delay=5)
    await queue.apush(Report())
    await queue.acall(print, "a")


# Hooks are left as they are; their names are those of what they decorate.
@queue.on_start
async def opened() -> None: ...


@queue.lifespan
def around() -> Iterator[dict[str, int]]:
    yield {"pool": 1}


assert_type(around(), Iterator[dict[str, int]])


def effect(answer: Cancelled) -> int:
    match answer:  # complete: an alias is not one more member
        case Cancelled.NOW:
            return 1
        case Cancelled.ASKED:
            return 2
        case Cancelled.TOO_LATE:
            return 3


def recorded() -> None:
    with testing.record(queue, mode="inline", raises=False) as t:
        assert_type(t, testing.Recording)
        assert_type(t.assert_pushed(mail, "anna", copies=2, channel="mail", delay=timedelta(1), headers={"a": "b"}), testing.Pushed)
        assert_type(t.assert_pushed("shop:send", count=2), list[testing.Pushed])
        assert_type(t.run_all(delayed=True, raises=True), int)
        assert_type(t.run_one().kwargs, dict[str, Any])
        t.travel(timedelta(hours=1))
    with testing.context(attempt=2) as context:
        assert_type(context, Context)


async def inspected() -> None:
    inspector = Inspector(queue)
    assert_type(inspector.info("mail")[0].counts.waiting, int)
    assert_type(inspector.entries("mail", "failed", limit=None).is_complete, bool)
    assert_type([entry.age for entry in await inspector.aentries("mail", State.FAILED)], list[float | None])
    found = await inspector.astatus("01a2187b")
    assert_type(found.status if found else None, Status | None)
    assert_type((await inspector.acancel("01a2187b", kill=True)).effect, Cancelled)
    assert_type((await inspector.adoctor()).findings[0].advice, str)
