# pyright: strict, reportUnusedCoroutine=false
"""Calls that are wrong: every line that is marked must be found by both checkers, and no other."""

from __future__ import annotations

from taskq import Call, Handle, Inspector, Job, Queue, testing
from tests.typing.samples.jobs import (
    Account,
    AppJob,
    any_number,
    by_keyword,
    classed,
    decorated,
    deep,
    either_job,
    fetch,
    first,
    five,
    mail,
    nothing,
    queue,
    rows,
)

account = Account()

mail()  # error
mail(1)  # error
mail.push()  # error
mail.push(1)  # error
mail.push("a", 2)  # error
mail.push("a", "b", "c")  # error
mail.push("a", copies="x")  # error
mail.push("a", coppies=1)  # error
mail.push("a", None)  # error
nothing.push(1)  # error
any_number.push("a")  # error
any_number.push(1, name=2)  # error
by_keyword.push(3)  # error
by_keyword.push(year=3)  # error
deep.push(["a"], {}, None)  # error
deep.push([], {}, {"town": "x"})  # error
deep.push([], {}, None, "c")  # error
fetch.push(5)  # error

mail.push(1, delay=60)  # error
mail.push("a", 2, delay=60)  # error
mail.push("a", "b", "c", delay=60)  # error
mail.push("a", delay="60")  # error
mail.push("a", delay=None)  # error
nothing.push(1, delay=60)  # error
any_number.push("a", delay=60)  # error
by_keyword.push(3, delay=60)  # error
five.push("a", "b", 3, "d", 5, delay=60)  # error
deep.push(["a"], {}, None, delay=60)  # error

mail.options(dely=60)  # error
mail.options(delay="60")  # error
mail.options(max_attempts="3")  # error
mail.options(once=1.5)  # error
mail.options(delay=60).push(1)  # error
mail.options(delay=60).push()  # error
mail.options(channel="x").push("a", delay=60)  # error

mail.bind(1)  # error
mail.bind()  # error
mail.bind("a").push(delay="60")  # error
mail.push_many(["a"])  # error

account.pay()  # error
account.pay.push("x")  # error
account.pay.push()  # error
account.pay.push("x", delay=60)  # error
account.pay.options(delay=60).push("x")  # error
Account.pay.push(1)  # error
account.close.push("x")  # error
Account.open.push(1)  # error
account.open.push(1)  # error
Account.reopen.push(1)  # error
Account.rate.push("x")  # error
account.rate.push("x")  # error
Account.fee.push("x")  # error
account.fee.push("x")  # error

Account.keep.push("x", "y")  # error
account.merge.push(5)  # error
decorated.push(1, b=2)  # error
first.push(5)  # error
either_job.push("x")  # error


def run_text(job: Job[[str], object]) -> None: ...


run_text(nothing)  # error
run_text(decorated)  # error
numbers: list[Job[..., int]] = [mail, nothing]  # error
handle: Handle[str] = fetch.push("a")  # error
call: Call[str] = nothing.bind()  # error

rows.push("a")  # error
mail.push("a").result("1")  # error
mail.push("a").stream(5)  # error
mail.options(result_ttl="1")  # error

queue.push(5)  # error
queue.push(mail)  # error
queue.call(5)  # error
queue.call(len, 5)  # error
queue.call(len)  # error
queue.call(print, delay="5")  # error
queue.job(chanel="x")  # error
queue.job(max_attempts="3")  # error
queue.job(on_lost="never")  # error
queue.job(validate="strict")  # error
queue.job(5)  # error
Queue(url=5)  # error
Queue(serialiser="json")  # error
Queue(job_defaults={"max_attempt": 3})  # error
Queue(job_defaults={"max_attempts": "3"})  # error
Queue(job_class=Handle)  # error
queue.job(job_class=AppJob, chanel="x")  # error
classed.push_later("a")  # error
mail.push_later("a")  # error
mail.delay("a")  # error
mail.push("a").get()  # error
queue.task()  # error


async def from_async_code() -> None:
    await mail.apush(1)  # error
    await mail.apush(1, delay=60)  # error
    await mail.options(delay=60).apush(1)  # error
    await account.pay.apush("x")  # error


def recorded() -> None:
    testing.record("queue")  # error
    testing.record(queue, mode="eager")  # error
    with testing.record() as t:
        t.assert_pushed()  # error
        t.assert_pushed(mail, delay="soon")  # error
        t.travel("1h")  # error


async def inspected() -> None:
    Inspector("redis://localhost")  # error
    inspector = Inspector(queue)
    inspector.reload("mail", 5)  # error
    inspector.flush("mail")  # error
    print(inspector.find("01a2187b").job)  # error
    (await inspector.aentries("mail")).total = 5  # error
