"""The supervisor logs, and never waits for a handler."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq.supervisor import log_thread
from taskq.supervisor.log_thread import LogThread
from tests.support.wait import wait_until


class Slow(logging.Handler):
    """A handler that waits until the test releases it, and holds a lock meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.is_waiting = threading.Event()
        self.own_lock = threading.Lock()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        with self.own_lock:
            self.is_waiting.set()
            self.go_on.wait()
            self.messages.append(record.getMessage())


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """The logger of the supervisor."""
    logger = logging.getLogger("taskq.supervisor")
    level, logger.propagate = logger.level, False
    logger.setLevel(logging.INFO)
    yield logger
    logger.setLevel(level)
    logger.propagate = True


@pytest.fixture
def slow(log: logging.Logger) -> Iterator[Slow]:
    handler = Slow()
    log.addHandler(handler)
    yield handler
    handler.go_on.set()
    log.removeHandler(handler)


@pytest.fixture
def thread(slow: Slow) -> Iterator[LogThread]:
    """The thread, which ends before the handler does."""
    thread = LogThread()
    thread.start()
    yield thread
    slow.go_on.set()
    if thread in log_thread._running:
        thread.close()


def test_records_arrive_in_order(log: logging.Logger, slow: Slow, thread: LogThread) -> None:
    """Given a handler that waits, then the supervisor continues, and every record arrives once the handler continues, too."""
    for number in range(100):
        log.info("line %d", number)
    slow.go_on.set()
    thread.close()
    assert slow.messages == [f"line {number}" for number in range(100)]


def test_the_log_of_the_driver_waits_for_no_handler_either(slow: Slow, thread: LogThread) -> None:
    """Given a handler that waits, if the driver logs in the supervisor's process, then the supervisor continues."""
    driver = logging.getLogger("taskq.driver")
    driver.addHandler(slow)
    try:
        caller = threading.Thread(target=driver.warning, args=("a connection broke",), daemon=True)
        caller.start()
        caller.join(10)
        assert not caller.is_alive()
        slow.go_on.set()
        thread.close()
        assert slow.messages == ["a connection broke"]
    finally:
        slow.go_on.set()
        driver.removeHandler(slow)


def test_too_many_records_are_counted(log: logging.Logger, slow: Slow, thread: LogThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more records than may wait, then the last ones are dropped, and their number is logged."""
    monkeypatch.setattr(log_thread, "_LIMIT", 2)
    log.info("first")
    slow.is_waiting.wait(10)
    for number in range(5):
        log.info("line %d", number)
    slow.go_on.set()
    wait_until(lambda: len(slow.messages) == 4)
    thread.close()
    assert slow.messages == ["first", "line 0", "line 1", "3 log lines lost: the log was not read, or could not be written"]


def test_the_end_does_not_wait_for_a_handler(log: logging.Logger, slow: Slow, thread: LogThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a handler that hangs, then the supervisor ends; afterwards the handlers are called directly again."""
    monkeypatch.setattr(log_thread, "_LAST_SECONDS", 0.01)
    log.info("never")
    slow.is_waiting.wait(10)
    thread.close()
    assert slow.messages == []
    slow.go_on.set()
    log.info("directly")
    assert "directly" in slow.messages


def test_a_handler_that_raises_does_not_end_the_log(log: logging.Logger, slow: Slow, thread: LogThread) -> None:
    """Given a handler that raises, then the next record is handled."""
    slow.go_on.set()
    slow.addFilter(lambda record: 1 / record.levelno if record.msg == "good" else 1 / 0)
    log.info("bad")
    log.info("good")
    thread.close()
    assert slow.messages == ["good"]


def test_no_signal_reaches_the_thread(thread: LogThread) -> None:
    """Given a running thread, then it blocks all signals: they must interrupt the main thread."""
    status = Path(f"/proc/self/task/{thread._thread.native_id}/status").read_text(encoding="utf-8")
    blocked = status.partition("SigBlk:")[2].split()[0]
    assert int(blocked, 16) >> (signal.SIGTERM - 1) & 1
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.fork_beside_threads
def test_no_lock_of_a_handler_is_held_during_a_fork(log: logging.Logger, slow: Slow, thread: LogThread) -> None:
    """Given a handler that holds a lock for a moment, if the supervisor forks, then the lock is free in the new process."""
    log.info("held for a moment")
    slow.is_waiting.wait(10)
    threading.Timer(0.05, slow.go_on.set).start()
    pid = os.fork()
    if not pid:
        os._exit(0 if slow.own_lock.acquire(timeout=20) else 1)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.fork_beside_threads
def test_a_fork_does_not_wait_for_a_handler(log: logging.Logger, slow: Slow, thread: LogThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a handler that hangs, then the supervisor forks, and the new process logs directly."""
    monkeypatch.setattr(log_thread, "_PAUSE_SECONDS", 0.01)
    log.info("never")
    slow.is_waiting.wait(10)
    pid = os.fork()
    if not pid:
        os._exit(0 if thread._take(logging.makeLogRecord({})) else 1)
    assert os.waitpid(pid, 0)[1] == 0
