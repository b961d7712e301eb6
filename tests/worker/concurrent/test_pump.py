"""The pump: it reconciles before it begins a late message, and begins nothing in a process that must be replaced."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from taskq.scoreboard.cancel_notice import Notice
from taskq.worker.concurrent.pump import Pump
from taskq.worker.settler import StoppedUnsettled


def _made_of(parts: dict[str, Any]) -> Pump:
    """A pump that has only these parts."""
    pump = object.__new__(Pump)
    for name, part in parts.items():
        setattr(pump, name, part)
    return pump


def _pump(received: list[bytes], held: list[str], *, uncertain: bool = False) -> tuple[Pump, list[Any]]:
    """A pump whose parts note what it does: its blocking reserve has returned something, and its reserved list holds something."""
    did: list[Any] = []
    parts: dict[str, Any] = {
        "_blocking": SimpleNamespace(command="BLMOVE", close=lambda: received, ensure_ended=lambda: did.append("ended")),
        "_completions": SimpleNamespace(flush=lambda: did.append("flush")),
        "_settler": SimpleNamespace(restore=lambda messages: did.append(("restore", messages))),
        "_intake": SimpleNamespace(reconcile=lambda known: held),
        "_lanes": SimpleNamespace(known=(), expect=lambda ordered: None if ordered else did.append("unordered")),
        "_setup": SimpleNamespace(slot=SimpleNamespace(uncertain=uncertain)),
        "_sleep": lambda seconds: did.append("sleep"),
        "_begin": lambda messages: did.append(("begin", messages)),
    }
    return _made_of(parts), did


def test_a_late_message_is_begun_only_if_the_list_still_holds_it() -> None:
    """Given a worker that was declared lost while it was frozen, if a message arrives late, then it begins only what it still holds."""
    pump, did = _pump([b"late"], [])
    pump._reconcile()
    assert did == ["unordered", "flush", "ended", ("restore", [b"late"]), ("begin", [])]


def test_reconciling_without_a_message_restores_nothing() -> None:
    """Given a blocking reserve that has returned nothing, then what the reserved list holds is begun, and nothing is stored."""
    pump, did = _pump([], ["ours"])
    pump._reconcile()
    assert did == ["unordered", "flush", "ended", ("begin", ["ours"])]


def _cancel(notice: Notice, lane: Any, *, announcing: bool = False) -> list[str]:
    """Let a pump take a cancel notice while a lane runs; returns who was cancelled by whom."""
    did: list[str] = []
    running = SimpleNamespace(id=b"m", started=5.0)
    parts: dict[str, Any] = {
        "_lanes": SimpleNamespace(busy=[lane], is_announcing=lambda one: announcing),
        "_control": SimpleNamespace(cancel=lambda one, by: did.append(f"{one.number} by {by}")),
        "_setup": SimpleNamespace(slot=SimpleNamespace(notice=SimpleNamespace(take=lambda: notice), running=lambda: [running])),
    }
    pump = _made_of(parts)
    pump._cancel()
    return did


def test_a_cancel_is_for_one_run() -> None:
    """Given a cancel of another message or run, or of a settled message whose listeners are called, then no lane is interrupted."""
    lane = SimpleNamespace(number=3, message=SimpleNamespace(id=b"m"))
    assert _cancel(Notice(b"m", 5.0, "ops"), lane) == ["3 by ops"]
    assert _cancel(Notice(b"m", 5.0, "ops"), lane, announcing=True) == []
    assert _cancel(Notice(b"m", 4.0, "ops"), lane) == []
    assert _cancel(Notice(b"n", 5.0, "ops"), lane) == []


def test_nothing_is_taken_over_that_the_supervisor_may_still_move() -> None:
    """Given a command of the supervisor whose outcome is unknown, then the pump doesn't look at the reserved list yet."""
    pump, did = _pump([], ["ours"], uncertain=True)
    pump._reconcile()
    assert did == ["unordered", "flush", "ended", "sleep"]


@pytest.mark.parametrize("is_broken", [True, False])
def test_a_reply_that_came_after_a_job_got_stuck_is_released(is_broken: bool) -> None:
    """Given messages that arrive in a process with a stuck job, then they go back to the front of the queue; otherwise they begin."""
    did: list[Any] = []
    lane = SimpleNamespace(number=0, message=SimpleNamespace(id=b"1"), begin_in_thread=lambda: did.append("begin"))
    parts: dict[str, Any] = {
        "_completions": SimpleNamespace(is_broken=is_broken),
        "_settler": SimpleNamespace(release=lambda side, ids: did.append((side, ids))),
        "_lanes": SimpleNamespace(free=2, take=lambda message, opened: lane),
        "_control": SimpleNamespace(open=lambda message: None),
        "_setup": SimpleNamespace(slot=SimpleNamespace(lanes=SimpleNamespace(reserve=lambda lanes, now: None))),
    }
    pump = _made_of(parts)
    pump._begin([lane.message])
    assert did == ([("front", [b"1"])] if is_broken else [("front", []), "begin"])


