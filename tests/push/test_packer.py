"""Pushing calls of decorated functions, and what is stored of them."""

from __future__ import annotations

import pickle
import textwrap
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskq import Handle, Queue, UnknownJob
from taskq.wire.message import Flag
from taskq.wire.signing import Signer
from tests.push.conftest import MakeQueue
from tests.push.shelf import Shelf
from tests.support.servers import ServerProcess

HERE = __name__


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def test_a_plain_call_is_never_a_push(queue: Queue, shelf: Shelf) -> None:
    """Given a job, when it is called, then it runs here and now, and nothing is stored."""
    job = queue.job(add)
    assert job(2) == 3
    assert job(a=2, b=5) == 7
    assert shelf.waiting() == []


def test_a_job_still_looks_like_its_function(queue: Queue) -> None:
    """Given a job, then its name, docstring and module are the function's."""
    job = queue.job(add)
    assert (job.__name__, job.__doc__, job.__module__, job.__wrapped__) == ("add", "Add two numbers.", HERE, add)  # type: ignore[attr-defined]
    assert repr(job) == f"<Job {HERE}:add>"


def test_a_push_stores_the_call(queue: Queue, shelf: Shelf) -> None:
    """Given arguments by place and by keyword, when they are pushed, then name and arguments are stored, and the handle names them."""
    handle = queue.job(add).push(1, b=2)
    assert isinstance(handle, Handle)
    seen = shelf.only()
    assert (seen.id, seen.job, seen.args, seen.kwargs, seen.options, seen.flags) == (handle.id, f"{HERE}:add", (1,), {"b": 2}, {}, 0)
    assert handle.channel == "default"


def test_a_job_that_no_worker_can_import_is_refused(queue: Queue, shelf: Shelf) -> None:
    """Given jobs of a notebook, when one is pushed, then the error gives the remedy, which works; a job with a given name is pushed."""
    notebook: dict[str, Any] = {"__name__": "__main__", "queue": queue}
    code = """
        @queue.job
        def double(n): return 2 * n

        @queue.job(name="half")
        def half(n): return n // 2
    """
    exec(textwrap.dedent(code), notebook)
    double = notebook["double"]
    assert double(2) == 4
    for push in (double.push, lambda n: double.push_many([(n,)]), lambda n: queue.send(double.bind(n)), lambda n: queue.call(double, n)):
        with pytest.raises(UnknownJob, match=r"^__main__:double can't be pushed: .*: queue\.call\(double\.function, \.\.\.\), or name it"):
            push(2)
    queue.call(double.function, 21)
    assert shelf.run() == [42]
    notebook["half"].push(2)
    assert [seen.job for seen in shelf.waiting()] == ["taskq:call", "half"]


def test_two_equal_calls_are_two_messages(queue: Queue, shelf: Shelf) -> None:
    """Given the same call twice, now and with the same delay, then there are two of each, with ids that grow."""
    job = queue.job(add)
    handles = [job.push(1), job.push(1), job.push(1, delay=60), job.push(1, delay=60)]
    assert len({handle.id for handle in handles}) == 4
    assert [seen.id for seen in shelf.waiting()] == [handles[0].id, handles[1].id]
    assert len(shelf.delayed()) == 2


@pytest.mark.parametrize("delay", [60, 60.0, timedelta(minutes=1)])
def test_a_delay_is_seconds_or_a_timedelta(queue: Queue, shelf: Shelf, delay: Any) -> None:
    """Given a delay of one minute in each form, then it is due one minute from the server's now, in every way to push."""
    job = queue.job(add)
    before = shelf.now()
    job.push(1, delay=delay)
    job.push(a=1, delay=delay)
    job.options(delay=delay).push(1)
    job.bind(1).push(delay=delay)
    job.options(delay=delay).bind(1).push()
    job.options(delay=delay).push_many([(1,)])
    queue.push(job.bind(1), delay=delay)
    after = shelf.now()
    dues = shelf.dues()
    assert len(dues) == 7
    assert all(before + 60_000 <= due <= after + 60_000 for due in dues)
    assert shelf.waiting() == []


