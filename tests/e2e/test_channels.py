"""Channels: separate keys, processes and limits."""

from __future__ import annotations

import pytest

from taskq import UnknownChannel
from taskq.channel import State
from tests.e2e.apps import shops
from tests.e2e.conftest import StartWorker, run_burst
from tests.support.ledger import Ledger
from tests.support.servers import ServerProcess
from tests.support.store import Store
from tests.support.wait import wait_until


def test_every_channel_is_worked_under_its_own_prefix(start_worker: StartWorker, ledger: Ledger, server: ServerProcess) -> None:
    """Given messages in four channels, one known only from a job, then each lies under its own keys, and all run."""
    shops.work.push("plain")
    shops.bulk.push()
    shops.work.options(channel="slow").push("moved")
    shops.elsewhere.push()
    for prefix in ("queue", "bulk-prefix", "slow", "only-here"):
        assert Store(server, prefix).count(State.WAITING) == 1
    assert run_burst(start_worker, "shops") == 0
    assert ledger.values("plain") == [["default", 1, 3]]
    assert ledger.values("moved") == [["slow", 1, 1]]
    assert ledger.values("elsewhere") == ["only-here"]
    assert [value[0] for value in ledger.values("bulk")] == ["bulk"]


def test_a_channel_has_its_own_attempts_and_interval(start_worker: StartWorker, ledger: Ledger, server: ServerProcess) -> None:
    """Given one job that fails, pushed into three channels, then each channel's own attempts count."""
    for channel in ("default", "bulk", "slow"):
        shops.work.options(channel=channel).push("bad")
    worker = start_worker("shops", ready=0)
    for prefix in ("queue", "bulk-prefix", "slow"):
        wait_until(lambda prefix=prefix: Store(server, prefix).count(State.FAILED) == 1)
    assert worker.stop() == 0
    assert sorted(ledger.values("bad")) == [
        *([["bulk", attempt, 2] for attempt in (1, 2)]),
        *([["default", attempt, 3] for attempt in (1, 2, 3)]),
        ["slow", 1, 1],
    ]


def test_each_channel_has_its_own_processes(start_worker: StartWorker) -> None:
    """Given processes = 2 for one channel, then it has two, the others have one, and their titles tell whose they are."""
    worker = start_worker("shops", ready=0)
    wait_until(lambda: len(worker.family()) == 6)  # the zygote and five children
    titles = {"taskq: bulk": 2, "taskq: default": 1, "taskq: only-here": 1, "taskq: slow": 1, "taskq: zygote": 1}
    wait_until(lambda: {title: len(worker.children(title)) for title in titles} == titles)
    assert worker.stop() == 0


def test_only_the_named_channels_are_worked(start_worker: StartWorker, ledger: Ledger, store: Store) -> None:
    """Given --channel, then the other channels' messages stay where they are."""
    shops.work.push("plain")
    shops.bulk.push()
    assert run_burst(start_worker, "shops", "--channel", "bulk", "--channel", "slow") == 0
    assert len(ledger.values("bulk")) == 1
    assert ledger.values("plain") == []
    assert store.count(State.WAITING) == 1


def test_processes_of_the_command_line_win(start_worker: StartWorker) -> None:
    """Given --processes, then every channel has so many."""
    worker = start_worker("shops", "--processes", "2", "--channel", "default", "--channel", "slow", ready=0)
    wait_until(lambda: [len(worker.children(f"taskq: {name}")) for name in ("default", "slow", "bulk")] == [2, 2, 0])
    assert worker.stop() == 0


def test_an_unknown_channel_is_refused_at_push(url: str, store: Store) -> None:
    """Given a channel that nobody knows, then push refuses it with the nearest name, and nothing is stored."""
    with pytest.raises(UnknownChannel, match=r"unknown channel 'bulky'.*did you mean.*bulk"):
        shops.work.options(channel="bulky").push("x")
    assert store.count(State.WAITING) == 0


def test_an_unknown_channel_of_the_command_line_ends_the_start(start_worker: StartWorker) -> None:
    """Given --channel with a name that nobody knows, then the worker ends with 2 and says what it may be."""
    worker = start_worker("shops", "--channel", "bukl", ready=0)
    assert worker.wait() == 2
    assert "unknown channel 'bukl'" in worker.log
    assert "bulk" in worker.log
    assert "Traceback" not in worker.log
