"""Faults that hit processes: killed, stopped, frozen."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable

from taskq.clock import monotonic
from taskq.tools.chaos.app import LEASE
from taskq.tools.chaos.ledger import Birth
from taskq.tools.chaos.stage import Fault, Stage, at_once, is_of, session_of
from taskq.tools.chaos.workers import ManagedWorker

__all__ = [
    "freeze_child",
    "freeze_long",
    "freeze_machine",
    "freeze_short",
    "kill_child",
    "kill_machine",
    "kill_supervisor",
    "kill_zygote",
    "leave_log",
    "restart",
    "stop",
]


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _family(children: list[Birth]) -> list[tuple[int, int]]:
    """Return zygotes and children, each with its session."""
    return sorted({(one.zygote, one.zygote) for one in children}) + [(one.pid, one.zygote) for one in children]


def _pick_child(stage: Stage) -> tuple[ManagedWorker, Birth] | None:
    worker = stage.working()
    children = stage.children(worker) if worker else []
    if worker is None or not children:
        return None
    return worker, children[0] if stage.chance.random() < 0.7 else stage.chance.choice(children)


def kill_child(stage: Stage) -> Fault | None:
    """Kill a process that runs jobs."""
    picked = _pick_child(stage)
    if picked is None:
        return None
    worker, child = picked
    fault = at_once("child", f"SIGKILL child {child.pid} of {worker.pid}", child=child.pid, supervisor=worker.pid, worker=worker.index)
    stage.killed.add(child.pid)
    _kill(child.pid, signal.SIGKILL)
    return fault


def kill_zygote(stage: Stage) -> Fault | None:
    """Kill the process that forks the workers; they die with it."""
    picked = _pick_child(stage)
    if picked is None:
        return None
    worker, child = picked
    text = f"SIGKILL zygote {child.zygote} of {worker.pid}"
    fault = at_once("zygote", text, zygote=child.zygote, supervisor=worker.pid, worker=worker.index)
    stage.killed.add(child.zygote)
    _kill(child.zygote, signal.SIGKILL)
    return fault


def _hit_supervisor(stage: Stage, kind: str, text: str, act: Callable[[ManagedWorker], None]) -> Fault | None:
    """Do something to any supervisor that works. `text` is what the report says of it, with a place for its process id."""
    worker = stage.working()
    if worker is None:
        return None
    fault = at_once(kind, text.format(worker.pid), supervisor=worker.pid, worker=worker.index)
    act(worker)
    return fault


def kill_supervisor(stage: Stage) -> Fault | None:
    """Kill a supervisor; its processes notice."""
    return _hit_supervisor(stage, "supervisor", "SIGKILL supervisor {}", ManagedWorker.kill)


def kill_machine(stage: Stage) -> Fault | None:
    """Everything of a supervisor at once, as when a machine goes."""

    def kill(worker: ManagedWorker) -> None:
        children = stage.children(worker)
        worker.kill()
        for pid, _ in _family(children):
            _kill(pid, signal.SIGKILL)

    return _hit_supervisor(stage, "machine", "SIGKILL supervisor {} and all its processes", kill)


def stop(stage: Stage) -> Fault | None:
    """Ask a supervisor to shut down gracefully."""
    return _hit_supervisor(stage, "stop", "SIGTERM supervisor {}", ManagedWorker.stop)


def restart(stage: Stage) -> Fault | None:
    """Have a supervisor replace its processes."""
    return _hit_supervisor(
        stage, "restart", "SIGHUP supervisor {}: its processes are replaced", lambda worker: worker.signal(signal.SIGHUP)
    )


def freeze_child(stage: Stage) -> Fault | None:
    """Stop a process that runs jobs, and let it go on."""
    picked = _pick_child(stage)
    if picked is None:
        return None
    worker, child = picked
    seconds = stage.chance.uniform(0.1, 1.5 * LEASE)
    text = f"SIGSTOP child {child.pid} of {worker.pid} for {seconds:.1f} s"
    fault = Fault(kind="freeze-child", begin=monotonic(), end=None, text=text, child=child.pid, supervisor=worker.pid, worker=worker.index)
    _kill(child.pid, signal.SIGSTOP)

    def resume() -> None:
        if is_of(child):
            _kill(child.pid, signal.SIGCONT)

    return stage.after(seconds, fault, resume)


def _freeze(stage: Stage, kind: str, seconds: float, *, whole: bool = False) -> Fault | None:
    worker = stage.working()
    # Another worker must be there to notice. Without others to compare with, a supervisor declares none lost.
    if worker is None or (seconds > LEASE and sum(one.is_working for one in stage.workers) < 2):
        return None
    what = "and all its processes " if whole else ""
    text = f"SIGSTOP supervisor {worker.pid} {what}for {seconds:.1f} s"
    children = stage.children(worker) if whole else []
    fault = Fault(kind=kind, begin=monotonic(), end=None, text=text, supervisor=worker.pid, worker=worker.index)
    worker.signal(signal.SIGSTOP)
    worker.frozen = True
    for pid, _ in (frozen := _family(children)):
        _kill(pid, signal.SIGSTOP)

    def resume() -> None:
        for pid, session in frozen:
            if session_of(pid) == session:
                _kill(pid, signal.SIGCONT)
        worker.frozen = False
        worker.signal(signal.SIGCONT)

    return stage.after(seconds, fault, resume)


def freeze_short(stage: Stage) -> Fault | None:
    """Freeze a supervisor for less than its lease: no other worker may notice."""
    seconds = stage.chance.uniform(0.1, 0.5 * LEASE)
    return _freeze(stage, "freeze-short", seconds) if stage.hold_up(seconds) else None


def freeze_long(stage: Stage) -> Fault | None:
    """Stop a supervisor for more than its lease: its messages are given to others."""
    return _freeze(stage, "freeze-long", stage.chance.uniform(1.3 * LEASE, 2.5 * LEASE))


def freeze_machine(stage: Stage) -> Fault | None:
    """Stop a supervisor with all its processes for more than its lease."""
    return _freeze(stage, "freeze-machine", stage.chance.uniform(1.3 * LEASE, 2.5 * LEASE), whole=True)


def leave_log(stage: Stage) -> Fault | None:
    """Stop reading the log of a supervisor and its processes for a while: the pipe fills, and none of them may wait for it."""
    worker = stage.working()
    if worker is None or worker.log is None:
        return None
    seconds = stage.chance.uniform(0.5, 2.5 * LEASE)
    text = f"the log of supervisor {worker.pid} is not read for {seconds:.1f} s"
    fault = Fault(kind="log", begin=monotonic(), end=None, text=text, supervisor=worker.pid, worker=worker.index)
    worker.log.pause()
    return stage.after(seconds, fault, worker.log.resume)
