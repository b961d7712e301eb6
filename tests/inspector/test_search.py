"""Id prefixes: unique, ambiguous, invalid; in every state, and never the wrong message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from taskq import ArgumentsError, Queue
from taskq.channel import Keys, State
from taskq.driver.contract import Command
from taskq.inspector import Inspector
from taskq.inspector.search import checked_id
from taskq.inspector.store import Store
from taskq.wire.message import Message, encode, make_body
from tests.support.hand import HandWorker
from tests.support.servers import ServerProcess

pytestmark = pytest.mark.one_python

IDS = ["01a2187b4d5700000001aaaaaaaaaaaa", "01a2187b4d5700000002aaaaaaaaaaaa", "01a2187b5000000000030a0a0a0a0a0a"]


def store_ids(server: ServerProcess, prefix: str, ids: Sequence[str] = IDS, state: State = State.WAITING) -> None:
    """Store messages with the given ids."""
    for identity in ids:
        raw = encode(bytes.fromhex(identity), make_body("shop.jobs:add", b"\x92\x01\x02", 2), 0)
        key = Keys(prefix).of(state)
        if state is State.WAITING:
            server.admin.lpush(key, raw)
        else:
            server.admin.zadd(key, {raw: 1_000_000})


@pytest.mark.parametrize("text", ["01a2187", "", " ", "01a2187g", "01a2187b-4d57", "1" * 33, "raw-12", "raw-" + "1" * 29, None, 5])
def test_what_cannot_be_an_id(inspector: Inspector, text: Any) -> None:
    """Given a text that is neither an id nor eight or more digits of one, then the error says what is expected."""
    with pytest.raises(ArgumentsError, match=r"invalid message id .*: expected 32 hexadecimal digits, or at least the first 8"):
        inspector.find(text)


def test_an_id_may_be_written_as_it_comes() -> None:
    """Given capitals and spaces around, then they don't matter."""
    assert checked_id(" 01A2187B ") == "01a2187b"


@pytest.mark.parametrize("state", [one for one in State if one is not State.RESERVED])
def test_a_unique_prefix_is_enough(server: ServerProcess, inspector: Inspector, prefix: str, state: State) -> None:
    """Given messages in any state, then a prefix that only one has finds it, also if it ends within a byte."""
    store_ids(server, prefix, state=state)
    for id_prefix, identity in [("01a2187b5", IDS[2]), ("01a2187b50", IDS[2]), (IDS[0][:20], IDS[0]), (IDS[1], IDS[1])]:
        entry = inspector.find(id_prefix)
        assert entry is not None
        assert (entry.id, entry.state, entry.channel) == (identity, state, prefix)
    assert inspector.find("01a2187c") is None
    assert inspector.resolve("01a2187c") is None


def test_a_reserved_message_is_found_with_its_worker(queue: Queue, worker: HandWorker, inspector: Inspector) -> None:
    """Given a reserved message, then its prefix finds it, with the worker process that has it."""
    identity = queue.push_name("shop.jobs:add", (1,)).id
    worker.reserve()
    entry = inspector.find(identity[:20])
    assert entry is not None
    assert (entry.id, entry.state, entry.worker) == (identity, State.RESERVED, worker.name)


def test_an_ambiguous_prefix_does_nothing(server: ServerProcess, inspector: Inspector, prefix: str) -> None:
    """Given a prefix that two messages have, in different states, then the error names both, and none is cancelled or deleted."""
    store_ids(server, prefix, IDS[:1])
    store_ids(server, prefix, IDS[1:], State.FAILED)
    for act in (inspector.cancel, inspector.delete, inspector.find, inspector.status):
        with pytest.raises(ArgumentsError) as caught:
            act("01a2187b4d57")
        assert str(caught.value).splitlines() == [
            "several ids begin with 01a2187b4d57; give more digits:",
            f"  {IDS[0]} (waiting, {prefix})",
            f"  {IDS[1]} (failed, {prefix})",
        ]
    assert (inspector.counts(prefix).waiting, inspector.counts(prefix).failed) == (1, 2)
    # Only the failed messages can be meant.
    assert inspector.reload(prefix, "failed", message_id="01a2187b4d57") == 1
    assert inspector.delete("01a2187b5") is not None
    assert inspector.counts(prefix).waiting == 2


def test_many_candidates_are_not_all_shown(server: ServerProcess, inspector: Inspector, prefix: str) -> None:
    """Given more candidates than an error can show, then it shows ten, and says that there are more."""
    store_ids(server, prefix, [f"01a2187b4d57{number:08x}aaaaaaaaaaaa" for number in range(12)])
    with pytest.raises(ArgumentsError) as caught:
        inspector.resolve("01a2187b")
    assert len(str(caught.value).splitlines()) == 12
    assert str(caught.value).endswith("and more")


