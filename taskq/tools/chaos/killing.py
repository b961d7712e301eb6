"""Faults that hit processes: killed, told to end, frozen."""

from __future__ import annotations

import contextlib
import os
import signal

from taskq.clock import monotonic
from taskq.tools.chaos.app import LEASE
from taskq.tools.chaos.ledger import Birth
from taskq.tools.chaos.seats import Seat
from taskq.tools.chaos.stage import Fault, Stage, at_once, is_of, session_of

__all__ = [
    "freeze_child",
    "freeze_long",
    "freeze_machine",
    "freeze_short",
    "kill_child",
    "kill_machine",
    "kill_supervisor",
    "kill_zygote",
    "restart",
    "stop",
]


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _family(children: list[Birth]) -> list[tuple[int, int]]:
    """Return zygotes and children, each with its session."""
    return sorted({(one.zygote, one.zygote) for one in children}) + [(one.pid, one.zygote) for one in children]


def _pick_child(stage: Stage) -> tuple[Seat, Birth] | None:
    seat = stage.working()
    children = stage.children(seat) if seat else []
    if seat is None or not children:
        return None
    return seat, children[0] if stage.chance.random() < 0.7 else stage.chance.choice(children)


def kill_child(stage: Stage) -> Fault | None:
    """Kill a process that runs jobs."""
    picked = _pick_child(stage)
    if picked is None:
        return None
    seat, child = picked
    fault = at_once("child", f"SIGKILL child {child.pid} of {seat.pid}", child=child.pid, supervisor=seat.pid, seat=seat.index)
    stage.killed.add(child.pid)
    _kill(child.pid, signal.SIGKILL)
    return fault


def kill_zygote(stage: Stage) -> Fault | None:
    """Kill the process that forks the workers; they die with it."""
    picked = _pick_child(stage)
    if picked is None:
        return None
    seat, child = picked
    fault = at_once("zygote", f"SIGKILL zygote {child.zygote} of {seat.pid}", zygote=child.zygote, supervisor=seat.pid, seat=seat.index)
    stage.killed.add(child.zygote)
    _kill(child.zygote, signal.SIGKILL)
    return fault


def kill_supervisor(stage: Stage) -> Fault | None:
    """Kill a supervisor; its processes notice."""
    seat = stage.working()
    if seat is None:
        return None
    fault = at_once("supervisor", f"SIGKILL supervisor {seat.pid}", supervisor=seat.pid, seat=seat.index)
    seat.kill()
    return fault


def kill_machine(stage: Stage) -> Fault | None:
    """Everything of a supervisor at once, as when a machine goes."""
    seat = stage.working()
    if seat is None:
        return None
    children = stage.children(seat)
    fault = at_once("machine", f"SIGKILL supervisor {seat.pid} and all its processes", supervisor=seat.pid, seat=seat.index)
    seat.kill()
    for pid, _ in _family(children):
        _kill(pid, signal.SIGKILL)
    return fault


def stop(stage: Stage) -> Fault | None:
    """Tell a supervisor to end in good order."""
    seat = stage.working()
    if seat is None:
        return None
    fault = at_once("stop", f"SIGTERM supervisor {seat.pid}", supervisor=seat.pid, seat=seat.index)
    seat.stop()
    return fault


def restart(stage: Stage) -> Fault | None:
    """Have a supervisor replace its processes."""
    seat = stage.working()
    if seat is None:
        return None
    fault = at_once("restart", f"SIGHUP supervisor {seat.pid}: its processes are replaced", supervisor=seat.pid, seat=seat.index)
    seat.signal(signal.SIGHUP)
    return fault


def freeze_child(stage: Stage) -> Fault | None:
    """Stop a process that runs jobs, and let it go on."""
    picked = _pick_child(stage)
    if picked is None:
        return None
    seat, child = picked
    seconds = stage.chance.uniform(0.1, 1.5 * LEASE)
    text = f"SIGSTOP child {child.pid} of {seat.pid} for {seconds:.1f} s"
    fault = Fault(kind="freeze-child", begin=monotonic(), end=None, text=text, child=child.pid, supervisor=seat.pid, seat=seat.index)
    _kill(child.pid, signal.SIGSTOP)

    def resume() -> None:
        if is_of(child):
            _kill(child.pid, signal.SIGCONT)

    return stage.after(seconds, fault, resume)


def _freeze(stage: Stage, kind: str, seconds: float, *, whole: bool = False) -> Fault | None:
    seat = stage.working()
    # Somebody must be there to notice; who has no others to compare with gives nobody up.
    if seat is None or (seconds > LEASE and sum(one.is_working for one in stage.seats) < 2):
        return None
    what = "and all its processes " if whole else ""
    text = f"SIGSTOP supervisor {seat.pid} {what}for {seconds:.1f} s"
    children = stage.children(seat) if whole else []
    fault = Fault(kind=kind, begin=monotonic(), end=None, text=text, supervisor=seat.pid, seat=seat.index)
    seat.signal(signal.SIGSTOP)
    seat.frozen = True
    for pid, _ in (frozen := _family(children)):
        _kill(pid, signal.SIGSTOP)

    def resume() -> None:
        for pid, session in frozen:
            if session_of(pid) == session:
                _kill(pid, signal.SIGCONT)
        seat.frozen = False
        seat.signal(signal.SIGCONT)

    return stage.after(seconds, fault, resume)


def freeze_short(stage: Stage) -> Fault | None:
    """Stop a supervisor for less than its lease: nobody may notice."""
    seconds = stage.chance.uniform(0.1, 0.5 * LEASE)
    return _freeze(stage, "freeze-short", seconds) if stage.hold_up(seconds) else None


def freeze_long(stage: Stage) -> Fault | None:
    """Stop a supervisor for more than its lease: its messages are given to others."""
    return _freeze(stage, "freeze-long", stage.chance.uniform(1.3 * LEASE, 2.5 * LEASE))


def freeze_machine(stage: Stage) -> Fault | None:
    """Stop a supervisor with all its processes for more than its lease."""
    return _freeze(stage, "freeze-machine", stage.chance.uniform(1.3 * LEASE, 2.5 * LEASE), whole=True)
