"""Moving parked messages back to waiting when this worker can run them."""

from __future__ import annotations

import json
import struct

import msgspec
import pytest

from taskq.channel import State
from taskq.supervisor.services.unpark import Unpark
from taskq.wire.foreign import job_of
from taskq.wire.history import records
from taskq.wire.message import Message, removal_mark, wrap_foreign
from tests.supervisor.conftest import Channel


def park(place: Channel, count: int, name: str = "work") -> list[str]:
    """Park a number of messages of a job."""
    hand = place.hand()
    job = place.queue.jobs.get(name) or place.queue.job(channel=place.prefix, name=name)(lambda number=0: None)
    ids = [handle.id for handle in job.push_many([(number,) for number in range(count)])]
    for _ in range(count):
        (raw,) = hand.reserve(1)
        hand.set_aside(raw, State.PARKED, "nobody knows it")
    return ids


def walk(unpark: Unpark, now: float = 0.0) -> int:
    """Tick until the walk is over; returns the number of ticks."""
    ticks = 1
    unpark.tick(now)
    while unpark.due <= now:
        unpark.tick(now)
        ticks += 1
    return ticks


def test_only_messages_of_known_jobs_return(place: Channel) -> None:
    """Given parked messages of two jobs of which one is known, then those return in order, and the others stay."""
    known = park(place, 5)
    other = park(place, 3, "elsewhere")
    unpark = Unpark(place.channel)
    unpark.jobs = frozenset({"work"})
    walk(unpark, 100.0)
    assert [message.hex_id for message in place.store.messages(State.WAITING)] == known
    assert [message.hex_id for message in place.store.messages(State.PARKED)] == other
    assert unpark.due == 110.0


def test_the_parking_leaves_no_trace(place: Channel) -> None:
    """Given a message that had failed once and was parked, then it returns with its attempts, and without the parking in its history."""
    park(place, 1)
    unpark = Unpark(place.channel)
    unpark.jobs = frozenset({"work"})
    walk(unpark)
    (message,) = place.store.messages(State.WAITING)
    assert message.attempts == 1
    assert records(message.history_bytes()) == []


def test_many_pages_are_walked(place: Channel) -> None:
    """Given more messages than fit into a page, known and unknown ones in turn, then all known ones return, a page per tick."""
    pairs = {}
    for number in range(1300):
        call = place.queue.jobs.get("work")
        assert call is not None
        message = place.queue.outbox.packer.pack(call.bind(number)).payload
        if number % 2:
            message = message.replace(b"work", b"worm")
        pairs[message] = number
    place.store.client.zadd(place.store.keys.parked, pairs)
    unpark = Unpark(place.channel)
    unpark.jobs = frozenset({"work"})
    assert walk(unpark) == 4  # a small page, and three of the full size
    assert place.store.count(State.WAITING) == 650
    assert {job_of(raw) for raw in place.store.raw(State.PARKED)} == {"worm"}