def test_a_delay_of_nothing_is_now(queue: Queue, shelf: Shelf) -> None:
    """Given a delay of zero in any form, then the message waits."""
    job = queue.job(add)
    for delay in (0, 0.0, timedelta(0)):
        job.push(1, delay=delay)
        job.options(delay=delay).push(1)
    assert len(shelf.waiting()) == 6
    assert shelf.delayed() == []


def test_a_delay_is_a_choice_of_its_push_alone(queue: Queue, shelf: Shelf) -> None:
    """Given one push with a delay, when the same job is pushed again, then that one waits."""
    job = queue.job(add)
    chosen = job.options(delay=60)
    chosen.push(1)
    job.push(1)
    assert (len(shelf.waiting()), len(shelf.delayed())) == (1, 1)


def test_a_moment_is_an_option(queue: Queue, shelf: Shelf) -> None:
    """Given a moment, then the message is due then; a moment that has passed is due at once, after those due before it."""
    job = queue.job(add)
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    job.options(at=moment).push(1)
    job.options(at=moment.timestamp()).push(2)
    job.options(at=0).push(3)
    assert shelf.dues() == [0, 1_893_456_000_000, 1_893_456_000_000]
    assert shelf.delayed()[0].args == (3,)


def test_options_are_stored_with_the_message(queue: Queue, shelf: Shelf) -> None:
    """Given options of one push, then they travel with the message, and those not chosen don't."""
    queue.job(add).options(max_attempts=7, retry_seconds=[1, 2], handle_timeout=5).push(1)
    assert shelf.only().options == {"max_attempts": 7, "retry_seconds": [1.0, 2.0], "handle_timeout": 5}


def test_a_job_s_channel_is_its_default(make_queue: MakeQueue, server: ServerProcess, prefix: str) -> None:
    """Given a job with a channel that no settings name, then its calls go there, and one push can go elsewhere."""
    queue = make_queue()
    job = queue.job(channel=f"{prefix}-bulk")(add)
    assert job.push(1).channel == f"{prefix}-bulk"
    assert job.options(channel="default").push(2).channel == "default"
    assert Shelf(server, f"{prefix}-bulk").only().args == (1,)
    assert Shelf(server, prefix).only().args == (2,)


def test_the_prefix_of_a_channel_comes_from_the_settings(make_queue: MakeQueue, server: ServerProcess, prefix: str) -> None:
    """Given a channel with its own prefix, then its messages are stored under that."""
    queue = make_queue(channels={"mail": {"channel": f"{prefix}-m"}})
    queue.job(add).options(channel="mail").push(1)
    assert Shelf(server, f"{prefix}-m").only().args == (1,)


def test_a_bound_call_can_be_looked_at_run_and_pushed(queue: Queue, shelf: Shelf) -> None:
    """Given a bound call, then it shows itself, runs here, and can be pushed as often as one likes."""
    call = queue.job(add).bind(1, b=2)
    assert repr(call) == f"<Call {HERE}:add(1, b=2)>"
    assert call() == 3
    assert shelf.waiting() == []
    assert call.push().id != call.push().id
    call.with_options(delay=60, max_attempts=2).push()
    assert len(shelf.waiting()) == 2
    assert shelf.delayed()[0].options == {"max_attempts": 2}


def test_many_calls_are_stored_in_order(queue: Queue, shelf: Shelf) -> None:
    """Given tuples and bound calls, when they are pushed together, then they wait in that order, each with its handle."""
    job = queue.job(add)
    handles = job.push_many([(1,), (2, 3), job.bind(4, b=5)])
    assert [(seen.args, seen.kwargs) for seen in shelf.waiting()] == [((1,), {}), ((2, 3), {}), ((4,), {"b": 5})]
    assert [handle.id for handle in handles] == [seen.id for seen in shelf.waiting()]
    assert job.push_many([]) == []


