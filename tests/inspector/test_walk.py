"""Reading a state in pages while it changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from taskq import Queue
from taskq.channel import State
from taskq.inspector.walk import Item, Walk

SORTED = State.FAILED


@pytest.fixture
def walk_of(queue: Queue, prefix: str) -> Callable[[State], Walk]:
    sender = queue.sender(prefix)
    return lambda state: Walk(sender.call, sender.driver, state)


def fill(queue: Queue, prefix: str, state: State, names: list[bytes]) -> None:
    """Store names, oldest first. In a sorted state three of them share each moment."""
    client, key = queue.sender(prefix), queue.sender(prefix).driver.keys.of(state)
    for start in range(0, len(names), 500):
        batch = names[start : start + 500]
        if state is State.WAITING:
            client.call(client.driver.push(batch))
        else:
            words = [word for number, name in enumerate(batch, start) for word in (1000 + number // 3, name)]
            client.call(client.driver.time()._replace(words=("ZADD", key, *words)))


def all_of(walk: Walk, between: Callable[[list[Item]], None] = lambda page: None) -> list[bytes]:
    found: list[bytes] = []
    while page := walk.page():
        found += [item.raw for item in page]
        between(page)
    return found


NAMES = [b"m%06d" % number for number in range(2500)]


@pytest.mark.parametrize("state", [State.WAITING, SORTED])
def test_everything_is_read_oldest_first(queue: Queue, prefix: str, walk_of: Callable[[State], Walk], state: State) -> None:
    """Given more messages than a page holds, then each is read once, in order."""
    fill(queue, prefix, state, NAMES)
    assert all_of(walk_of(state)) == NAMES
    assert all_of(walk_of(State.TIMEOUT)) == []


@pytest.mark.parametrize("state", [State.WAITING, SORTED])
@pytest.mark.parametrize("taken", [1, 7, 400])
def test_nothing_is_passed_over_when_others_take_the_oldest(
    queue: Queue, prefix: str, walk_of: Callable[[State], Walk], state: State, taken: int
) -> None:
    """Given clients that remove the oldest messages between two pages, then the rest is still read, once."""
    fill(queue, prefix, state, NAMES)
    sender = queue.sender(prefix)
    found = all_of(walk_of(state), lambda page: sender.call(sender.driver.flush(state, taken)))
    assert found == sorted(set(found))
    removed_before_read = [name for name in NAMES if name not in set(found)]
    # Only what was gone before its page was read may be missing; with few takers nothing is.
    assert not removed_before_read or taken == 400
    assert found[-1] == NAMES[-1]


def test_what_the_reader_removes_is_counted(queue: Queue, prefix: str, walk_of: Callable[[State], Walk]) -> None:
    """Given a reader that removes every second message, then it still reads all of them."""
    fill(queue, prefix, SORTED, NAMES)
    sender, walk = queue.sender(prefix), walk_of(SORTED)

    def remove(page: list[Item]) -> None:
        odd = [item.raw for item in page if int(item.raw[1:]) % 2]
        walk.removed(sum(sender.call(sender.driver.remove(SORTED, raw)) for raw in odd))

    assert all_of(walk, remove) == NAMES
    assert all_of(walk_of(SORTED)) == NAMES[::2]


def test_equal_messages_are_all_read(queue: Queue, prefix: str, walk_of: Callable[[State], Walk]) -> None:
    """Given a list of equal bytes, then each is read once and the reading ends."""
    fill(queue, prefix, State.WAITING, [b"same"] * 1500)
    assert len(all_of(walk_of(State.WAITING))) == 1500


def test_pages_of_large_messages_are_small(queue: Queue, prefix: str, walk_of: Callable[[State], Walk]) -> None:
    """Given messages of a megabyte, then a page has a few of them."""
    large = [bytes([65 + number]) * (1 << 20) for number in range(20)]
    fill(queue, prefix, State.WAITING, large)
    sizes: list[int] = []
    assert all_of(walk_of(State.WAITING), lambda page: sizes.append(len(page))) == large
    assert max(sizes) <= 8
