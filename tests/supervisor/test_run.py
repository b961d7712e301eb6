"""Starting a worker: options that are rejected before any fork."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from taskq import AppError, ConfigError, Queue, ServerUnavailable
from taskq.supervisor import WorkerOptions, run_worker


def options(**chosen: Any) -> WorkerOptions:
    return WorkerOptions(log_level=None, **chosen)


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ({"processes": 0}, "processes must be at least 1; got 0"),
        ({"processes": -3}, "processes must be at least 1; got -3"),
        ({"concurrency": 0}, "concurrency must be 1 to 1000; got 0: for more, raise `processes`"),
        ({"concurrency": "x"}, "concurrency must be an integer; got 'x'"),
        ({"concurrency": 1.5}, "concurrency must be an integer; got 1.5"),
        ({"processes": True}, "processes must be an integer; got True"),
        ({"max_messages": "3"}, "max_messages must be an integer; got '3'"),
        ({"burst": True, "wait_delayed": -1}, "wait_delayed must be a number of seconds from 0 to ten years, or a timedelta; got -1"),
        ({"burst": True, "wait_delayed": "5m"}, "wait_delayed must be a number of seconds from 0 to ten years, or a timedelta; got '5m'"),
        ({"wait_delayed": 5}, r"wait_delayed is only valid in burst mode \(--burst\)"),
        ({"concurrency": 1001}, "concurrency must be 1 to 1000; got 1001"),
        ({"max_messages": -1}, r"max_messages must be 0 \(no limit\) or more; got -1"),
    ],
)
def test_options_out_of_bounds(chosen: dict[str, Any], text: str) -> None:
    """Given an invalid option, then starting raises an error that names it."""
    with pytest.raises(ConfigError, match=text):
        run_worker(Queue("unix:///nowhere.sock"), options(**chosen))


def test_another_thread_can_not_run_a_worker() -> None:
    """Given a thread that isn't the main thread, then starting raises an error."""
    errors: list[Exception] = []

    def run() -> None:
        try:
            run_worker(Queue("unix:///nowhere.sock"), options())
        except ConfigError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "must run in the main thread" in str(errors[0])


def test_an_app_that_does_not_exist() -> None:
    """Given the name of an app that doesn't exist, then the error is raised here, with the import's traceback as a note."""
    with pytest.raises(AppError, match="no module named 'no_such_app'") as caught:
        run_worker("no_such_app", options())
    assert "Traceback" in caught.value.__notes__[0]


def test_an_unreachable_server_at_the_start() -> None:
    """Given an unreachable server, then the error is raised here, and no process is left (the fixture `no_leak` checks)."""
    with pytest.raises(ServerUnavailable, match=r"nowhere\.sock"):
        run_worker(Queue("unix:///nowhere.sock"), options())


def test_a_single_name_is_not_a_list_of_channels() -> None:
    """Given a text instead of a list, then the error shows the list: the characters would be taken for names."""
    with pytest.raises(ConfigError, match=r'channels must be a list of names: channels=\["default"\]'):
        Queue("unix:///nowhere.sock").work(channels="default")


@pytest.mark.one_python
def test_a_wait_is_a_number_or_a_timedelta() -> None:
    """Given `wait_delayed` as a timedelta, then it is accepted as seconds are; outside burst mode, both are refused."""
    with pytest.raises(ServerUnavailable):
        Queue("unix:///nowhere.sock").work(burst=True, wait_delayed=timedelta(minutes=1))
    with pytest.raises(ConfigError, match="only valid in burst mode"):
        Queue("unix:///nowhere.sock").work(wait_delayed=timedelta(minutes=1))
