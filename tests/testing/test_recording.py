"""What a test sees: every way to push is recorded, and the assertions explain what was pushed instead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

import taskq
from taskq import ArgumentsError, Queue, SerializationError, testing
from taskq.errors import MessageTooLarge, UnknownChannel

pytestmark = pytest.mark.one_python


def _send(to: str, subject: str = "hello", *more: str, **headers: str) -> str:
    return f"{to} {subject}"


class Greeting:
    max_attempts = 2

    def __init__(self, to: str) -> None:
        self.to = to

    def handle(self) -> None:
        pass


_queue = Queue("redis://127.0.0.1:1/0")


class Shop:
    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shop) and other.name == self.name

    def __hash__(self) -> int:
        return 0

    @_queue.job(name="Shop.close")
    def close(self, hour: int) -> None: ...


@pytest.fixture
def queue() -> Queue:
    return Queue("redis://127.0.0.1:1/0", channels={"mail": {}})


def test_every_way_to_push_is_recorded(queue: Queue) -> None:
    send = queue.job(name="shop:send")(_send)

    async def push_async() -> None:
        await send.apush("b")
        await send.options(channel="mail").apush("d")
        await send.bind("f").apush(delay=3)
        await send.apush_many([("h",)])
        await queue.acall(_send, "k")
        await queue.apush(Greeting("m"))
        async with queue.buffer():
            await send.apush("p")

    with testing.record(queue) as t:
        send.push("a")
        send.options(channel="mail", once=True).push("c")
        send.bind("e").push()
        send.push_many([("g",), send.bind("g", "again")])
        queue.call(_send, "i")
        queue.push(Greeting("l"))
        queue.send_many([send.bind("n")])
        with queue.buffer():
            send.push("o")
            t.assert_none_pushed("o")
            assert len(t.pushed) == 8  # what is in a buffer isn't pushed yet
        queue.push_name("other:job", ["q"], {"r": 1})
        queue.send(send.bind("s"))
        asyncio.run(push_async())
    first = [push.args[0] if isinstance(push.args[0], str) else push.args[0].to for push in t.pushed]
    assert "".join(first) == "aceggilnoqsbdfhkmp"
    assert {push.job for push in t.pushed} == {"shop:send", "other:job", f"{__name__}:_send", f"{__name__}:Greeting"}
    assert t.pushed[9].kwargs == {"r": 1}


def test_a_discarded_buffer_pushes_nothing(queue: Queue) -> None:
    send = queue.job(_send)
    with testing.record(queue) as t:
        buffer = queue.buffer()
        buffer.__enter__()
        send.push("a")
        buffer.__exit__(KeyError, KeyError(), None)
    t.assert_none_pushed()


def test_pushes_match_by_parameter(queue: Queue) -> None:
    send = queue.job(name="shop:send")(_send)
    at = datetime(2030, 1, 1, tzinfo=UTC)
    with testing.record(queue) as t:
        first = send.push("anna", subject="hi")
        send.options(delay=timedelta(minutes=1), channel="mail", headers={"tenant": "acme", "user": "7"}).push(to="bob")
        send.options(at=at).push("carl", "hi", "x", "y", locale="de")
    assert t.assert_pushed(send, "anna").id == first.id
    assert t.assert_pushed(send, to="anna", subject="hi").args == ("anna",)
    found = t.assert_pushed(send, "bob", subject="hello", channel="mail", delay=60, headers={"tenant": "acme"})
    assert (found.delay, found.at, found.channel, found.headers["user"], found.kwargs) == (60, None, "mail", "7", {"to": "bob"})
    assert t.assert_pushed(send, "carl", "hi", "x", locale="de").at == at
    assert [push.id for push in t.assert_pushed("shop:send", count=3)] == [push.id for push in t.pushed]
    assert t.assert_pushed(send, "nobody", count=0) == []
    with pytest.raises(ArgumentsError, match="multiple values"):
        t.assert_pushed(send, "anna", to="anna")


def test_callables_and_objects_match(queue: Queue) -> None:
    with testing.record(queue) as t:
        queue.call(_send, "anna")
        queue.call(lambda a: a, 1)
        greeting = Greeting("bob")
        queue.push(greeting)
    t.assert_pushed(_send, "anna", subject="hello")
    t.assert_pushed(Greeting, to="bob")
    t.assert_pushed(greeting)
    with pytest.raises(AssertionError, match=r"to: expected 'carl', got 'bob'"):
        t.assert_pushed(Greeting, to="carl")
    with pytest.raises(AssertionError, match="object: expected"):
        t.assert_pushed(Greeting("bob"))


def test_methods_match() -> None:
    with testing.record(_queue) as t:
        Shop("a").close.push(18)
    t.assert_pushed(Shop("a").close, hour=18)
    t.assert_pushed(Shop.close, Shop("a"), 18)
    with pytest.raises(AssertionError, match="self: expected"):
        t.assert_pushed(Shop("b").close, hour=18)


def test_plain_data_matches_as_it_was_passed() -> None:
    queue = Queue(serializer="json")
    send = queue.job(name="shop:send")(lambda to, parts: None)
    with testing.record(queue) as t:
        send.push("a", [(1, 2)])
    assert t.assert_pushed(send, "a", [(1, 2)]).args == ("a", [[1, 2]])


def test_typed_arguments_are_rebuilt() -> None:
    queue = Queue(serializer="json")
    queue.job(name="shop:charge", result_ttl=60)(_charge)
    job = queue.jobs.get("shop:charge")
    assert job is not None
    with testing.record(queue, mode="inline") as t:
        handle = job.push(Order(7, (1, 2)), datetime(2030, 1, 1, tzinfo=UTC))
        with pytest.raises(ArgumentsError, match="order"):
            job.push("no order", datetime(2030, 1, 1, tzinfo=UTC))
    assert t.assert_pushed(job, Order(7, (1, 2)), due=datetime(2030, 1, 1, tzinfo=UTC)).args[0] == Order(7, (1, 2))
    assert handle.result() == Order(8, (1, 2))
    with pytest.raises(AssertionError, match=r"order: expected Order\(number=8"):
        t.assert_pushed(job, Order(8, (1, 2)))


@dataclass
class Order:
    number: int
    parts: tuple[int, ...]


def _charge(order: Order, due: datetime) -> Order:
    assert isinstance(due, datetime)
    return Order(order.number + 1, order.parts)


def test_an_object_without_equality_matches_itself(queue: Queue) -> None:
    job = queue.job(name="job")(lambda one: None)
    with testing.record(queue) as t:
        job.push(greeting := Greeting("a"))
    t.assert_pushed(job, greeting)
    with pytest.raises(AssertionError):
        t.assert_pushed(job, Greeting("a"))


def test_what_was_pushed_later_changes_no_record(queue: Queue) -> None:
    job = queue.job(name="job")(lambda one: None)
    with testing.record(queue) as t:
        job.push(numbers := [1])
        numbers.append(2)
    assert t.assert_pushed(job, [1]).args == ([1],)


def test_a_failed_assertion_shows_the_nearest_pushes(queue: Queue) -> None:
    send, other = queue.job(name="shop:send")(_send), queue.job(name="shop:other")(lambda: None)
    with testing.record(queue) as t:
        with pytest.raises(AssertionError, match="nothing was pushed at all"):
            t.assert_pushed(send)
        for number in range(7):
            send.options(delay=number).push(f"user{number}")
        with pytest.raises(AssertionError) as found:
            t.assert_pushed(send, "user6", channel="mail")
        with pytest.raises(AssertionError, match=r"shop:other\(\) was not pushed. There were 7 pushes of other jobs:"):
            t.assert_pushed(other)
        with pytest.raises(AssertionError, match=r"expected 2 pushes of shop:send\(\), but 7 match"):
            t.assert_pushed(send, count=2)
        with pytest.raises(
            AssertionError, match=r"expected no push of shop:send, but there were 7 pushes:\n  shop:send\('user0'\) in default"
        ):
            t.assert_none_pushed(send)
        t.assert_none_pushed(other)
    assert str(found.value).splitlines()[:5] == [
        "shop:send('user6') in mail was not pushed. The pushes of this job, nearest first:",
        "  shop:send('user6') in default, delay 6 s",
        "      channel: expected 'mail', got 'default'",
        "  shop:send('user0') in default",
        "      to: expected 'user6', got 'user0'",
    ]
    assert str(found.value).endswith("and 2 more")


def test_a_push_fails_as_it_would_fail_on_a_server() -> None:
    queue = Queue(serializer="json", max_message_size=2000)
    send = queue.job(name="shop:send")(lambda to: None)
    with testing.record(queue) as t:
        with pytest.raises(SerializationError):
            send.push(object())
        with pytest.raises(MessageTooLarge):
            send.push("x" * 3000)
        with pytest.raises(UnknownChannel):
            send.options(channel="nowhere").push("a")
        with pytest.raises(ArgumentsError):
            send.push()
    t.assert_none_pushed()


def test_push_hooks_are_called(queue: Queue) -> None:
    send, seen = queue.job(name="shop:send")(_send), []

    @queue.pushing
    def pushing(push: taskq.Push) -> None:
        if push.args == ("refused",):
            raise PermissionError
        push.headers["request"] = "r1"

    queue.pushed(lambda pushes: seen.extend(push.handle.id for push in pushes))
    with testing.record(queue) as t:
        handle = send.push("anna")
        asyncio.run(send.apush_many([("bob",)]))
        with pytest.raises(PermissionError):
            send.push("refused")
        assert t.assert_pushed(send, "anna", headers={"request": "r1"}).id == handle.id
        assert seen == [push.id for push in t.assert_pushed(send, headers={"request": "r1"}, count=2)]
        with pytest.raises(AssertionError, match="header request: expected 'r2', got 'r1'"):
            t.assert_pushed(send, headers={"request": "r2"})


def test_clear_forgets_all(queue: Queue) -> None:
    send = queue.job(result_ttl=60)(_send)
    with testing.record(queue) as t:
        done, waiting = send.push("a"), send.push("b")
        t.run_one()
        t.clear()
        t.assert_none_pushed()
        assert (t.run_all(), t.pending) == (0, [])
        for handle in (done, waiting):
            with pytest.raises(taskq.NoResult, match="deleted or cleared"):
                handle.result()


def test_wrong_arguments_are_refused(queue: Queue) -> None:
    for call in (lambda: testing.record(mode="eager"), lambda: testing.record("queue")):  # type: ignore[arg-type]
        with pytest.raises((ValueError, TypeError), match=r"mode must be 'manual'|needs queues; got 'queue'"):
            call()
    send = queue.job(name="shop:send")(_send)
    with testing.record(queue) as t:
        for wrong in (None, queue):
            with pytest.raises(ArgumentsError, match="must be a job, its name"):
                t.assert_pushed(wrong)
        with pytest.raises(ArgumentsError, match="headers must be a mapping of names to strings; got 'tenant=acme'"):
            t.assert_pushed(send, headers="tenant=acme")  # type: ignore[call-overload]


def test_a_job_that_could_never_match_is_refused(queue: Queue) -> None:
    send = queue.job(name="zebra:stripe")(_send)
    with testing.record(queue) as t:
        handle = send.push("anna")
        t.assert_pushed(send.bind("anna", subject="hello"))
        for wrong in (send.push, send.options(delay=1), handle, send.options(delay=1).push):
            with pytest.raises(ArgumentsError, match="must be the job itself"):
                t.assert_none_pushed(wrong)
        for name in ("stripe", "zebra:strpie"):
            with pytest.raises(ArgumentsError, match=f"no job is named '{name}'; did you mean 'zebra:stripe'"):
                t.assert_none_pushed(name)
        t.assert_none_pushed("billing.jobs:charge")  # of another program


def test_names_that_a_recording_does_not_have_are_explained(queue: Queue) -> None:
    """Given a name of the module taskq, which the fixture hides in a test, or a word of other libraries, then the error has the remedy."""
    send = queue.job(name="shop:send")(_send)
    with testing.record(queue) as t:
        for name, advice in [
            ("Queue", "here `taskq` is the recording: write from taskq import Queue"),
            ("current", "write from taskq import current"),
            ("assert_not_pushed", r"write assert_none_pushed\(job\)"),
            ("psuhed", "has no attribute 'psuhed'$"),
        ]:
            with pytest.raises(AttributeError, match=advice):
                getattr(t, name)
        with pytest.raises(ArgumentsError, match="count must be an integer from 0; got '1'"):
            t.assert_pushed(send, count="1")  # type: ignore[call-overload]
