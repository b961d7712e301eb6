"""The search for a message by its id, without a server: a test defines the replies."""

from __future__ import annotations

from typing import Any

from taskq.channel import State
from taskq.config import ChannelSettings
from taskq.driver.batches import PAGE
from taskq.driver.contract import Command
from taskq.driver.find import AROUND, find
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
        if command.words[3] == str(AROUND):
            return [10]
        return [PAGE] if command.words[3] == "0" else [1, RAW]

    store = Answering(answer)
    assert run(find(DRIVER, ID), store.call) == (State.DELAYED, RAW, "")
    assert [command.words[3] for command in store.asked] == [str(AROUND), "0", str(PAGE)]


def test_a_page_that_was_cut_short_is_followed_by_another() -> None:
    """Given a page that the server made shorter because its messages are large, then the next begins where it ended."""
    store = Answering(lambda command: {"-1": [10], "0": [8], "8": [9], "17": [3, RAW]}[str(command.words[3])])
    assert run(find(DRIVER, ID), store.call) == (State.DELAYED, RAW, "")


def test_a_search_looks_in_every_state() -> None:
    """Given a message that is nowhere, then delayed, waiting, each worker's reserved list, failed, timeout and parked were looked at."""
    store = Answering(lambda command: [b"w1", b"5", b"w2", b"5"] if command == DRIVER.workers() else [0])
    assert run(find(DRIVER, ID), store.call) is None
    keys = DRIVER.keys
    assert _keys_looked_at(store) == [
        *(keys.waiting, keys.delayed, keys.waiting, keys.reserved("w1"), keys.reserved("w2"), keys.failed, keys.timeout, keys.parked)
    ]


def test_a_running_message_is_found_before_a_long_search() -> None:
    """Given a message that runs while many wait, then the reserved lists are looked at before every page of waiting is read."""

    def answer(command: Command) -> Any:
        if command == DRIVER.workers():
            return [b"w1", b"5"]
        return [1, RAW] if command.words[1] == DRIVER.keys.reserved("w1") else [-PAGE]

    store = Answering(answer)
    assert run(find(DRIVER, ID), store.call) == (State.RESERVED, RAW, "w1")
    assert _keys_looked_at(store) == [DRIVER.keys.waiting, DRIVER.keys.reserved("w1")]


def test_known_bytes_are_looked_for_first() -> None:
    """Given a message as it was pushed, then one command finds it in delayed, and the next in waiting."""
    delayed = Answering(lambda command: b"5")
    assert run(find(DRIVER, ID, RAW), delayed.call) == (State.DELAYED, RAW, "")
    waiting = Answering(lambda command: None if command.words[0] == "ZSCORE" else [-PAGE, RAW])
    assert run(find(DRIVER, ID, RAW), waiting.call) == (State.WAITING, RAW, "")
    assert [len(delayed.asked), len(waiting.asked)] == [1, 2]
