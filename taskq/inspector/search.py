"""Search for messages by their ids, or by an id prefix.

Ids are ordered by time, but states are not ordered by ids: retries, delays and clocks of producers change the order. So a search reads
every state. The server compares the ids, and sends only those that match.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from taskq.channel import State
from taskq.driver.batches import PAGE
from taskq.driver.find import LAST_PAGE, find
from taskq.driver.steps import run
from taskq.errors import ArgumentsError, ServerRefused
from taskq.inspector.entry import entry_id
from taskq.inspector.store import Store
from taskq.inspector.walk import Item

__all__ = ["SEARCHED", "Hit", "checked_id", "is_full", "locate", "resolve"]

#: In the order in which a message passes through them, so that a search still finds one that moves on.
SEARCHED = (State.DELAYED, State.WAITING, State.RESERVED, State.FAILED, State.TIMEOUT, State.PARKED)
#: The name of bytes that another client pushed, and that have no id yet, begins with this.
_RAW = "raw-"
#: The minimum number of digits. The first eight are the time of the push, in steps of 65 seconds. The first four are the same for 49 days.
_MIN_DIGITS = 8
#: The maximum number of messages that a search by an id prefix reads and of keys of results.
_MAX_SEARCHED = 1_000_000
#: The maximum number of ids in an error.
_SHOWN = 10


class Hit(NamedTuple):
    """A message that was found, and its place."""

    channel: str
    state: State
    item: Item
    #: The worker process that reserved it, or "".
    worker: str = ""


def checked_id(text: object) -> str:
    """Return an id, a name ("raw-..."), or a prefix of one, in lower case and without surrounding spaces.

    Raises:
        ArgumentsError: the text has another form.
    """
    wanted = text.strip().lower() if isinstance(text, str) else ""
    digits = wanted.removeprefix(_RAW)
    longest = 28 if wanted.startswith(_RAW) else 32
    if _MIN_DIGITS <= len(digits) <= longest and all(letter in "0123456789abcdef" for letter in digits):
        return wanted
    raise ArgumentsError(f"invalid message id {text!r}: expected 32 hexadecimal digits, or at least the first {_MIN_DIGITS}")


def is_full(wanted: str) -> bool:
    """Return True for a full id or name, False for a prefix."""
    return len(wanted) == 32


def locate(stores: Mapping[str, Store], wanted: str) -> Hit | None:
    """Return the place of a message, by its full id or name. None if it is not found."""
    if wanted.startswith(_RAW):
        return next(_raw(stores, wanted), None)
    for _ in range(2):  # it may move past the first search
        for name, store in stores.items():
            found = run(find(store.driver, wanted), store.call)
            if found is not None:
                is_sorted = found.state not in (State.WAITING, State.RESERVED)
                score = store.call(store.driver.position(found.state, found.message)) if is_sorted else None
                return Hit(name, found.state, Item(float(score or 0), found.message), found.worker)
    return None


def _raw(stores: Mapping[str, Store], wanted: str) -> Iterator[Hit]:
    """Yield the bytes with a name. It is computed from the bytes, which the server can't do."""
    for name, store in stores.items():
        for state in SEARCHED:
            for worker, page in store.pages(state):
                yield from (Hit(name, state, item, worker) for item in page if entry_id(item.raw) == wanted)


def resolve(stores: Mapping[str, Store], wanted: str, states: Sequence[State] = SEARCHED) -> str | None:
    """Return the only id that begins with `wanted`. None if none does.

    Stored results count, too, unless only some states are searched: the prefix may be that of a finished message.

    Raises:
        ArgumentsError: several do, or there are too many messages to search.
    """
    if is_full(wanted):
        return wanted
    found: dict[str, str] = {}
    for _ in range(2):  # a message that moves past the first search must not make an ambiguous prefix look unique
        left = _MAX_SEARCHED
        for name, store in stores.items():
            for place, ids, searched in _pages(name, store, wanted, states):
                left -= searched
                if left < 0:
                    raise ArgumentsError(
                        f"{wanted} is not a full id, and there are over {_MAX_SEARCHED:,} messages to search: give all 32 digits"
                    )
                found |= dict.fromkeys(ids, place)
                if len(found) > _SHOWN:
                    raise _ambiguous(wanted, found)
    if states == SEARCHED and not wanted.startswith(_RAW):
        for name, store in stores.items():
            for identity in _finished(store, wanted):
                found.setdefault(identity, f"finished, {name}")
    if len(found) > 1:
        raise _ambiguous(wanted, found)
    return next(iter(found), None)


def _ambiguous(wanted: str, found: Mapping[str, str]) -> ArgumentsError:
    shown = "\n".join(f"  {identity} ({found[identity]})" for identity in sorted(found)[:_SHOWN])
    more = "\n  and more" if len(found) > _SHOWN else ""
    return ArgumentsError(f"several ids begin with {wanted}; give more digits:\n{shown}{more}")


def _pages(name: str, store: Store, wanted: str, states: Sequence[State]) -> Iterator[tuple[str, list[str], int]]:
    """Yield, for each page of the states: its place, the ids that begin with `wanted`, and the number of messages read."""
    if wanted.startswith(_RAW):
        for state in states:
            for _, page in store.pages(state):
                names = [entry_id(item.raw) for item in page]
                yield f"{state.value}, {name}", [one for one in names if one.startswith(wanted)], len(page)
        return
    prefix = bytes.fromhex(wanted[: len(wanted) // 2 * 2])
    for state in states:
        for place in [worker for worker, _ in store.workers()] if state is State.RESERVED else [state]:
            start, searched = 0, LAST_PAGE
            while searched >= LAST_PAGE:
                searched, *ids = store.call(store.driver.search(place, prefix, start, PAGE))
                start += searched
                yield f"{state.value}, {name}", [text for one in ids if (text := one.hex()).startswith(wanted)], searched


def _finished(store: Store, wanted: str) -> Iterator[str]:
    """Yield the ids of stored results that begin with `wanted`. A user that may not scan the keys has none."""
    cursor: object = b"0"
    for _ in range(_MAX_SEARCHED // 1000):
        try:
            cursor, keys = store.call(store.driver.scan_results(cursor, wanted))  # type: ignore[arg-type]
        except ServerRefused:
            return
        for key in keys:
            yield key.decode(errors="replace").rpartition(":")[2]
        if not int(cursor):  # type: ignore[call-overload]
            return
