"""The ready listeners: lengths logged by thresholds, timed out messages reloaded."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskq import Queue, State, events
from taskq.contrib.listeners import log_queue_lengths, reload_timeouts
from taskq.errors import ConfigError
from taskq.events import QueueLength
from taskq.inspector import Inspector
from tests.support.wait import wait_until
from tests.support.worker import clean_environment


@pytest.fixture(autouse=True)
def no_listener_stays() -> Iterator[None]:
    """Leave no listener behind for other tests."""
    before = dict(events.queue_length.receivers)
    yield
    for key in set(events.queue_length.receivers) - set(before):
        events.queue_length.disconnect(events.queue_length.receivers[key])
    assert set(events.queue_length.receivers) == set(before)


def emit_lengths(channel: str = "default", **counts: int) -> None:
    events.emit(events.queue_length, QueueLength(channel=channel, counts={State(name): number for name, number in counts.items()}))


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


# ---- lengths in the log


def test_lengths_are_logged_by_thresholds(caplog: pytest.LogCaptureFixture) -> None:
    """Given the default thresholds, when waiting grows and shrinks, then each crossing is logged once with its level."""
    caplog.set_level(logging.INFO)
    log_queue_lengths()

    for number in (0, 999, 1_000, 5_000, 10_000, 20_000, 1_500, 12, 3):
        emit_lengths(waiting=number)

    assert lines(caplog) == [
        ("WARNING", "channel default: 1000 messages in waiting (limit 1000)"),
        ("ERROR", "channel default: 10000 messages in waiting (limit 10000)"),
        ("WARNING", "channel default: 1500 messages in waiting (limit 1000)"),
        ("INFO", "channel default: 12 messages in waiting, back to normal"),
    ]


def test_a_queue_that_stays_long_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    """Given repeat=0, when a queue stays long, then every event is logged, and an event of a short queue is not."""
    log_queue_lengths(warning=10, repeat=0)
    for number in (11, 12, 1, 1):
        emit_lengths(waiting=number)
    assert [text for level, text in lines(caplog) if level == "WARNING"] == [
        "channel default: 11 messages in waiting (limit 10)",
        "channel default: 12 messages in waiting (limit 10)",
    ]


def test_the_states_and_the_logger_can_be_chosen(caplog: pytest.LogCaptureFixture) -> None:
    """Given other states and a logger, then only those states count, each by itself, in that logger; channels don't mix."""
    log_queue_lengths(warning=2, error=4, states=("failed", State.DELAYED), logger=logging.getLogger("shop.queues"))
    emit_lengths(waiting=50_000, failed=3, delayed=4)
    emit_lengths("bulk", failed=1)
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("shop.queues", "WARNING", "channel default: 3 messages in failed (limit 2)"),
        ("shop.queues", "ERROR", "channel default: 4 messages in delayed (limit 4)"),
    ]


def test_a_listener_can_be_disconnected(caplog: pytest.LogCaptureFixture) -> None:
    """Given a connected listener, when it is disconnected, then it gets no more events."""
    listener = log_queue_lengths(warning=1)
    events.queue_length.disconnect(listener)
    emit_lengths(waiting=5)
    assert lines(caplog) == []


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: log_queue_lengths(warning=5, error=4), "1 <= warning <= error; got warning=5 and error=4"),
        (lambda: log_queue_lengths(warning=0), "got warning=0"),
        (lambda: log_queue_lengths(repeat=-1), "repeat must be a non-negative number of seconds; got -1"),
        (lambda: log_queue_lengths(states=()), "at least one state"),
        (lambda: log_queue_lengths(states=("wating",)), "the states are waiting, reserved"),
    ],
)
def test_wrong_choices_are_errors(make: Callable[[], object], text: str) -> None:
    """Given thresholds or states that can't be, then connecting raises an error, and nothing is connected."""
    before = len(events.queue_length.receivers)
    with pytest.raises(ConfigError, match=text):
        make()
    assert len(events.queue_length.receivers) == before


# ---- timed out messages

APP = """
import sys, time
from pathlib import Path
from taskq import Queue, events
from taskq.contrib.listeners import log_queue_lengths, reload_timeouts

here = Path(__file__).parent
url, prefix, listening = sys.argv[1:]
queue = Queue(url, channels={prefix: {"max_attempts": 1, "handle_timeout": 0.1}, prefix + "x": {}})

@queue.job(channel=prefix)
def slow_once() -> None:
    if not (here / "fast").exists():
        time.sleep(30)
    (here / "done").touch()

@queue.job(channel=prefix, on_lost="timeout")
def never_twice() -> None:
    (here / "twice").touch()
    time.sleep(30)

if listening == "yes":
    reload_timeouts(queue)
    log_queue_lengths(warning=1, states=["timeout"])
    sys.exit(queue.work(channels=[prefix]))
slow_once.push()
never_twice.push()
sys.exit(queue.work(channels=[prefix], burst=True))
"""


@pytest.fixture
def app(tmp_path: Path, url: str, prefix: str) -> Callable[[str], list[str]]:
    """The command that runs a worker of an app with two slow jobs; "yes": with the listeners."""
    file = tmp_path / "app.py"
    file.write_text(APP)
    return lambda listening: [sys.executable, str(file), url, prefix, listening]


def test_a_worker_reloads_what_timed_out(tmp_path: Path, url: str, prefix: str, app: Callable[[str], list[str]]) -> None:
    """Given two messages in timeout, when a worker with the listener runs, then one runs again; the one that must not run twice stays."""
    queue = Queue(url, channels={prefix: {}})
    inspector = Inspector(queue)
    first = subprocess.run(app("no"), env=clean_environment(), capture_output=True, text=True, timeout=30)
    assert inspector.counts(prefix).timeout == 2, first.stderr
    (tmp_path / "twice").unlink()
    (tmp_path / "fast").touch()

    with subprocess.Popen(app("yes"), env=clean_environment(), stderr=subprocess.PIPE, text=True) as worker:
        try:
            wait_until((tmp_path / "done").exists, what="the reloaded job")
            wait_until(lambda: inspector.counts(prefix).total == 1, what="the settled message")
        finally:
            worker.send_signal(signal.SIGTERM)
            _, log = worker.communicate(timeout=20)
    assert worker.returncode == 0, log
    (left,) = inspector.entries(prefix, State.TIMEOUT)
    assert left.job.endswith(":never_twice")
    assert not (tmp_path / "twice").exists()
    assert "reloaded 1 timed-out messages" in log
    assert "2 messages in timeout (limit 1)" in log
    queue.close()


def test_without_timed_out_messages_the_server_is_left_alone() -> None:
    """Given no message in timeout, when lengths are emitted, then the listener asks no server (there is none to ask here)."""
    queue = Queue("unix:///nowhere/redis.sock")
    asked: list[str] = []
    queue.sender = asked.append  # type: ignore[assignment,method-assign]
    reload_timeouts(queue)
    emit_lengths(waiting=5, timeout=0)
    assert asked == []
    emit_lengths(timeout=1)
    assert asked == ["default"]