def test_a_finished_message_counts(queue: Queue, worker: HandWorker, inspector: Inspector, server: ServerProcess, prefix: str) -> None:
    """Given a message whose result is stored, then its prefix finds it, and is ambiguous if a waiting message has it, too."""
    handle = queue.push_name("shop.jobs:add", (1,))
    assert inspector.cancel(handle.id[:24]).to_dict() == {"id": handle.id, "channel": prefix, "effect": "now"}
    found = inspector.status(handle.id[:24])
    assert found is not None
    assert (found.id, found.status.state, found.to_dict()["state"]) == (handle.id, "cancelled", "cancelled")
    assert inspector.cancel(handle.id[:24]).effect.value == "too late"
    store_ids(server, prefix, [handle.id[:24] + "00000000"])
    with pytest.raises(ArgumentsError, match=f"{handle.id} \\(finished, {prefix}\\)"):
        inspector.cancel(handle.id[:24])


def test_bytes_of_another_client_have_a_prefix_too(server: ServerProcess, inspector: Inspector, prefix: str) -> None:
    """Given plain JSON that no worker has read yet, then a prefix of its name finds it, and a prefix of an id never does."""
    server.admin.lpush(Keys(prefix).waiting, b"\x22\x22\x01\xa2\x18\x7b" + b"x" * 30, b'{"job": "shop.jobs:add"}')
    (entry, other) = inspector.entries(prefix, "waiting")
    assert inspector.resolve(other.id[:14]) == other.id
    assert inspector.resolve("01a2187b") is None
    assert inspector.delete(entry.id[:14].upper().replace("RAW", "raw")) is not None
    assert [one.id for one in inspector.entries(prefix, "waiting")] == [other.id]


def test_a_message_that_moves_past_the_search_counts(
    server: ServerProcess, inspector: Inspector, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given two messages with the prefix, if one moves from where the search looks next to where it has looked, it is found anyway."""
    store_ids(server, prefix, IDS[:1])
    store_ids(server, prefix, IDS[1:2], State.FAILED)
    keys, stored = Keys(prefix), server.admin.zrange(Keys(prefix).failed, 0, -1)
    raw: Any = stored[0]
    original = Store.workers

    def workers(self: Store) -> list[tuple[str, float]]:
        if server.admin.zrem(keys.failed, raw):
            server.admin.zadd(keys.delayed, {raw: 1e15})
        return original(self)

    monkeypatch.setattr(Store, "workers", workers)
    with pytest.raises(ArgumentsError, match="several ids begin with 01a2187b4d57"):
        inspector.cancel("01a2187b4d57")


def test_too_many_messages_to_search(server: ServerProcess, inspector: Inspector, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more messages than a search may read, then a prefix is refused, because it may not be unique; a full id is not."""
    store_ids(server, prefix)
    monkeypatch.setattr("taskq.inspector.search._MAX_SEARCHED", 2)
    with pytest.raises(ArgumentsError, match="01a2187b5 is not a full id, and there are over 2 messages to search: give all 32 digits"):
        inspector.delete("01a2187b5")
    assert inspector.delete(IDS[2]) is not None


def test_pages_of_a_long_state(server: ServerProcess, inspector: Inspector, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a state of several pages, then each message is read, and little is sent: the ids that match, not the messages."""
    store_ids(server, prefix, [f"01a2187b4d57{number:08x}aaaaaaaaaaaa" for number in range(30)])
    monkeypatch.setattr("taskq.inspector.search.PAGE", 9)
    replies: list[Any] = []
    sender = inspector._places.store(prefix).driver
    assert sender is not None
    call = inspector._places._senders[prefix].call

    def noting(command: Command, **more: Any) -> Any:
        replies.append((command.move, call(command, **more)))
        return replies[-1][1]

    monkeypatch.setattr(inspector._places._senders[prefix], "call", noting)
    assert inspector.resolve("01a2187b4d57" + "0000001d") == "01a2187b4d570000001daaaaaaaaaaaa"
    sizes = [reply[0] for move, reply in replies if move == "search" and isinstance(reply[0], int)]
    assert sizes.count(9) == 6
    assert sizes.count(3) == 2
    assert all(len(one) == 16 for move, reply in replies if move == "search" and isinstance(reply[0], int) for one in reply[1:])


def test_a_search_never_unpacks(server: ServerProcess, inspector: Inspector, prefix: str) -> None:
    """Given ids with the same prefix, then the returned message has the full id that was resolved."""
    store_ids(server, prefix)
    entry = inspector.find(IDS[1][:21])
    assert entry is not None
    assert Message(entry.raw).hex_id == IDS[1]
