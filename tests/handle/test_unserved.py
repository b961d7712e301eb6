"""Waiting for a result in a channel that no worker consumes: a warning."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from taskq import ResultTimeout
from taskq.driver.contract import Command
from taskq.driver.steps import run
from taskq.errors import ServerRefused
from taskq.handle import unserved, waiting
from taskq.handle.subject import Subject
from tests.driver.answering import Answering
from tests.handle.test_waiting import DRIVER, ID
from tests.push.conftest import MakeQueue, make_queue

__all__ = ["make_queue"]

pytestmark = pytest.mark.one_python
NOW = [b"1000", b"0"]


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Forget the warnings of this process, before and after."""
    unserved._warned.clear()
    yield
    unserved._warned.clear()


def test_the_log_names_the_channel_once(make_queue: MakeQueue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a message in a channel without a worker, when several callers wait for some time, then one warning names both."""
    monkeypatch.setattr(waiting, "_FIRST_PAUSE", 0.0)
    queue = make_queue()
    handle = queue.job(name="nothing", result_ttl=60)(lambda: None).push()
    for _ in range(2):
        with pytest.raises(ResultTimeout):
            handle.result(timeout=0.01)
    assert [one.getMessage() for one in caplog.records] == [
        f"waiting for the result of message {handle.id}, but no worker consumes channel default: start one (taskq worker)"
    ]


def test_a_short_wait_logs_nothing(make_queue: MakeQueue, caplog: pytest.LogCaptureFixture) -> None:
    """Given a wait of less than three seconds, then nothing is logged: a worker may be about to start."""
    handle = make_queue().job(name="nothing", result_ttl=60)(lambda: None).push()
    with pytest.raises(ResultTimeout):
        handle.result(timeout=0.01)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("workers", "warned"),
    [
        ([], True),
        ([b"host:1:abc", b"999000"], False),
        ([b"host:1:abc", b"980000"], True),
        ([b"host:1:59dc8d66t60", b"980000"], False),
        ([b"host:1:abc", b"980000", b"host:2:abc", b"999000"], False),
    ],
)
def test_a_lost_worker_does_not_count(workers: list[bytes], warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Given workers with their last heartbeats, then one counts within its lease, by the server's clock."""
    store = Answering(lambda command: NOW if command == DRIVER.time() else workers)
    run(unserved.warn_without_worker(DRIVER, Subject(ID, "default", None)), store.call)
    assert bool(caplog.records) is warned


def test_a_worker_that_came_and_went_is_missed_again(caplog: pytest.LogCaptureFixture) -> None:
    """Given a channel with a warning, when a worker is seen and leaves, then the next caller gets a warning."""
    for workers, count in (([], 1), ([], 1), ([b"host:1:abc", b"999000"], 1), ([], 2)):
        store = Answering(lambda command, workers=workers: NOW if command == DRIVER.time() else workers)
        run(unserved.warn_without_worker(DRIVER, Subject(ID, "default", None)), store.call)
        assert len(caplog.records) == count


def test_a_missing_permission_ends_no_wait(caplog: pytest.LogCaptureFixture) -> None:
    """Given an ACL user who may not list workers, then nothing is logged, and the wait continues."""

    def refuse(command: Command) -> Any:
        return ServerRefused("NOPERM")

    run(unserved.warn_without_worker(DRIVER, Subject(ID, "default", None)), Answering(refuse).call)
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []
