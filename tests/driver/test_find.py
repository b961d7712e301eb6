"""The search for a message by its id, without a server: a test defines the replies."""

from __future__ import annotations

from typing import Any

from taskq.channel import State
from taskq.config import ChannelSettings
from taskq.driver.contract import Command
from taskq.driver.find import PAGE, find
from taskq.driver.redis.driver import RedisDriver
from taskq.driver.steps import run
from tests.driver.answering import Answering
from tests.driver.store import id_of, message

DRIVER = RedisDriver("unix:///nowhere.sock", ChannelSettings(name="default"))
RAW = message()
ID = id_of(RAW).hex()


def _keys_looked_at(store: Answering) -> list[str]:
    return [str(command.words[1]) for command in store.asked if command.move == "find"]


def test_a_search_reads_page_after_page() -> None:
    """Given a message behind a full page, then the next page is asked for; and nothing further once it is found."""

    def answer(command: Command) -> Any:
        if command.move != "find":
            return []
        return [PAGE] if command.words[3] == "0" else [1, RAW]

    store = Answering(answer)
    assert run(find(DRIVER, ID), store.call) == (State.DELAYED, RAW, "")
    assert [command.words[3] for command in store.asked] == ["0", str(PAGE)]


def test_a_search_looks_in_every_state() -> None:
    """Given a message that is nowhere, then delayed, waiting, each worker's reserved list, failed, timeout and parked were looked at."""
    store = Answering(lambda command: [b"w1", b"5", b"w2", b"5"] if command == DRIVER.workers() else [0])
    assert run(find(DRIVER, ID), store.call) is None
    keys = DRIVER.keys
    assert _keys_looked_at(store) == [
        *(keys.delayed, keys.waiting, keys.reserved("w1"), keys.reserved("w2"), keys.failed, keys.timeout, keys.parked)
    ]


def test_known_bytes_are_looked_for_first() -> None:
    """Given a message as it was pushed that still waits, then two quick commands find it, and no page is read."""
    store = Answering(lambda command: 5 if command.words[0] == "LPOS" else None)
    assert run(find(DRIVER, ID, RAW), store.call) == (State.WAITING, RAW, "")
    assert _keys_looked_at(store) == []