def test_thousands_of_calls_take_a_few_requests(queue: Queue, shelf: Shelf, server: ServerProcess) -> None:
    """Given two thousand calls, when they are pushed together, then four commands store them, in order."""
    job = queue.job(add)
    job.push(0)
    before = int(server.admin.info("stats")["total_commands_processed"])
    job.push_many([(number,) for number in range(1, 2_001)])
    commands = int(server.admin.info("stats")["total_commands_processed"]) - before
    assert [seen.args[0] for seen in shelf.waiting()] == list(range(2_001))
    assert commands <= 4 + 1


def test_bound_calls_keep_their_own_options(queue: Queue, shelf: Shelf) -> None:
    """Given options for many calls, then a bound call takes them where it has chosen nothing itself."""
    job = queue.job(add)
    calls: list[Any] = [(1,), job.bind(2), job.options(max_attempts=9).bind(3)]
    job.options(max_attempts=2, handle_timeout=5).push_many(calls)
    assert [seen.options["max_attempts"] for seen in shelf.waiting()] == [2, 2, 9]
    assert [seen.options["handle_timeout"] for seen in shelf.waiting()] == [5, 5, 5]


def test_many_calls_with_other_moments_and_channels(make_queue: MakeQueue, server: ServerProcess, prefix: str) -> None:
    """Given calls for different channels and moments, when they are pushed together, then each gets where it belongs."""
    queue = make_queue(channels={"mail": {"channel": f"{prefix}-m"}})
    job, other = queue.job(add), queue.job(name="other", channel="mail")(lambda n: n)
    calls = [job.bind(1), other.bind(2), job.options(delay=60).bind(3), job.bind(4), job.options(once=True).bind(5)]
    handles = queue.send_many(calls)
    assert [seen.args[0] for seen in Shelf(server, prefix).waiting()] == [1, 4, 5]
    assert [seen.args[0] for seen in Shelf(server, prefix).delayed()] == [3]
    assert [seen.args[0] for seen in Shelf(server, f"{prefix}-m").waiting()] == [2]
    assert [handle.channel for handle in handles] == ["default", "mail", "default", "default", "default"]


def test_a_repeatable_push_is_a_push(queue: Queue, shelf: Shelf) -> None:
    """Given once=True, now and later, then each is stored, and two pushes are two messages."""
    job = queue.job(add)
    choices: list[Any] = [{"once": True}, {"once": True, "delay": 60}]
    for options in choices:
        for _ in range(2):
            job.options(**options).push(1)
    job.options(once=True).push_many([(1,), (2,)])
    assert (len(shelf.waiting()), len(shelf.delayed())) == (4, 2)


def test_a_pending_message_can_be_withdrawn(queue: Queue, shelf: Shelf) -> None:
    """Given a waiting and a delayed message, when their handles delete them, then they are removed, and a second delete returns False."""
    job = queue.job(add)
    pending = job.push(0)
    for handle in (job.push(1), job.push(2, delay=60), job.options(once=True).push(3)):
        assert handle.delete() is True
        assert handle.delete() is False
    assert [seen.id for seen in shelf.waiting()] == [pending.id]
    assert shelf.delayed() == []


def test_what_a_worker_has_taken_is_too_late_to_withdraw(queue: Queue, shelf: Shelf) -> None:
    """Given a message that has left waiting, then delete returns False."""
    handle = queue.job(add).push(1)
    shelf.client.delete(shelf.keys.waiting)
    assert handle.delete() is False


def test_handles_are_compared_by_their_id(queue: Queue) -> None:
    """Given handles, then those of one message are equal, and they can be in a set."""
    handle, other = queue.job(add).push(1), queue.job(name="x")(add).push(1)
    assert handle != other
    assert len({handle, other, handle}) == 2
    assert handle.id in repr(handle)


@pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack"])
def test_a_serializer_is_chosen_by_queue_or_job(make_queue: MakeQueue, shelf: Shelf, serializer: Any) -> None:
    """Given a serializer of the queue, and another of one job, then each is used for its messages."""
    queue = make_queue(serializer=serializer)
    queue.job(add).push(1, b=2)
    queue.job(name="other", serializer="json")(add).push(3)
    first, second = shelf.waiting()
    assert (first.args, first.kwargs, second.args) == ((1,), {"b": 2}, (3,))


def test_messages_are_signed_when_there_is_a_secret(make_queue: MakeQueue, server: ServerProcess, prefix: str) -> None:
    """Given secrets, then every message is signed by the first, in every way to push."""
    queue = make_queue(secret="new,old")
    job = queue.job(add)
    job.push(1)
    job.push_many([(2,)])
    queue.call(abs, -3)
    seen = Shelf(server, prefix, Signer(["new"], prefix)).waiting()
    assert len(seen) == 3
    assert all(one.flags & Flag.SIGNED for one in seen)


@pytest.mark.parametrize(("on_lost", "flags"), [(None, 0), ("timeout", Flag.LOST_IS_TIMEOUT), ("retry", Flag.LOST_IS_RETRY)])
def test_on_lost_travels_with_the_message(queue: Queue, shelf: Shelf, on_lost: Any, flags: int) -> None:
    """Given on_lost of a job, then the message has it where a script can read it."""
    queue.job(on_lost=on_lost)(add).push(1)
    assert shelf.only().flags == flags


def test_a_job_can_be_pushed_by_name(queue: Queue, shelf: Shelf) -> None:
    """Given a job's name, then it can be pushed as the command line does."""
    queue.job(name="adder")(add)
    queue.push_name("adder", [1], {"b": 2}, max_attempts=1)
    seen = shelf.only()
    assert (seen.job, seen.args, seen.kwargs, seen.options) == ("adder", (1,), {"b": 2}, {"max_attempts": 1})


def test_parameters_may_have_any_name_but_delay(queue: Queue, shelf: Shelf) -> None:
    """Given parameters that are called like ours, then nothing collides."""

    def odd(self: int, args: int, kwargs: int, channel: int, at: int, job: int, function: int, options: int) -> None: ...

    names = ["self", "args", "kwargs", "channel", "at", "job", "function", "options"]
    arguments = {name: number for number, name in enumerate(names)}
    job = queue.job(odd)
    job.push(**arguments)
    job.push(**arguments, delay=60)
    job.options(max_attempts=1).push(**arguments)
    job.bind(**arguments).push()
    queue.call(odd, **arguments)
    assert job(**arguments) is None
    assert [seen.kwargs for seen in (*shelf.waiting(), *shelf.delayed())] == [arguments] * 5


def test_arguments_are_stored_as_they_were_at_the_push(queue: Queue, shelf: Shelf) -> None:
    """Given a list that is changed after the push, then the message holds what it was."""
    values = [1]
    queue.job(name="keep")(lambda values: None).push(values)
    values.append(2)
    assert shelf.only().args == ([1],)


class Shop:
    """A class with jobs of every kind."""

    elsewhere = Queue("redis://localhost:1")

    @elsewhere.job
    def sell(self) -> None: ...

    @elsewhere.job
    @classmethod
    def open(cls) -> None: ...

    @elsewhere.job
    @staticmethod
    def close() -> None: ...

    @staticmethod
    @elsewhere.job
    def count() -> None: ...


@Shop.elsewhere.job
def top_level() -> None: ...


def test_a_job_travels_as_an_argument(queue: Queue) -> None:
    """Given a job of a module or class, when it is pickled, then it is found again by its place."""
    for job in (top_level, Shop.sell, Shop.close, Shop.count):
        assert pickle.loads(pickle.dumps(job)) is job
    assert pickle.loads(pickle.dumps(Shop.open)).name == Shop.open.name
    assert pickle.loads(pickle.dumps(Shop().sell)).name == Shop.sell.name


def test_what_no_worker_could_find_is_refused(queue: Queue) -> None:
    """Given a job that no module holds, or whose name is the bare function, then pickling it is an error; so it is of a queue."""
    for job in (queue.job(name="x")(lambda: None), queue.job(add)):
        with pytest.raises(TypeError, match="a worker can't find it"):
            pickle.dumps(job)
    with pytest.raises(TypeError, match="secrets"):
        pickle.dumps(queue)
