"""Waiting for a result, without a server: a test defines the replies."""

from __future__ import annotations

import re
from typing import Any

import pytest

from taskq.config import ChannelSettings
from taskq.driver.contract import Command
from taskq.driver.redis.driver import RedisDriver
from taskq.driver.steps import run
from taskq.errors import ArgumentsError, NoResult, QueueFull
from taskq.handle.subject import Subject
from taskq.handle.waiting import await_result
from taskq.wire.ending import Ending, pack_ending
from tests.driver.answering import Answering
from tests.driver.store import id_of, message

DRIVER = RedisDriver("unix:///nowhere.sock", ChannelSettings(name="default"))
RAW = message()
ID = id_of(RAW).hex()


def _nothing(command: Command) -> Any:
    """The answer of a store that is empty."""
    if command.words[0] == "SCAN":
        return [b"0", []]
    return [] if command == DRIVER.workers() else [0] if command.move == "find" else None


def test_a_full_server_is_asked_instead_of_slept_in() -> None:
    """Given a server at its memory limit, which rejects blocking commands, then the result is read, and found."""
    stored = pack_ending(Ending("done", 1, 1, value=b"5", serializer=1), id_of(RAW), None)
    store = Answering(lambda command: QueueFull("full") if command.move == "wait" else stored)
    assert run(await_result(DRIVER, Subject(ID, "default", None, RAW, True), 5), store.call) == 5
    assert [command.move for command in store.asked] == ["wait", "look"]


def test_a_message_that_moves_during_a_search_is_not_missing() -> None:
    """Given a message that ends between the search and the answer, then its result is returned, and no error raised."""
    stored = pack_ending(Ending("done", 1, 1, value=b"5", serializer=1), id_of(RAW), None)
    looks = iter([None, None, None, stored])

    def answer(command: Command) -> Any:
        if command.move in ("wait", "look") and command.words[0] in ("BLMOVE", "LINDEX"):
            return next(looks)
        return _nothing(command)

    store = Answering(answer)
    assert run(await_result(DRIVER, Subject(ID, "default", None, None, None), None), store.call) == 5


def test_an_unknown_id_ends_the_wait() -> None:
    """Given an id that was never pushed, then waiting for its result raises at once instead of waiting forever."""
    store = Answering(_nothing)
    with pytest.raises(NoResult, match="no message or result with the id"):
        run(await_result(DRIVER, Subject(ID, "default", None), None), store.call)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "5", True])
def test_what_is_no_timeout_is_refused(timeout: Any) -> None:
    """Given a timeout that is no number of seconds, then waiting is an error at once: with "not a number" it would never end."""
    with pytest.raises(ArgumentsError, match=rf"timeout must be None or a non-negative number of seconds; got {re.escape(repr(timeout))}"):
        run(await_result(DRIVER, Subject(ID, "default", None), timeout), Answering(lambda _: None).call)