def test_messages_that_stay_cost_little(place: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given thousands of messages of an unknown job, then the first walk makes no pause, and the next, much later, is spread over time."""
    raw = place.queue.outbox.packer.pack(place.job.bind(1)).payload
    place.store.client.zadd(place.store.keys.parked, {raw[:2] + b"%016d" % number + raw[18:]: number for number in range(2000)})
    unpark = Unpark(place.channel)
    unpark.jobs = frozenset({"another"})
    assert walk(unpark, 100.0) == 5
    assert unpark.due == 110.0
    read: list[int] = []
    parked_since = place.channel.driver.parked_since
    monkeypatch.setattr(place.channel.driver, "parked_since", lambda *args: read.append(args[2]) or parked_since(*args))
    for later in range(110, 710, 10):
        assert unpark.due == later
        unpark.tick(unpark.due)
    assert len(read) == 60  # one for the last message each time, of the same millisecond
    for _ in range(4):
        now = unpark.due
        unpark.tick(now)
        assert unpark.due == now + 0.1
    unpark.restart()
    assert walk(unpark, 200.0) == 5  # the size of the messages is known


def test_a_page_of_large_messages_is_short(place: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given parked messages of 200 KiB, then a page has a few of them, and known ones return anyway."""
    packer = place.queue.outbox.packer
    raw = [packer.pack(place.job.bind("x" * 200_000)).payload for _ in range(60)]
    place.store.client.zadd(place.store.keys.parked, {one: number for number, one in enumerate(raw)})
    unpark = Unpark(place.channel)
    unpark.jobs = frozenset({"work"})
    read: list[int] = []
    page = place.channel.driver.parked_since
    monkeypatch.setattr(place.channel.driver, "parked_since", lambda *args: read.append(args[2]) or page(*args))
    walk(unpark)
    assert place.store.raw(State.WAITING) == raw
    assert read[0] == 20
    assert max(read[1:]) <= 5


def test_unreadable_messages_stay_parked(place: Channel) -> None:
    """Given parked bytes of a newer version, and broken ones, then they stay, and a JSON message of a known job returns."""
    newer = b"\x02" + place.queue.outbox.packer.pack(place.job.bind(1)).payload[1:]
    foreign = wrap_foreign(json.dumps({"job": "work", "args": [1]}).encode())
    place.store.client.zadd(place.store.keys.parked, {newer: 1, b"\x01garbage" * 9: 2, b"short": 3, foreign: 4})
    unpark = Unpark(place.channel)
    unpark.jobs = frozenset({"work"})
    walk(unpark)
    assert place.store.raw(State.WAITING) == [foreign]
    assert place.store.count(State.PARKED) == 3


def test_the_mark_of_a_removed_message_is_removed(place: Channel) -> None:
    """Given marks that an older worker has parked, and a message, then the marks are removed, and the message stays."""
    (stays,) = park(place, 1, "elsewhere")
    payloads = [place.queue.outbox.packer.pack(place.job.bind(number)).payload for number in range(3)]
    place.store.client.zadd(place.store.keys.parked, dict.fromkeys(map(removal_mark, payloads), 1))
    walk(Unpark(place.channel))
    assert [message.hex_id for message in place.store.messages(State.PARKED)] == [stays]
    assert place.store.raw(State.WAITING) == []


def test_a_forged_history_hinders_no_other_message(place: Channel) -> None:
    """Given a parked message whose history is nested 100,000 deep, then it hinders no other message, before or after it."""
    ids = park(place, 3)
    # A record with one field more than there are, which is passed over: all the way down.
    slot = b"\x97" + b"".join(map(msgspec.msgpack.encode, ("failed", 1, "w", 1, "e", "t"))) + b"\x91" * 100_000 + b"\x00"
    deep = struct.pack(">I", len(slot)) + slot
    forged = Message(place.queue.outbox.packer.pack(place.job.bind(1)).payload).changed(attempts=1, history=deep)
    place.store.client.zadd(place.store.keys.parked, {forged: 1})
    unpark = Unpark(place.channel)
    unpark.jobs = frozenset({"work"})
    walk(unpark)
    assert set(ids) < {message.hex_id for message in place.store.messages(State.WAITING)}


def test_an_empty_state_costs_one_command(place: Channel) -> None:
    """Given nothing parked, then the service asks once and is due again in ten seconds."""
    unpark = Unpark(place.channel)
    unpark.tick(5.0)
    assert unpark.due == 15.0
    assert not place.channel.is_down


def test_a_message_parked_later_returns_soon(place: Channel) -> None:
    """Given messages that stay, if a worker with older code parks one more, even in the same millisecond, then the next walk finds it."""
    raw = place.queue.outbox.packer.pack(place.queue.job(channel=place.prefix, name="unknown")(lambda: None).bind()).payload
    place.store.client.zadd(place.store.keys.parked, {raw[:2] + b"%016d" % number + raw[18:]: 5 for number in range(30)})
    unpark = Unpark(place.channel)
    unpark.jobs = frozenset({"work"})
    walk(unpark, 100.0)
    known = place.queue.outbox.packer.pack(place.job.bind(1)).payload
    place.store.client.zadd(place.store.keys.parked, {b"\x01\x00" + b"0" * 16 + known[18:]: 5})
    unpark.tick(unpark.due)
    assert (place.store.count(State.WAITING), place.store.count(State.PARKED)) == (1, 30)
    place.store.client.zadd(place.store.keys.parked, {known: 6})
    unpark.tick(unpark.due)
    assert place.store.count(State.WAITING) == 2


def test_a_move_without_a_reply_is_repeated(place: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a server that is unreachable while a page is moved, then the next walk begins with the first message, and moves it."""
    (known,) = park(place, 1)
    park(place, 1, "elsewhere")
    unpark = Unpark(place.channel)
    unpark.jobs = frozenset({"work"})
    ask = place.channel.ask
    monkeypatch.setattr(place.channel, "ask", lambda command: None if command.script else ask(command))
    walk(unpark, 100.0)
    monkeypatch.setattr(place.channel, "ask", ask)
    walk(unpark, unpark.due)
    assert [message.hex_id for message in place.store.messages(State.WAITING)] == [known]