@pytest.mark.one_python
def test_a_pump_that_gives_up_waits_only_for_jobs() -> None:
    """Given a stopping worker that can't settle a message, then the pump writes off what has ended, and sleeps only if a job still runs."""
    did: list[Any] = []
    running = [False, True, True]  # from the last look to the first

    def settle() -> None:
        raise StoppedUnsettled("away")

    parts: dict[str, Any] = {
        "_completions": SimpleNamespace(write_off=lambda: did.append("write off"), is_empty=lambda: not running.pop()),
        "_is_over": settle,
        "_sleep": did.append,
    }
    pump = _made_of(parts)
    pump.run()
    assert did == ["write off", 1.0, "write off", 1.0, "write off"]


@pytest.mark.one_python
def test_an_unread_reply_ends_no_sleep() -> None:
    """Given a worker whose heartbeats don't arrive, when the blocking reserve has a reply, then the pump sleeps, and reads it later."""
    did: list[Any] = []
    wakeup = SimpleNamespace(stopping=False, prepare=lambda: None, wait=lambda fileno, timeout: did.append((fileno, timeout)))
    completions = SimpleNamespace(settle=lambda: None, flush=lambda: did.append("flush"), has_news=lambda: False, is_broken=False)
    completions.are_beginning = False
    parts: dict[str, Any] = {
        "_blocking": SimpleNamespace(is_open=True, fileno=lambda: 7, remaining=lambda: 5.0),
        "_completions": completions,
        "_intake": SimpleNamespace(may_reserve=lambda: False),
        "_lanes": SimpleNamespace(is_idle=lambda: True),
        "_leaving": False,
        "_setup": SimpleNamespace(slot=SimpleNamespace(take_reconcile=lambda: False), wakeup=wakeup),
        "_set_phase": lambda phase: None,
        "_settler": SimpleNamespace(uncertain=False),
        "_cancel": lambda: None,
    }
    pump = _made_of(parts)
    pump._turn()
    assert did == ["flush", (None, 0.2)]


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("free", "room", "beginning", "news", "expected"),
    [
        (1, 3, True, True, True),
        (0, 3, False, False, True),
        (0, 3, True, False, False),
        (0, 3, False, True, False),
        (0, 0, False, False, False),
    ],
)
def test_acks_wait_for_those_of_messages_that_are_about_to_begin(free: int, room: int, beginning: bool, news: bool, expected: bool) -> None:
    """Given pending acks and no free lane, then the pump waits until no message is about to begin; a free lane is filled at once."""
    parts: dict[str, Any] = {
        "_lanes": SimpleNamespace(free=free),
        "_completions": SimpleNamespace(are_beginning=beginning, has_news=lambda: news),
        "_room": lambda: room,
    }
    pump = _made_of(parts)
    assert pump._is_time_to_reserve() is expected


@pytest.mark.one_python
def test_a_copy_in_the_reserved_list_ends_its_order() -> None:
    """Given a batch with a copy of a message, of the same batch or of one that runs, then the order of the list isn't known any longer."""
    expected: list[bool] = []
    parts: dict[str, Any] = {
        "_intake": SimpleNamespace(open=lambda batch, known: [SimpleNamespace(id=raw) for raw in batch if raw != b"runs"]),
        "_lanes": SimpleNamespace(known=[b"runs"], expect=lambda *, ordered: expected.append(ordered)),
        "_begin": lambda messages: None,
    }
    pump = _made_of(parts)
    for batch in ([b"1", b"2"], [b"1", b"1"], [b"runs", b"2"], [b"3"]):
        pump._open(batch)
    assert expected == [True, False, False, True]


@pytest.mark.one_python
def test_a_sleep_is_short_while_acks_do_not_end_it() -> None:
    """Given messages that are about to begin, so that acks don't wake the pump, then it looks after a few milliseconds."""
    slept: list[float] = []
    pump = object.__new__(Pump)
    wakeup = SimpleNamespace(prepare=lambda: None, wait=lambda fileno, timeout: slept.append(timeout))
    pump._setup = SimpleNamespace(wakeup=wakeup)
    for beginning, news in ((False, False), (True, False), (True, True)):
        completions = SimpleNamespace(are_beginning=beginning, has_news=lambda news=news: news)
        pump._completions = completions
        pump._sleep(1.0)
    assert slept == [1.0, 0.005, 0.0]


@pytest.mark.parametrize("asked", [True, False], ids=["stopping", "leaving"])
def test_a_job_is_cancelled_while_its_worker_waits_for_it_to_end(asked: bool) -> None:
    """Given a worker process that waits for its last jobs, because it must stop or be replaced, then a cancel still interrupts them."""
    did: list[str] = []
    parts: dict[str, Any] = {
        "_completions": SimpleNamespace(settle=lambda: None, is_broken=False),
        "_lanes": SimpleNamespace(is_idle=lambda: False),
        "_leaving": not asked,
        "_setup": SimpleNamespace(slot=SimpleNamespace(), wakeup=SimpleNamespace(stopping=asked)),
        "_set_phase": lambda phase: None,
        "_cancel": lambda: did.append("cancel"),
        "_shut_down": lambda: did.append("wait"),
    }
    pump = _made_of(parts)
    pump._turn()
    assert did == ["cancel", "wait"]
