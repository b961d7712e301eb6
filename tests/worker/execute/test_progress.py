"""Progress reports: rate-limited, the last one always, and never at the job's cost."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from taskq.config import ChannelSettings
from taskq.driver.contract import Command
from taskq.driver.redis.driver import RedisDriver
from taskq.errors import QueueFull, ServerUnavailable
from taskq.wire.progress import Progress, read_progress
from taskq.worker.execute import progress as reporter
from taskq.worker.execute.progress import Report, Reporter
from tests.support.wait import wait_until


class FakeDriver(RedisDriver):
    """Its link notes what is sent, or fails as the test requires."""

    def __init__(self) -> None:
        super().__init__("unix:///nowhere.sock", ChannelSettings(name="default"))
        self.sent: list[Progress | None] = []
        self.error: Exception | None = None
        self.may_go = threading.Event()
        self.may_go.set()

    def link(self, timeout: float = 5.0, *, fenced: bool = False) -> Any:
        return self

    def call(self, command: Command) -> None:
        if not self.may_go.wait(2):
            raise ServerUnavailable("hangs")
        if self.error is not None:
            raise self.error
        self.sent.append(read_progress(command.words[2]))  # type: ignore[arg-type]


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


@pytest.fixture
def report(driver: FakeDriver) -> Report:
    return Report(Reporter(lambda: driver), "a" * 32, 2)


def _done(driver: FakeDriver) -> list[float]:
    return [one.done for one in driver.sent if one]


def test_few_are_sent_and_the_newest_one_always(report: Report, driver: FakeDriver) -> None:
    """Given many reports in a moment, then few are sent, and the newest of them soon, although the job reports nothing else."""
    for number in range(1000):
        report.update(number, None, "")
    wait_until(lambda: _done(driver)[-1:] == [999])
    assert len(driver.sent) < 10


def test_the_last_is_sent_before_the_job_is_settled(report: Report, driver: FakeDriver) -> None:
    """Given a report at the very end of a job, then it is sent at once, and once."""
    report.update(1, None, "")
    wait_until(lambda: _done(driver) == [1])
    report.update(11, 20, "nearly")
    report.flush()
    report.flush()
    assert _done(driver)[-1] == 11
    last = driver.sent[-1]
    assert last is not None
    assert (last.total, last.message, last.attempt) == (20, "nearly", 2)
    report.update(12, 20, "")
    wait_until(lambda: _done(driver)[-1] == 12)
    assert _done(driver) == [1, 11, 12]


def test_an_event_loop_goes_on_while_the_last_is_sent(report: Report, driver: FakeDriver) -> None:
    """Given a server that hangs, if a coroutine job ends, then others run beside it, and a cancel doesn't keep the last from being sent."""
    report.update(1, None, "")
    wait_until(lambda: _done(driver) == [1])
    driver.may_go.clear()

    async def end() -> None:
        report.update(2, None, "the last")
        await report.aflush()

    async def scene() -> None:
        ending = asyncio.create_task(end())
        await asyncio.sleep(0.05)
        ending.cancel()
        await asyncio.sleep(0)
        assert not ending.done()
        driver.may_go.set()
        await ending

    asyncio.run(scene())
    assert _done(driver) == [1, 2]


@pytest.mark.parametrize("error", [ServerUnavailable("gone"), QueueFull("full")])
def test_a_server_that_doesn_t_take_it_is_left_alone(
    report: Report, driver: FakeDriver, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a server that is unreachable or full, if progress is reported, then the job continues, and the next report comes only later."""
    monkeypatch.setattr(reporter, "monotonic", lambda: 100.0)
    driver.error = error
    report.update(1, None, "")
    report.flush()
    driver.error = None
    report.update(2, None, "")
    report.flush()
    assert _done(driver) == []
    monkeypatch.setattr(reporter, "monotonic", lambda: 106.0)
    report.update(3, None, "")
    report.flush()
    assert _done(driver) == [3]


def test_a_forked_copy_sends_nothing(report: Report, driver: FakeDriver) -> None:
    """Given a job that forks, if the forked process reports progress, then it writes nothing into the connection of its parent."""
    report.update(1, None, "")
    wait_until(lambda: _done(driver) == [1])
    pid = os.fork()
    if pid == 0:
        report.update(2, None, "")
        report.flush()
        os._exit(len(driver.sent))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("1", None, ""), "done must be"),
        ((True, None, ""), "done must be"),
        ((float("inf"), None, ""), "done must be"),
        ((1, 0, ""), "total must be"),
        ((1, -5, ""), "total must be"),
        ((1, "2", ""), "total must be"),
        ((1, 2, None), "message must be"),
        ((10**400, None, ""), "done must be"),
    ],
)
def test_what_is_no_progress_is_refused(report: Report, driver: FakeDriver, args: Any, text: str) -> None:
    """Given values that make no progress, then the error names which."""
    with pytest.raises(ValueError, match=text):
        report.update(*args)
    report.flush()
    assert driver.sent == []


def test_what_can_not_be_stored_as_it_is_is_stored_as_it_can(report: Report, driver: FakeDriver) -> None:
    """Given a number beyond 64 bits and the name of a file that is no UTF-8, then both are sent, and what follows too."""
    report.update(2**70, 2**71, "a\udcff")
    report.flush()
    assert driver.sent == [Progress(2.0**70, 2.0**71, "a\\udcff", driver.sent[0].at_ms if driver.sent[0] else 0, 2)]
    report.update(3, None, "")
    wait_until(lambda: _done(driver)[-1] == 3)


def test_a_long_message_is_cut(report: Report, driver: FakeDriver) -> None:
    """Given a message of a million letters, then its beginning is sent."""
    report.update(1, None, "x" * 1_000_000)
    report.flush()
    assert driver.sent[0] is not None
    assert len(driver.sent[0].message) == reporter.MESSAGE_LIMIT


def test_a_share_stays_between_0_and_1() -> None:
    """Given progress beyond its total, below 0 or without one, then its share is 1, 0 and unknown."""
    assert [Progress(9, 3).share, Progress(-1, 3).share, Progress(1).share, Progress(1, 4).share] == [1.0, 0.0, None, 0.25]
