"""Packing many calls at once: the same messages and the same errors as one call at a time, whatever the calls are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskq import Queue, TaskqError
from taskq.jobs.job import Options
from taskq.jobs.many import ManyCalls
from taskq.jobs.options import PLAIN
from taskq.push.envelope import Outgoing, Watched
from taskq.push.headers import IN_USE
from taskq.push.importing import AppImport
from taskq.wire.codec import load_arguments, serializer_of_code
from taskq.wire.message import Message
from taskq.wire.signing import Signer

pytestmark = pytest.mark.one_python


LOCK = threading.Lock()


@dataclass
class Item:
    name: str
    count: int


class Shop:
    def sell(self, item: Any = None, *more: Any) -> None: ...


def anything(*args: Any) -> None: ...


def one_or_two(first: Any, second: Any = None) -> None: ...


def typed(item: Item, when: datetime | None = None) -> list[Item]: ...  # type: ignore[empty-body]


def needs_name(first: Any, *, name: str) -> None: ...


def generator(first: Any) -> Iterator[int]:
    yield 1


plain = st.sampled_from([1, "text", None, 2.5, [1, {"a": 2}], "_main__", "cloudpickle.cloudpickle"])
odd = st.sampled_from([float("nan"), b"bytes", {1: 2}, (1,), "x" * 500, Item("tea", 2), {"name": "tea"}, LOCK, lambda: 1, Item])
tuples = st.lists(plain, max_size=3).map(tuple)
#: Jobs, the instance of a method, and arguments that fit.
jobs = st.sampled_from(
    [
        (anything, (), tuples),
        (Shop.sell, (Shop(),), tuples),
        (one_or_two, (), st.tuples(plain) | st.tuples(plain, plain)),
        (typed, (), st.sampled_from([(Item("tea", 2),), ({"name": "tea", "count": 2}, datetime(2030, 1, 1, tzinfo=UTC))])),
        (generator, (), st.tuples(plain)),
        (needs_name, (), tuples),
    ]
)
choices = st.fixed_dictionaries(
    {},
    optional={
        "delay": st.sampled_from([0, 0.0, 1, 2.5]),
        "channel": st.sampled_from(["default", "mail", None]),
        "max_attempts": st.sampled_from([None, 3]),
        "retry_seconds": st.sampled_from([None, 1, [1, 2]]),
        "handle_timeout": st.sampled_from([None, 0, 5]),
        "result_ttl": st.sampled_from([None, 0, 60]),
        "once": st.booleans(),
        "headers": st.sampled_from([None, {}, {"tenant": "acme"}]),
    },
)
#: At most one of these makes nearly every push fail.
wrong = st.sampled_from([{}] * 12 + [{"delay": -1}, {"delay": "soon"}, {"channel": "unknown"}])


class Case:
    """A queue that never connects, its jobs, and one way to push many."""

    def __init__(self, data: Any) -> None:
        serializer, secret = data.draw(st.sampled_from(["pickle", "json", "msgpack"])), data.draw(st.sampled_from([None, "secret"]))
        channels: dict[str, Any] = {"default": {"channel": "d"}, "mail": {"channel": "m"}}
        self.queue = Queue("redis://localhost:1", serializer=serializer, secret=secret, max_message_size=400, channels=channels)
        of_job: dict[str, Any] = data.draw(st.sampled_from([{}, {"result_ttl": 9}, {"on_lost": "retry"}, {"channel": "mail"}]))
        of_job |= data.draw(st.sampled_from([{}, {"validate": True}, {"validate": False}, {"serializer": "json"}]))
        function, self.first, fitting = data.draw(jobs)
        self.job = self.queue.job(name="f", **({"result_ttl": 9} if function is generator else {}) | of_job)(function)
        self.options = self.job.options(**data.draw(choices) | data.draw(wrong))._options if data.draw(st.booleans()) else PLAIN
        bound = st.builds(self.bound, fitting, choices)
        odd_items = st.one_of(odd, tuples, st.lists(odd, max_size=2).map(tuple), st.builds(list, fitting), bound)
        self.items = data.draw(st.lists(st.one_of(fitting, bound), min_size=1)) + data.draw(st.just([]) | st.lists(odd_items, max_size=2))
        #: From which item on a block of headers is open.
        self.opens = data.draw(st.sampled_from([None, None, 0, 2]))
        self.hooked = data.draw(st.sampled_from([False, False, False, True]))
        if self.hooked:
            self.queue.pushing(lambda push: push.headers.update(hook="1"))
            self.queue.pushed(lambda pushes: None)

    def bound(self, args: tuple[Any, ...], chosen: dict[str, Any]) -> Any:
        try:
            return Options(self.job, (), self.job.options(**chosen)._options).bind(*args)
        except TaskqError:
            return args

    def _given(self) -> Iterator[Any]:
        """The items, as a generator that opens a block of headers on the way."""
        if not self.hooked:
            IN_USE.clear()
        block = self.queue.headers(block="1")
        try:
            for number, item in enumerate(self.items):
                if number == self.opens:
                    block.__enter__()
                yield item
        finally:
            if block.is_open:
                block.__exit__(None, None, None)

    def calls(self) -> ManyCalls:
        return ManyCalls(self.job, self.first, self.options, self._given())

    def outcome(self, pack: Callable[[ManyCalls], Iterable[Outgoing]]) -> Any:
        """The messages, ids apart, with their routes; or the error."""
        try:
            outs = list(pack(self.calls()))
        except Exception as error:
            return type(error), str(error)
        assert len({out.identity for out in outs}) == len(outs)
        assert [out.identity for out in outs] == sorted(out.identity for out in outs)
        return [self._seen(out) for out in outs]

    def _seen(self, out: Outgoing) -> Any:
        message, prefix = Message(out.payload), self.queue.channel(out.route.channel).channel
        signer = Signer(self.queue.settings.secrets, prefix) if self.queue.settings.secrets else None
        head = message.version, message.crashes, message.attempts, message.flags, message.size
        return head, message.body(signer), message.history_bytes(), out.route, out.stores_result, out.is_stream, isinstance(out, Watched)


@contextmanager
def restored() -> Iterator[None]:
    before = list(IN_USE)
    try:
        yield
    finally:
        IN_USE[:] = before


@settings(max_examples=80)
@given(st.data())
def test_many_are_packed_as_each_alone(data: Any) -> None:
    """Given calls and options of every kind, then packing them together returns the messages, or the error, of packing each alone."""
    with restored():
        case = Case(data)
        outbox = case.queue.outbox
        assert case.outcome(outbox._pack_all) == case.outcome(lambda calls: map(outbox._pack, calls))


def test_each_push_of_an_import_is_counted() -> None:
    """Given a command that imports the app, when its code pushes many calls, then each is counted."""
    queue = Queue("redis://localhost:1")
    job = queue.job(name="f")(anything)
    with AppImport("app", refuses=False) as importing:
        queue.outbox._pack_all(ManyCalls(job, (), PLAIN, [(number,) for number in range(3)]))
    assert importing.count == 3


def test_what_is_wrong_is_refused_only_if_there_are_calls() -> None:
    """Given a delay and a channel that can't be, when no calls are pushed with them, then that is no error, and nothing is sent."""
    job = Queue("redis://localhost:1").job(name="f")(anything)
    assert job.options(delay=-1).push_many([]) == job.options(channel="unknown").push_many([]) == []
    for wrong in (job.options(delay=-1), job.options(channel="unknown")):
        with pytest.raises(TaskqError):
            wrong.push_many([()])


def test_arguments_are_stored_as_they_were_when_they_were_given() -> None:
    """Given a generator that changes what it has given, then each message holds what it was."""
    queue, growing = Queue("redis://localhost:1"), list[int]()
    job = queue.job(name="f")(anything)

    def calls() -> Iterator[tuple[list[int]]]:
        for number in range(3):
            growing.append(number)
            yield (growing,)

    outs = queue.outbox._pack_all(ManyCalls(job, (), PLAIN, calls()))
    assert [load_arguments(serializer_of_code(0), Message(out.payload).body().arguments)[0] for out in outs] == [
        ([0],),
        ([0, 1],),
        ([0, 1, 2],),
    ]
